-- snapshot_user.sql: user $2 of app $1, with contact groups and what counts against the limits.
SELECT
    h.owner_is_gone, h.epoch AS "epoch!", h.directory_revision AS "directory_revision!", h.revision AS "revision!",
    h.forgotten_revision AS "forgotten_revision!", h.groups_revision AS "groups_revision!",
    g.ids AS "contact_group_ids!", g.names AS "contact_group_names!", g.conversations AS "contact_group_sizes!",
    used.marked AS "used_marked!", used.grouped AS "used_grouped!", used.pinned AS "used_pinned!"
FROM user_head($1, $2) h
CROSS JOIN user_groups($1, $2, TRUE) g
CROSS JOIN (
    SELECT
        count(*) FILTER (WHERE standard_mark <> 0 OR custom_mark <> '') AS marked,
        count(*) FILTER (WHERE group_ids <> '{}') AS grouped,
        count(*) FILTER (WHERE pin_position IS NOT NULL) AS pinned
    FROM live_conversations
    WHERE sdk_app_id = $1 AND user_id = $2
) used
