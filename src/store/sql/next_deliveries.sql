-- next_deliveries.sql: the first waiting change of each user is due unless it waits for its own next attempt.
UPDATE webhook_deliveries d SET next_try_at = statement_timestamp()
FROM (
    SELECT DISTINCT ON (kind, id) epoch, number, next_try_at
    FROM webhook_deliveries
    WHERE sdk_app_id = $1 AND webhook_id = $2 AND next_try_at IS NOT NULL
    ORDER BY kind, id, epoch, number
) n
WHERE d.sdk_app_id = $1 AND d.webhook_id = $2 AND d.epoch = n.epoch AND d.number = n.number
    AND n.next_try_at = 'infinity'
