-- snapshot_user.sql: user $2 of app $1, with contact groups and what counts against the limits.
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
    used.marked AS "used_marked!", used.grouped AS "used_grouped!", used.pinned AS "used_pinned!"
FROM head h
CROSS JOIN (
    SELECT
        COALESCE(array_agg(n.group_id ORDER BY n.rank NULLS LAST, n.group_id), '{}') AS ids,
        COALESCE(array_agg(n.name ORDER BY n.rank NULLS LAST, n.group_id), '{}') AS names,
        COALESCE(array_agg(COALESCE(m.members, 0) ORDER BY n.rank NULLS LAST, n.group_id), '{}') AS conversations
    FROM contact_groups n
    LEFT JOIN (
        SELECT id, count(*) AS members FROM live_conversations c, unnest(c.group_ids) AS id
        WHERE c.sdk_app_id = $1 AND c.user_id = $2
        GROUP BY id
    ) m ON m.id = n.group_id
    WHERE n.sdk_app_id = $1 AND n.user_id = $2
) g
CROSS JOIN (
    SELECT
        count(*) FILTER (WHERE standard_mark <> 0 OR custom_mark <> '') AS marked,
        count(*) FILTER (WHERE group_ids <> '{}') AS grouped,
        count(*) FILTER (WHERE pin_position IS NOT NULL) AS pinned
    FROM live_conversations
    WHERE sdk_app_id = $1 AND user_id = $2
) used
