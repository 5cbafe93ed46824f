-- save_users.sql: changed users, each with its new revision, and changes of the directory. Both are appended to the feeds.
WITH saved AS (
    UPDATE users u SET
        revision = t.revision, forgotten_revision = t.forgotten_revision,
        groups_revision = COALESCE(t.groups_revision, u.groups_revision),
        next_position = t.next_position, next_group_id = t.next_group_id, row_count = t.row_count,
        marked = t.marked, marked_max = t.marked_max, grouped = t.grouped, grouped_max = t.grouped_max,
        pinned = t.pinned, pinned_max = t.pinned_max
    FROM unnest(
        $1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::int[], $7::int[], $8::int[],
        $9::int[], $10::int[], $11::int[], $12::int[], $13::int[], $14::int[]
    ) AS t (
        sdk_app_id, user_id, revision, forgotten_revision, groups_revision, next_position, next_group_id, row_count,
        marked, marked_max, grouped, grouped_max, pinned, pinned_max
    )
    WHERE u.sdk_app_id = t.sdk_app_id AND u.user_id = t.user_id
    RETURNING u.sdk_app_id, u.user_id, u.revision
),
change AS (
    SELECT sdk_app_id, 0::smallint AS kind, user_id AS id, NULL::boolean AS is_gone, revision FROM saved
    UNION ALL
    SELECT sdk_app_id, kind, id, is_gone, revision
    FROM unnest($15::bigint[], $16::smallint[], $17::text[], $18::boolean[], $19::bigint[])
        AS d (sdk_app_id, kind, id, is_gone, revision)
),
head AS (
    UPDATE feed_head h SET next_number = h.next_number + n.changes
    FROM (SELECT sdk_app_id, count(*) AS changes FROM change GROUP BY sdk_app_id ORDER BY sdk_app_id) n
    WHERE h.sdk_app_id = n.sdk_app_id AND h.on_since IS NOT NULL
    RETURNING h.sdk_app_id, h.next_number - n.changes AS first_number
),
appended AS (
    INSERT INTO feed (sdk_app_id, number, slot, kind, id, is_gone, revision, appended_at)
    SELECT
        h.sdk_app_id, h.first_number - 1 + row_number() OVER (PARTITION BY c.sdk_app_id ORDER BY c.kind, c.id),
        feed_slot(now()), c.kind, c.id, c.is_gone, c.revision, now()
    FROM head h JOIN change c ON c.sdk_app_id = h.sdk_app_id
)
SELECT count(*) AS "saved!" FROM saved
