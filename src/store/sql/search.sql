-- search.sql: conversations $1, $2 of user $4 of app $3 that are not empty, in the order asked for, one array per column.
SELECT
    CASE
        WHEN (
            SELECT TRUE FROM gone WHERE sdk_app_id = $3 AND kind = 1 AND id = $4 AND is_gone
        ) THEN TRUE
        WHEN (SELECT TRUE FROM accounts WHERE sdk_app_id = $3 AND user_id = $4) THEN FALSE
    END AS owner_is_gone,
    ARRAY(
        SELECT group_id FROM contact_groups
        WHERE sdk_app_id = $3 AND user_id = $4 ORDER BY group_id
    ) AS "contact_group_ids!: Column<i32>",
    ARRAY(
        SELECT name FROM contact_groups
        WHERE sdk_app_id = $3 AND user_id = $4 ORDER BY group_id
    ) AS "contact_group_names!: Column<String>",
    COALESCE(array_agg(kind), '{}') AS "kinds!: Column<i16>",
    COALESCE(array_agg(peer_id), '{}') AS "peer_ids!: Column<SmolStr>",
    COALESCE(array_agg(standard_mark), '{}') AS "standard_marks!: Column<i64>",
    COALESCE(array_agg(custom_mark), '{}') AS "custom_marks!: Column<Box<str>>",
    COALESCE(array_agg(array_to_string(group_ids, ',')), '{}') AS "group_ids!: Column<String>",
    COALESCE(array_agg(position), '{}') AS "positions!: Column<Option<i32>>",
    COALESCE(array_agg(pin_position), '{}') AS "pin_positions!: Column<Option<i32>>",
    COALESCE(array_agg(changed_at), '{}') AS "changed_at!: Column<i64>"
FROM (
    SELECT c.*
    FROM unnest($1::smallint[], $2::text[]) WITH ORDINALITY AS t (kind, peer_id, nr)
    CROSS JOIN LATERAL (
        SELECT * FROM live_conversations l
        WHERE l.sdk_app_id = $3 AND l.user_id = $4 AND l.kind = t.kind AND l.peer_id = t.peer_id
        -- At most one row exists. The limit makes PostgreSQL look it up by key.
        LIMIT 1
    ) c
    ORDER BY t.nr
) c
