-- read_feed.sql: the head of an app's feed, and the changes after a number. `$2` NULL begins at the oldest change.
SELECT
    -- Transactions that began before the feed was on did not append. After ten seconds all of them have ended: the settings
    -- of our sessions (src/store/pool/open.rs) end a transaction within eight.
    COALESCE(h.on_since + INTERVAL '10 seconds' <= clock_timestamp(), FALSE) AS "is_on!",
    (SELECT epoch FROM database_epoch WHERE is_only_row)
        + COALESCE((SELECT epoch FROM apps WHERE sdk_app_id = $1), 0) AS "epoch!",
    h.next_number AS "next_number?", h.forgotten_number AS "forgotten_number?",
    c.numbers AS "numbers!", c.kinds AS "kinds!", c.ids AS "ids!",
    c.are_gone AS "are_gone!: Vec<Option<bool>>", c.revisions AS "revisions!"
FROM (SELECT $1::bigint AS sdk_app_id) asked
LEFT JOIN feed_head h ON h.sdk_app_id = asked.sdk_app_id
CROSS JOIN LATERAL (
    SELECT
        COALESCE(array_agg(f.number ORDER BY f.number), '{}') AS numbers,
        COALESCE(array_agg(f.kind ORDER BY f.number), '{}') AS kinds,
        COALESCE(array_agg(f.id ORDER BY f.number), '{}') AS ids,
        COALESCE(array_agg(f.is_gone ORDER BY f.number), '{}') AS are_gone,
        COALESCE(array_agg(f.revision ORDER BY f.number), '{}') AS revisions
    FROM (
        SELECT number, kind, id, is_gone, revision FROM feed
        WHERE sdk_app_id = $1 AND number > COALESCE($2, h.forgotten_number)
        ORDER BY number LIMIT $3
    ) f
) c
