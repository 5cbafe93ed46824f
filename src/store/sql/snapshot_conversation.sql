-- snapshot_conversation.sql: the conversation $3, $4 of user $2 of app $1, unless it is empty.
WITH head AS MATERIALIZED (
    SELECT
        CASE
            WHEN (
                SELECT TRUE FROM gone WHERE sdk_app_id = $1 AND kind = 1 AND id = $2 AND is_gone
            ) THEN TRUE
            WHEN (SELECT TRUE FROM accounts WHERE sdk_app_id = $1 AND user_id = $2) THEN FALSE
        END AS owner_is_gone,
        COALESCE(u.revision, 0) AS revision, COALESCE(u.forgotten_revision, 0) AS forgotten_revision,
        COALESCE(u.groups_revision, 0) AS groups_revision,
        a.directory_revision, (SELECT epoch FROM database_epoch WHERE is_only_row) + a.epoch AS epoch
    FROM apps a
    LEFT JOIN users u ON u.sdk_app_id = $1 AND u.user_id = $2
    WHERE a.sdk_app_id = $1
)
SELECT
    h.owner_is_gone, h.epoch AS "epoch!", h.directory_revision AS "directory_revision!", h.revision AS "revision!",
    h.forgotten_revision AS "forgotten_revision!", h.groups_revision AS "groups_revision!",
    g.ids AS "contact_group_ids!", g.names AS "contact_group_names!", g.conversations AS "contact_group_sizes!",
    COALESCE(c.kinds, '{}') AS "kinds!: Column<i16>",
    COALESCE(c.peer_ids, '{}') AS "peer_ids!: Column<SmolStr>",
    COALESCE(c.standard_marks, '{}') AS "standard_marks!: Column<i64>",
    COALESCE(c.custom_marks, '{}') AS "custom_marks!: Column<Box<str>>",
    COALESCE(c.group_ids, '{}') AS "group_ids!: Column<String>",
    COALESCE(c.positions, '{}') AS "positions!: Column<Option<i32>>",
    COALESCE(c.pin_positions, '{}') AS "pin_positions!: Column<Option<i32>>",
    COALESCE(c.changed_at, '{}') AS "changed_at!: Column<i64>",
    COALESCE(c.changed_revisions, '{}') AS "changed_revisions!: Column<i64>"
FROM head h
CROSS JOIN (
    SELECT
        COALESCE(array_agg(group_id ORDER BY rank NULLS LAST, group_id), '{}') AS ids,
        COALESCE(array_agg(name ORDER BY rank NULLS LAST, group_id), '{}') AS names,
        COALESCE(array_agg(0::bigint), '{}') AS conversations
    FROM contact_groups WHERE sdk_app_id = $1 AND user_id = $2
) g
CROSS JOIN (
    SELECT
        array_agg(kind) AS kinds, array_agg(peer_id) AS peer_ids,
        array_agg(standard_mark) AS standard_marks, array_agg(custom_mark) AS custom_marks,
        array_agg(array_to_string(group_ids, ',')) AS group_ids, array_agg(position) AS positions,
        array_agg(pin_position) AS pin_positions, array_agg(changed_at) AS changed_at,
        array_agg(changed_revision) AS changed_revisions
    FROM live_conversations
    WHERE sdk_app_id = $1 AND user_id = $2 AND kind = $3 AND peer_id = $4
) c
