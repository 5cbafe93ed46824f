-- save_deliveries.sql: failed attempts with their error, and changes behind them without one. `$10` gives up those that failed for
-- the first time, and a first failure that is older than `$11` seconds gives up the others.
INSERT INTO webhook_deliveries AS d (
    sdk_app_id, webhook_id, epoch, number, kind, id, is_gone, revision, last_error, attempts, next_try_at
)
SELECT
    $8, $9, t.epoch, t.number, t.kind, t.id, t.is_gone, t.revision, t.last_error,
    CASE WHEN t.last_error IS NULL THEN 0 ELSE 1 END,
    CASE
        WHEN t.last_error IS NULL THEN 'infinity'
        WHEN CASE
            WHEN o.number IS NULL THEN $10::boolean
            ELSE o.failed_at <= clock_timestamp() - make_interval(secs => $11::bigint)
        END THEN NULL
        ELSE clock_timestamp()
            + LEAST(INTERVAL '5 seconds' * 3 ^ LEAST(COALESCE(o.attempts, 0), 20), INTERVAL '3 hours')
    END
FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::boolean[], $6::bigint[], $7::text[])
    AS t (epoch, number, kind, id, is_gone, revision, last_error)
LEFT JOIN webhook_deliveries o
    ON o.sdk_app_id = $8 AND o.webhook_id = $9 AND o.epoch = t.epoch AND o.number = t.number
ON CONFLICT (sdk_app_id, webhook_id, epoch, number) DO UPDATE SET
    attempts = d.attempts + EXCLUDED.attempts,
    last_error = COALESCE(EXCLUDED.last_error, d.last_error),
    next_try_at = EXCLUDED.next_try_at
