-- save_users.sql: changed users, each with its new revision.
UPDATE users u SET
    revision = t.revision, forgotten_revision = t.forgotten_revision,
    groups_revision = CASE WHEN t.changes_groups THEN t.revision ELSE u.groups_revision END,
    next_position = t.next_position, next_group_id = t.next_group_id, row_count = t.row_count,
    marked = t.marked, marked_max = t.marked_max, grouped = t.grouped, grouped_max = t.grouped_max,
    pinned = t.pinned, pinned_max = t.pinned_max
FROM unnest(
    $1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[], $6::int[], $7::int[], $8::int[],
    $9::int[], $10::int[], $11::int[], $12::int[], $13::int[], $14::int[]
) AS t (
    sdk_app_id, user_id, revision, forgotten_revision, changes_groups, next_position, next_group_id, row_count,
    marked, marked_max, grouped, grouped_max, pinned, pinned_max
)
WHERE u.sdk_app_id = t.sdk_app_id AND u.user_id = t.user_id
