-- append_feed.sql: changes with their numbers, for which the feeds' heads are locked. A statement of its own, because Citus would
-- send an INSERT within another statement through all of its servers.
INSERT INTO feed (sdk_app_id, number, slot, kind, id, is_gone, revision, appended_at)
SELECT t.sdk_app_id, t.number, feed_slot(now()), t.kind, t.id, t.is_gone, t.revision, now()
FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::boolean[], $6::bigint[])
    AS t (sdk_app_id, number, kind, id, is_gone, revision)
