-- record_webhook.sql: the new position, and whether all attempts fail. After a failure, the pauses grow from five seconds to
-- three hours.
UPDATE webhooks SET
    epoch = COALESCE($4, epoch), number = COALESCE($5, number),
    failures = CASE WHEN $7 THEN 0 WHEN $6::text IS NOT NULL THEN failures + 1 ELSE failures END,
    failing_since = CASE
        WHEN $7 THEN NULL
        WHEN $6::text IS NOT NULL THEN COALESCE(failing_since, clock_timestamp())
        ELSE failing_since
    END,
    last_error = CASE WHEN $7 THEN NULL ELSE COALESCE($6, last_error) END,
    next_try_at = CASE
        WHEN $7 OR $6::text IS NULL THEN '-infinity'
        ELSE clock_timestamp() + LEAST(INTERVAL '5 seconds' * 3 ^ LEAST(failures, 20), INTERVAL '3 hours')
    END,
    claimed_until = clock_timestamp() + INTERVAL '15 seconds'
WHERE sdk_app_id = $1 AND webhook_id = $2 AND claimed_by = $3 AND claimed_until > clock_timestamp() AND NOT disabled
