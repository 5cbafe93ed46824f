-- save_deliveries.sql: failed attempts with their error, and changes behind them without one. `$10` gives them up, and so does
-- a first failure that is older than `$11` seconds.
INSERT INTO webhook_deliveries AS d (
    sdk_app_id, webhook_id, epoch, number, kind, id, is_gone, revision, last_error, attempts, next_try_at
)
SELECT
    $8, $9, t.epoch, t.number, t.kind, t.id, t.is_gone, t.revision, t.last_error,
    CASE WHEN t.last_error IS NULL THEN 0 ELSE 1 END,
    CASE
        WHEN t.last_error IS NULL THEN 'infinity'
        WHEN $10::boolean THEN NULL
        ELSE clock_timestamp() + INTERVAL '5 seconds'
    END
FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::boolean[], $6::bigint[], $7::text[])
    AS t (epoch, number, kind, id, is_gone, revision, last_error)
ON CONFLICT (sdk_app_id, webhook_id, epoch, number) DO UPDATE SET
    attempts = d.attempts + EXCLUDED.attempts,
    last_error = COALESCE(EXCLUDED.last_error, d.last_error),
    next_try_at = CASE
        WHEN EXCLUDED.last_error IS NULL THEN 'infinity'
        WHEN d.failed_at <= clock_timestamp() - make_interval(secs => $11::bigint) THEN NULL
        ELSE clock_timestamp() + LEAST(INTERVAL '5 seconds' * 3 ^ LEAST(d.attempts, 20), INTERVAL '3 hours')
    END
