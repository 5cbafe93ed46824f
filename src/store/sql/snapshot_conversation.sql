-- snapshot_conversation.sql: the conversation $3, $4 of user $2 of app $1, unless it is empty.
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
FROM user_head($1, $2) h
CROSS JOIN user_groups($1, $2, FALSE) g
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
