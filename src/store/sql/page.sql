-- A page of get_contact_group: up to $4 conversations of user $2 of app $1 after position $3, one array per column.
SELECT
    CASE
        WHEN (
            SELECT TRUE FROM gone WHERE sdk_app_id = $1 AND kind = 1 AND id = $2 AND is_gone
        ) THEN TRUE
        WHEN (SELECT TRUE FROM accounts WHERE sdk_app_id = $1 AND user_id = $2) THEN FALSE
    END AS owner_is_gone,
    ARRAY(
        SELECT group_id FROM contact_groups
        WHERE sdk_app_id = $1 AND user_id = $2 ORDER BY group_id
    ) AS "contact_group_ids!: Column<i32>",
    ARRAY(
        SELECT name FROM contact_groups
        WHERE sdk_app_id = $1 AND user_id = $2 ORDER BY group_id
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
    SELECT * FROM live_conversations
    WHERE sdk_app_id = $1 AND user_id = $2 AND position > $3
        AND (standard_mark <> 0 OR custom_mark <> '' OR group_ids <> '{}')
    ORDER BY position LIMIT $4
) c
