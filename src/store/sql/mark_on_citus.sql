-- mark_on_citus.sql: as mark.sql, without the feed. Citus would send the parts of a statement that inserts through all of its
-- servers. Users of an app whose feed is on take the locking path.
WITH asked AS (
    SELECT *
    FROM unnest($1::bigint[], $2::text[], $3::boolean[], $4::int[], $5::bigint[])
        WITH ORDINALITY AS a (sdk_app_id, user_id, must_be_imported, marked_max, writes, nr)
),
item AS (
    SELECT *
    FROM unnest(
        $6::int[], $7::bigint[], $8::text[], $9::smallint[], $10::text[], $11::boolean[],
        $12::bigint[], $13::bigint[], $14::text[], $15::boolean[], $16::bigint[]
    ) AS t (
        user_nr, sdk_app_id, user_id, kind, peer_id, must_exist,
        set_bits, clear_bits, custom_mark, changes_anyway, now
    )
),
found AS (
    SELECT
        t.user_nr,
        bool_and(
            -- A change that sets nothing needs no row.
            (
                COALESCE(c.holds_place, FALSE)
                OR (t.set_bits = 0 AND COALESCE(t.custom_mark, '') = '' AND NOT t.changes_anyway)
            )
            AND (
                SELECT g.is_gone FROM gone g
                WHERE g.sdk_app_id = t.sdk_app_id AND g.kind = t.kind AND g.id = t.peer_id AND g.is_gone
            ) IS NULL
            AND (NOT t.must_exist OR (
                SELECT d.kind FROM directory d
                WHERE d.sdk_app_id = t.sdk_app_id AND d.kind = t.kind AND d.id = t.peer_id
            ) IS NOT NULL)
        ) AS is_ready,
        bool_or(
            t.changes_anyway
            OR COALESCE((c.standard_mark | t.set_bits) & ~t.clear_bits <> c.standard_mark, FALSE)
            OR COALESCE(t.custom_mark <> c.custom_mark, FALSE)
        ) AS changes
    FROM item t
    LEFT JOIN conversations c
        ON c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id AND c.kind = t.kind AND c.peer_id = t.peer_id
    GROUP BY t.user_nr
),
ready AS MATERIALIZED (
    SELECT
        a.nr, a.sdk_app_id, a.user_id, a.marked_max, a.writes,
        u.revision, u.forgotten_revision, u.next_position, f.changes
    FROM asked a
    JOIN found f ON f.user_nr = a.nr AND f.is_ready
    JOIN users u ON u.sdk_app_id = a.sdk_app_id AND u.user_id = a.user_id AND u.marked <= a.marked_max
    WHERE (
        SELECT h.on_since FROM feed_head h WHERE h.sdk_app_id = a.sdk_app_id
    ) IS NULL AND CASE
        WHEN a.must_be_imported THEN (
            SELECT TRUE FROM accounts o WHERE o.sdk_app_id = a.sdk_app_id AND o.user_id = a.user_id
        ) IS NOT NULL
        ELSE (
            SELECT g.is_gone FROM gone g
            WHERE g.sdk_app_id = a.sdk_app_id AND g.kind = 1 AND g.id = a.user_id AND g.is_gone
        ) IS NULL
    END
),
locked AS (
    UPDATE users u SET revision = u.revision + r.writes
    FROM (SELECT * FROM ready WHERE changes ORDER BY nr) r
    WHERE u.sdk_app_id = r.sdk_app_id AND u.user_id = r.user_id
        AND u.forgotten_revision = r.forgotten_revision AND u.next_position = r.next_position
        AND u.marked <= r.marked_max
    RETURNING r.nr, u.sdk_app_id, u.user_id, u.revision
),
marked AS (
    UPDATE conversations c SET
        standard_mark = (c.standard_mark | t.set_bits) & ~t.clear_bits,
        custom_mark = COALESCE(t.custom_mark, c.custom_mark),
        changed_at = CASE
            WHEN t.changes_anyway
                OR (c.standard_mark | t.set_bits) & ~t.clear_bits <> c.standard_mark
                OR COALESCE(t.custom_mark <> c.custom_mark, FALSE)
            THEN t.now ELSE c.changed_at
        END,
        changed_revision = CASE
            WHEN t.changes_anyway
                OR (c.standard_mark | t.set_bits) & ~t.clear_bits <> c.standard_mark
                OR COALESCE(t.custom_mark <> c.custom_mark, FALSE)
            THEN l.revision ELSE c.changed_revision
        END
    FROM locked l
    JOIN item t ON t.user_nr = l.nr
    WHERE c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id AND c.kind = t.kind AND c.peer_id = t.peer_id
    RETURNING c.kind
)
SELECT
    COALESCE(array_agg(nr), '{}') AS "nrs!",
    COALESCE(array_agg(revision), '{}') AS "revisions!",
    COALESCE(array_agg(is_changed), '{}') AS "are_changed!"
FROM (
    SELECT nr, revision, TRUE AS is_changed FROM locked
    UNION ALL
    SELECT nr, revision, FALSE AS is_changed FROM ready WHERE NOT changes
) done
