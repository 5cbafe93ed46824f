-- changed_users.sql: those of the users whose revision is beyond the one that is known.
SELECT t.nr AS "nr!", u.revision
FROM unnest($1::bigint[], $2::text[], $3::bigint[]) WITH ORDINALITY AS t (sdk_app_id, user_id, revision, nr)
JOIN users u ON u.sdk_app_id = t.sdk_app_id AND u.user_id = t.user_id AND u.revision > t.revision
