-- save_conversations.sql: changed conversations, and a list of which one is in which contact group, as PostgreSQL has no array
-- of arrays of unequal length.
INSERT INTO conversations (
    sdk_app_id, user_id, kind, peer_id, standard_mark, custom_mark,
    holds_place, position, pin_position, changed_at, changed_revision, group_ids
)
SELECT
    t.sdk_app_id, t.user_id, t.kind, t.peer_id, t.standard_mark, t.custom_mark,
    t.holds_place, t.position, t.pin_position, t.changed_at, t.changed_revision, COALESCE(m.group_ids, '{}')
FROM unnest(
    $1::bigint[], $2::text[], $3::smallint[], $4::text[], $5::bigint[], $6::text[],
    $7::boolean[], $8::int[], $9::int[], $10::bigint[], $11::bigint[]
) WITH ORDINALITY AS t (
    sdk_app_id, user_id, kind, peer_id, standard_mark, custom_mark,
    holds_place, position, pin_position, changed_at, changed_revision, nr
)
LEFT JOIN (
    SELECT conversation_nr, array_agg(group_id ORDER BY group_id) AS group_ids
    FROM unnest($12::bigint[], $13::int[]) AS member (conversation_nr, group_id) GROUP BY conversation_nr
) m ON m.conversation_nr = t.nr
ON CONFLICT (sdk_app_id, user_id, kind, peer_id) DO UPDATE SET
    standard_mark = excluded.standard_mark, custom_mark = excluded.custom_mark,
    holds_place = excluded.holds_place, group_ids = excluded.group_ids,
    position = excluded.position, pin_position = excluded.pin_position,
    changed_at = excluded.changed_at, changed_revision = excluded.changed_revision
