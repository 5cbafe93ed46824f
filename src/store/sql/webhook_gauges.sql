-- webhook_gauges.sql: how deliveries are doing.
SELECT
    count(*) FILTER (WHERE w.failing_since IS NOT NULL) AS "failing!",
    (SELECT count(*) FROM webhook_deliveries WHERE sdk_app_id > 0 AND next_try_at IS NULL) AS "dead_letters!",
    COALESCE(max(floor(extract(epoch FROM clock_timestamp() - LEAST(
        (
            SELECT f.appended_at FROM feed f
            WHERE f.sdk_app_id = w.sdk_app_id AND f.number > w.number ORDER BY f.number LIMIT 1
        ),
        (
            SELECT min(d.failed_at) FROM webhook_deliveries d
            WHERE d.sdk_app_id = w.sdk_app_id AND d.webhook_id = w.webhook_id AND d.next_try_at IS NOT NULL
        )
    ))))::bigint, 0) AS "lag_s!"
FROM webhooks w
WHERE w.sdk_app_id > 0 AND NOT w.disabled
