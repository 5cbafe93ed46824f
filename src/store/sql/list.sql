-- list.sql: a page of get_list, one array per column: up to $6 conversations of user $2 of app $1, pinned ones first, newest
-- pin first, then the others, newest change first. The page starts after pin position $3, change time $4 and position $5.
SELECT
    CASE
        WHEN (
            SELECT TRUE FROM gone WHERE sdk_app_id = $1 AND kind = 1 AND id = $2 AND is_gone
        ) THEN TRUE
        WHEN (SELECT TRUE FROM accounts WHERE sdk_app_id = $1 AND user_id = $2) THEN FALSE
    END AS owner_is_gone,
    '{}'::int[] AS "contact_group_ids!: Column<i32>",
    '{}'::text[] AS "contact_group_names!: Column<String>",
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
    WHERE sdk_app_id = $1 AND user_id = $2 AND CASE
        WHEN pin_position IS NOT NULL THEN $4::bigint = 0 AND $5::int = 0 AND ($3::int = 0 OR pin_position < $3)
        ELSE ($4 = 0 AND $5 = 0) OR (changed_at, position) < ($4, $5)
    END
    ORDER BY pin_position DESC NULLS LAST, changed_at DESC, position DESC LIMIT $6
) c
