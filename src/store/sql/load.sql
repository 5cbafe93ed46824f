-- load.sql: locked users with their presence, and the conversations that changes touch with the presence of the other end.
-- TRUE is gone, FALSE is in the directory, NULL is neither.
SELECT
    u.nr AS "user_nr!", t.nr AS "nr?",
    CASE
        WHEN (
            SELECT TRUE FROM gone g
            WHERE g.sdk_app_id = u.sdk_app_id AND g.kind = 1 AND g.id = u.user_id AND g.is_gone
        ) THEN TRUE
        WHEN (
            SELECT TRUE FROM accounts a WHERE a.sdk_app_id = u.sdk_app_id AND a.user_id = u.user_id
        ) THEN FALSE
    END AS owner_is_gone,
    CASE
        WHEN (
            SELECT TRUE FROM gone g
            WHERE g.sdk_app_id = u.sdk_app_id AND g.kind = t.kind AND g.id = t.peer_id AND g.is_gone
        ) THEN TRUE
        WHEN (
            SELECT TRUE FROM directory d
            WHERE d.sdk_app_id = u.sdk_app_id AND d.kind = t.kind AND d.id = t.peer_id
        ) THEN FALSE
    END AS peer_is_gone,
    c.standard_mark AS "standard_mark?", c.custom_mark AS "custom_mark?", c.holds_place AS "holds_place?",
    c.group_ids AS "group_ids?", c.position AS "position?", c.pin_position AS "pin_position?",
    c.changed_at AS "changed_at?"
FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS u (sdk_app_id, user_id, nr)
LEFT JOIN unnest($3::bigint[], $4::smallint[], $5::text[])
    WITH ORDINALITY AS t (user_nr, kind, peer_id, nr) ON t.user_nr = u.nr
LEFT JOIN conversations c
    ON c.sdk_app_id = u.sdk_app_id AND c.user_id = u.user_id
    AND c.kind = t.kind AND c.peer_id = t.peer_id
