-- remove_empty.sql: removes the oldest empty rows of users: as many as wanted, and all that have not changed since $4. Rows go
-- up to a revision, never beyond, so that users.forgotten_revision alone tells which rows may be missing.
WITH empty AS (
    SELECT
        t.sdk_app_id, t.user_id, t.wanted, c.changed_revision, c.changed_at,
        row_number() OVER (PARTITION BY t.sdk_app_id, t.user_id ORDER BY c.changed_revision) AS nr
    FROM unnest($1::bigint[], $2::text[], $3::int[]) AS t (sdk_app_id, user_id, wanted)
    JOIN conversations c ON c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
    WHERE c.standard_mark = 0 AND c.custom_mark = '' AND c.group_ids = '{}' AND c.pin_position IS NULL
),
last AS (
    SELECT
        sdk_app_id, user_id,
        GREATEST(
            max(changed_revision) FILTER (WHERE nr <= wanted),
            COALESCE(min(changed_revision) FILTER (WHERE changed_at >= $4) - 1, max(changed_revision))
        ) AS revision
    FROM empty GROUP BY sdk_app_id, user_id
)
DELETE FROM conversations c USING last
WHERE c.sdk_app_id = last.sdk_app_id AND c.user_id = last.user_id AND c.changed_revision <= last.revision
    AND c.standard_mark = 0 AND c.custom_mark = '' AND c.group_ids = '{}' AND c.pin_position IS NULL
RETURNING c.sdk_app_id, c.user_id, c.kind, c.peer_id, c.holds_place, c.changed_revision
