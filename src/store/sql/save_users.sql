-- save_users.sql: changed users, each with its new revision. Takes numbers for them, and for changes of the directory of the apps
-- $15, from the feeds that are on.
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
head AS (
    UPDATE feed_head h SET next_number = h.next_number + n.changes
    FROM (
        SELECT sdk_app_id, count(*) AS changes
        FROM (
            SELECT sdk_app_id FROM saved UNION ALL SELECT sdk_app_id FROM unnest($15::bigint[]) AS d (sdk_app_id)
        ) change
        GROUP BY sdk_app_id ORDER BY sdk_app_id
    ) n
    WHERE h.sdk_app_id = n.sdk_app_id AND h.on_since IS NOT NULL
    RETURNING h.sdk_app_id, h.next_number - n.changes AS first_number
)
SELECT
    (SELECT count(*) FROM saved) AS "saved!",
    ARRAY(SELECT sdk_app_id FROM head ORDER BY sdk_app_id) AS "feed_apps!",
    ARRAY(SELECT first_number FROM head ORDER BY sdk_app_id) AS "first_numbers!"
