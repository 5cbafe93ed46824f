-- What the native API needs beside the original's: who may call, names of marks, and cursors.
-- locks: SHARE on gone, ACCESS EXCLUSIVE on apps, ACCESS EXCLUSIVE on users, ACCESS EXCLUSIVE on contact_groups

-- Which accounts and chat groups have left or come back since a directory revision. Few ever leave, so it is built in a
-- moment, and the stronger locks come after it.
CREATE INDEX gone_directory_revision ON gone (sdk_app_id, directory_revision);

-- Columns with a constant default change no row, so the locks are held for a moment.
ALTER TABLE apps
    -- What users may do with their own state through the native API.
    ADD COLUMN user_access TEXT NOT NULL DEFAULT 'none',
    ADD CONSTRAINT apps_user_access_known CHECK (user_access IN ('none', 'read', 'write')),
    -- With the edition that Tencent calls `ultimate` now.
    DROP CONSTRAINT apps_edition_known,
    ADD CONSTRAINT apps_edition_known CHECK (
        edition IN ('trial', 'standard', 'pro', 'pro_plus', 'enterprise', 'ultimate', 'premium')
    );

ALTER TABLE users
    -- users.revision of the last change of the user's contact groups or of which conversations are in them.
    ADD COLUMN groups_revision BIGINT NOT NULL DEFAULT 0;

ALTER TABLE contact_groups
    -- The user's own order, from 1; NULL, and then last by id, until the user has ordered the contact groups.
    ADD COLUMN rank          INTEGER,
    -- users.revision when the contact group got its name. Conversations show the names of their contact groups, so a new
    -- name changes them although their rows stay.
    ADD COLUMN name_revision BIGINT NOT NULL DEFAULT 0;

-- Web sites whose pages may call the native API (CORS).
CREATE TABLE app_origins (
    sdk_app_id BIGINT NOT NULL,
    origin     TEXT   COLLATE "C" NOT NULL,

    CONSTRAINT app_origins_pkey PRIMARY KEY (sdk_app_id, origin),
    CONSTRAINT app_origins_app FOREIGN KEY (sdk_app_id) REFERENCES apps
);

-- The customer's names for bits of their own. Bits 0 to 31 are Tencent's.
CREATE TABLE app_marks (
    sdk_app_id BIGINT   NOT NULL,
    bit        SMALLINT NOT NULL,
    name       TEXT     COLLATE "C" NOT NULL,
    -- `#rgb` or `#rrggbb`.
    color      TEXT,

    CONSTRAINT app_marks_pkey PRIMARY KEY (sdk_app_id, bit),
    CONSTRAINT app_marks_name_once UNIQUE (sdk_app_id, name),
    CONSTRAINT app_marks_app FOREIGN KEY (sdk_app_id) REFERENCES apps,
    CONSTRAINT app_marks_bit_free CHECK (bit BETWEEN 32 AND 63)
);

-- One row. A cursor holds the epoch in which it was made: revisions of another epoch may count other changes, since a restored
-- backup or a standby that was promoted too early has lost some.
CREATE TABLE database_epoch (
    is_only_row       BOOLEAN NOT NULL DEFAULT TRUE,
    epoch             BIGINT  NOT NULL,
    -- PostgreSQL's, when a session last looked. NULL until the first one does: some providers do not tell them.
    system_identifier BIGINT,
    timeline          BIGINT,

    CONSTRAINT database_epoch_pkey PRIMARY KEY (is_only_row),
    CONSTRAINT database_epoch_one_row CHECK (is_only_row)
);

INSERT INTO database_epoch (epoch) VALUES (1);

-- What every read of the native API says about a user, also about one without a row.
CREATE FUNCTION user_head(of_app BIGINT, of_user TEXT) RETURNS TABLE (
    owner_is_gone BOOLEAN, revision BIGINT, forgotten_revision BIGINT, groups_revision BIGINT,
    directory_revision BIGINT, epoch BIGINT
) LANGUAGE sql STABLE AS $$
    SELECT
        CASE
            WHEN (
                SELECT TRUE FROM gone g WHERE g.sdk_app_id = of_app AND g.kind = 1 AND g.id = of_user AND g.is_gone
            ) THEN TRUE
            WHEN (SELECT TRUE FROM accounts o WHERE o.sdk_app_id = of_app AND o.user_id = of_user) THEN FALSE
        END,
        COALESCE(u.revision, 0), COALESCE(u.forgotten_revision, 0), COALESCE(u.groups_revision, 0),
        -- By its key: PostgreSQL would compile a plan with a sequential scan, which takes seconds.
        a.directory_revision, (SELECT e.epoch FROM database_epoch e WHERE e.is_only_row)
    FROM apps a
    LEFT JOIN users u ON u.sdk_app_id = of_app AND u.user_id = of_user
    WHERE a.sdk_app_id = of_app
$$;

-- A user's contact groups in their order, one array per column. Their conversations are counted only if asked for.
CREATE FUNCTION user_groups(of_app BIGINT, of_user TEXT, counted BOOLEAN) RETURNS TABLE (
    ids INTEGER[], names TEXT[], conversations BIGINT[]
) LANGUAGE sql STABLE AS $$
    SELECT
        COALESCE(array_agg(g.group_id ORDER BY g.rank NULLS LAST, g.group_id), '{}'),
        COALESCE(array_agg(g.name ORDER BY g.rank NULLS LAST, g.group_id), '{}'),
        COALESCE(array_agg(COALESCE(m.members, 0) ORDER BY g.rank NULLS LAST, g.group_id), '{}')
    FROM contact_groups g
    LEFT JOIN (
        SELECT id, count(*) AS members FROM live_conversations c, unnest(c.group_ids) AS id
        WHERE c.sdk_app_id = of_app AND c.user_id = of_user AND counted
        GROUP BY id
    ) m ON m.id = g.group_id
    WHERE g.sdk_app_id = of_app AND g.user_id = of_user
$$;
