-- snapshot_changes.sql: what is different for user $2 of app $1 since revision $3 and directory revision $4: conversations that
-- are shown, each whole, and the others by id. A conversation differs if its row has changed, if its other end has left or come
-- back, or if a contact group that holds it has got its name since then.
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
),
different AS MATERIALIZED (
    SELECT
        c.*,
        (
            SELECT g.is_gone FROM gone g
            WHERE g.sdk_app_id = c.sdk_app_id AND g.kind = c.kind AND g.id = c.peer_id AND g.is_gone
        ) IS NULL
        AND (standard_mark <> 0 OR custom_mark <> '' OR group_ids <> '{}' OR pin_position IS NOT NULL) AS is_shown
    FROM (
        SELECT
            c.*,
            -- A scalar subquery is asked row by row along the index, and only if anything in the directory has changed.
            CASE WHEN h.directory_revision > $4::bigint THEN (
                SELECT g.directory_revision FROM gone g
                WHERE g.sdk_app_id = c.sdk_app_id AND g.kind = c.kind AND g.id = c.peer_id AND g.directory_revision > $4
            ) END IS NOT NULL AS is_by_directory
        FROM head h
        CROSS JOIN conversations c
        WHERE c.sdk_app_id = $1 AND c.user_id = $2
    ) c
    WHERE c.changed_revision > $3::bigint OR c.is_by_directory OR c.group_ids && ARRAY(
        SELECT n.group_id FROM contact_groups n
        WHERE n.sdk_app_id = $1 AND n.user_id = $2 AND n.name_revision > $3
    )
),
-- Contact groups differ if they or their members have changed, or if the directory has changed the numbers of their members.
counted AS MATERIALIZED (
    SELECT h.groups_revision > $3 OR (
        SELECT TRUE FROM different WHERE is_by_directory AND group_ids <> '{}' LIMIT 1
    ) IS NOT NULL AS groups_differ
    FROM head h
)
SELECT
    h.owner_is_gone, h.epoch AS "epoch!", h.directory_revision AS "directory_revision!", h.revision AS "revision!",
    h.forgotten_revision AS "forgotten_revision!", h.groups_revision AS "groups_revision!",
    g.ids AS "contact_group_ids!", g.names AS "contact_group_names!", g.conversations AS "contact_group_sizes!",
    k.groups_differ AS "groups_differ!",
    COALESCE(c.kinds, '{}') AS "kinds!: Column<i16>",
    COALESCE(c.peer_ids, '{}') AS "peer_ids!: Column<SmolStr>",
    COALESCE(c.standard_marks, '{}') AS "standard_marks!: Column<i64>",
    COALESCE(c.custom_marks, '{}') AS "custom_marks!: Column<Box<str>>",
    COALESCE(c.group_ids, '{}') AS "group_ids!: Column<String>",
    COALESCE(c.positions, '{}') AS "positions!: Column<Option<i32>>",
    COALESCE(c.pin_positions, '{}') AS "pin_positions!: Column<Option<i32>>",
    COALESCE(c.changed_at, '{}') AS "changed_at!: Column<i64>",
    COALESCE(c.changed_revisions, '{}') AS "changed_revisions!: Column<i64>",
    COALESCE(c.removed_kinds, '{}') AS "removed_kinds!: Column<i16>",
    COALESCE(c.removed_peer_ids, '{}') AS "removed_peer_ids!: Column<SmolStr>"
FROM head h
CROSS JOIN counted k
CROSS JOIN LATERAL (
    SELECT
        COALESCE(array_agg(n.group_id ORDER BY n.rank NULLS LAST, n.group_id), '{}') AS ids,
        COALESCE(array_agg(n.name ORDER BY n.rank NULLS LAST, n.group_id), '{}') AS names,
        COALESCE(array_agg(COALESCE(m.members, 0) ORDER BY n.rank NULLS LAST, n.group_id), '{}') AS conversations
    FROM contact_groups n
    LEFT JOIN (
        SELECT id, count(*) AS members FROM live_conversations c, unnest(c.group_ids) AS id
        WHERE c.sdk_app_id = $1 AND c.user_id = $2 AND k.groups_differ
        GROUP BY id
    ) m ON m.id = n.group_id
    WHERE n.sdk_app_id = $1 AND n.user_id = $2
) g
CROSS JOIN (
    SELECT
        array_agg(kind) FILTER (WHERE is_shown) AS kinds,
        array_agg(peer_id) FILTER (WHERE is_shown) AS peer_ids,
        array_agg(standard_mark) FILTER (WHERE is_shown) AS standard_marks,
        array_agg(custom_mark) FILTER (WHERE is_shown) AS custom_marks,
        array_agg(array_to_string(group_ids, ',')) FILTER (WHERE is_shown) AS group_ids,
        array_agg(position) FILTER (WHERE is_shown) AS positions,
        array_agg(pin_position) FILTER (WHERE is_shown) AS pin_positions,
        array_agg(changed_at) FILTER (WHERE is_shown) AS changed_at,
        array_agg(changed_revision) FILTER (WHERE is_shown) AS changed_revisions,
        array_agg(kind) FILTER (WHERE NOT is_shown) AS removed_kinds,
        array_agg(peer_id) FILTER (WHERE NOT is_shown) AS removed_peer_ids
    FROM (SELECT * FROM different ORDER BY changed_revision, kind, peer_id) ordered
) c
