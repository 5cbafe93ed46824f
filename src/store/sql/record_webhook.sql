-- record_webhook.sql: the new position, and whether all attempts fail. After a failure, the pauses grow from five seconds to
-- three hours. `$3` is the time.
UPDATE webhooks SET
    epoch = COALESCE($4, epoch), number = COALESCE($5, number),
    failures = CASE WHEN $7 THEN 0 WHEN $6::text IS NOT NULL THEN failures + 1 ELSE failures END,
    failing_since = CASE
        WHEN $7 THEN NULL
        WHEN $6::text IS NOT NULL THEN COALESCE(failing_since, to_timestamp($3))
        ELSE failing_since
    END,
    last_error = CASE WHEN $7 THEN NULL ELSE COALESCE($6, last_error) END,
    next_try_at = CASE
        WHEN $7 OR $6::text IS NULL THEN '-infinity'
        ELSE to_timestamp($3 + LEAST(5 * 3 ^ LEAST(failures, 20), 10800))
    END,
    claimed_until = to_timestamp($3 + 15)
WHERE sdk_app_id = $1 AND webhook_id = $2
