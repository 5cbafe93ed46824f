-- The feed: what has changed in an app, in the order of the commits. It is off unless an operator turns it on.
-- locks: SHARE ROW EXCLUSIVE on apps

-- One row per app whose feed was ever on. A transaction takes the next numbers from it in its last statement, and holds the
-- row until its commit. So numbers are in the order of the commits, and a reader who has seen a number has seen all below.
CREATE TABLE feed_head (
    sdk_app_id       BIGINT      NOT NULL,
    -- NULL while the feed is off.
    on_since         TIMESTAMPTZ,
    next_number      BIGINT      NOT NULL DEFAULT 1,
    -- Changes up to this number cannot be read any more: they are too old, or the feed was off after them.
    forgotten_number BIGINT      NOT NULL DEFAULT 0,

    CONSTRAINT feed_head_pkey PRIMARY KEY (sdk_app_id),
    CONSTRAINT feed_head_app FOREIGN KEY (sdk_app_id) REFERENCES apps,
    CONSTRAINT feed_head_forgotten_before_now CHECK (forgotten_number BETWEEN 0 AND next_number - 1)
) WITH (fillfactor = 10);

-- Partitioned by day. The partitions are a ring of sixteen days: each is emptied before its turn comes again, so none is
-- made or dropped while the service runs. A row that comes while its partition still has rows of sixteen days ago is
-- added to them. No foreign keys: each would cost a look-up per row.
CREATE TABLE feed (
    sdk_app_id  BIGINT      NOT NULL,
    number      BIGINT      NOT NULL,
    -- The day, modulo 16.
    slot        SMALLINT    NOT NULL,
    -- 0 = the state of a user; 1 = an account, and 2 = a chat group, has left the directory or come back.
    kind        SMALLINT    NOT NULL,
    id          TEXT        COLLATE "C" NOT NULL,
    -- For the kinds 1 and 2.
    is_gone     BOOLEAN,
    -- users.revision, or apps.directory_revision.
    revision    BIGINT      NOT NULL,
    -- When the transaction began.
    appended_at TIMESTAMPTZ NOT NULL,

    CONSTRAINT feed_pkey PRIMARY KEY (sdk_app_id, number, slot),
    CONSTRAINT feed_kind_known CHECK (kind BETWEEN 0 AND 2 AND (kind = 0) = (is_gone IS NULL))
) PARTITION BY LIST (slot);

DO $$
BEGIN
    FOR slot IN 0..15 LOOP
        EXECUTE format('CREATE TABLE feed_%s PARTITION OF feed FOR VALUES IN (%s)', slot, slot);
    END LOOP;
END
$$;

-- The partition of a row that is appended at this time.
CREATE FUNCTION feed_slot(at TIMESTAMPTZ) RETURNS SMALLINT LANGUAGE sql STABLE AS $$
    SELECT (floor(extract(epoch FROM at) / 86400)::bigint % 16)::smallint
$$;

-- When the newest row of a partition was appended; NULL if it is empty. Numbers grow with time, so the last row of each app
-- tells. The condition on feed_head makes PostgreSQL use its index: our sessions forbid sequential scans, and their forbidding
-- costs make PostgreSQL compile a plan.
CREATE FUNCTION feed_slot_newest(of_slot SMALLINT) RETURNS TIMESTAMPTZ LANGUAGE sql STABLE AS $$
    SELECT max((
        SELECT f.appended_at FROM feed f
        WHERE f.slot = of_slot AND f.sdk_app_id = h.sdk_app_id
        ORDER BY f.number DESC LIMIT 1
    ))
    FROM feed_head h
    WHERE h.sdk_app_id > 0
$$;

-- Empties a partition all of whose rows are older, and notes in the heads what can no longer be read. Returns whether it did.
-- The lock keeps writers and readers out until the commit; the partition of today is never locked. SECURITY DEFINER, because
-- TRUNCATE is a privilege of its own, which a role that may only read and write rows lacks.
CREATE FUNCTION empty_feed_slot(of_slot SMALLINT, before TIMESTAMPTZ) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT has_table_privilege(session_user, 'feed', 'DELETE') THEN
        RAISE insufficient_privilege USING MESSAGE = 'DELETE on feed is needed';
    END IF;
    IF of_slot = feed_slot(now()) THEN
        RETURN FALSE;
    END IF;
    EXECUTE format('LOCK TABLE feed_%s IN ACCESS EXCLUSIVE MODE', of_slot);
    IF NOT COALESCE(feed_slot_newest(of_slot) < before, FALSE) THEN
        RETURN FALSE;
    END IF;
    UPDATE feed_head h SET forgotten_number = o.number
    FROM (
        SELECT a.sdk_app_id, (
            SELECT max(f.number) FROM feed f WHERE f.slot = of_slot AND f.sdk_app_id = a.sdk_app_id
        ) AS number
        FROM feed_head a WHERE a.sdk_app_id > 0 ORDER BY a.sdk_app_id
    ) o
    WHERE h.sdk_app_id = o.sdk_app_id AND h.forgotten_number < o.number;
    EXECUTE format('TRUNCATE feed_%s', of_slot);
    RETURN TRUE;
END
$$;
