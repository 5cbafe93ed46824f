-- snapshot_list.sql: up to $13 conversations of user $2 of app $1 that are shown and pass the filters, in the order $3, after
-- sort key $10, kind $11 and peer $12. Filters: any ($4), all ($5) and none ($6) of these bits; kind $7; in the contact group
-- named $8; pinned or not $9; a custom mark or none $14; the custom mark $15. A filter that is NULL, or 0, lets all pass.
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
    COALESCE(c.changed_revisions, '{}') AS "changed_revisions!: Column<i64>",
    COALESCE(c.sort_keys, '{}') AS "sort_keys!: Column<i64>"
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
        array_agg(changed_revision) AS changed_revisions, array_agg(sort_key) AS sort_keys
    FROM (
        SELECT * FROM (
            SELECT
                l.*,
                CASE $3::text
                    -- Positions are below 2^31. Conversations that were only ever pinned have none, and come last.
                    WHEN 'first_marked' THEN COALESCE(position::bigint, 2147483648)
                    WHEN 'last_changed' THEN -changed_revision
                    -- Newest pin first, then newest change first.
                    ELSE COALESCE(-pin_position::bigint, 4611686018427387904 - changed_revision)
                END AS sort_key
            FROM live_conversations l
            WHERE sdk_app_id = $1 AND user_id = $2
        ) l
        WHERE ($4::bigint = 0 OR standard_mark & $4 <> 0)
            AND standard_mark & $5::bigint = $5
            AND standard_mark & $6::bigint = 0
            AND ($7::smallint IS NULL OR kind = $7)
            AND ($8::text IS NULL OR group_ids && ARRAY(
                SELECT n.group_id FROM contact_groups n WHERE n.sdk_app_id = $1 AND n.user_id = $2 AND n.name = $8
            ))
            AND ($9::boolean IS NULL OR (pin_position IS NOT NULL) = $9)
            AND ($14::boolean IS NULL OR (custom_mark <> '') = $14)
            AND ($15::text IS NULL OR custom_mark = $15)
            AND ($10::bigint IS NULL OR (sort_key, kind, peer_id) > ($10, $11::smallint, $12::text COLLATE "C"))
        ORDER BY sort_key, kind, peer_id LIMIT $13
    ) page
) c
