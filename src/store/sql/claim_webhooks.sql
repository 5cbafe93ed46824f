-- claim_webhooks.sql: webhooks with something to deliver that are due and free.
UPDATE webhooks w SET claimed_by = $1, claimed_until = statement_timestamp() + make_interval(secs => $3::bigint)
FROM (
    SELECT
        c.sdk_app_id, c.webhook_id, c.previous_until > statement_timestamp() AS has_previous_secret,
        c.failing_since <= statement_timestamp() - make_interval(secs => $4::bigint) AS gives_up
    FROM webhooks c
    JOIN apps a ON a.sdk_app_id = c.sdk_app_id AND NOT a.disabled
    JOIN feed_head h
        ON h.sdk_app_id = c.sdk_app_id AND h.on_since <= statement_timestamp() - INTERVAL '10 seconds'
    -- The first condition makes PostgreSQL use the index.
    WHERE c.sdk_app_id > 0 AND NOT c.disabled AND c.claimed_until <= statement_timestamp() AND c.next_try_at <= statement_timestamp()
        AND (
            c.epoch <> (SELECT epoch FROM database_epoch WHERE is_only_row) + a.epoch OR c.number <> h.next_number - 1 OR (
                SELECT TRUE FROM webhook_deliveries d
                WHERE d.sdk_app_id = c.sdk_app_id AND d.webhook_id = c.webhook_id
                    AND d.next_try_at <= statement_timestamp()
                LIMIT 1
            ) IS NOT NULL
        )
    ORDER BY c.next_try_at, c.claimed_until
    LIMIT $2
    FOR NO KEY UPDATE OF c SKIP LOCKED
) free
WHERE w.sdk_app_id = free.sdk_app_id AND w.webhook_id = free.webhook_id
RETURNING
    w.sdk_app_id, w.webhook_id, w.url, w.wants_users, w.wants_directory, w.secret,
    CASE WHEN free.has_previous_secret THEN w.previous_secret END AS previous_secret,
    w.epoch, w.number,
    COALESCE(free.gives_up, FALSE) AS "gives_up!"
