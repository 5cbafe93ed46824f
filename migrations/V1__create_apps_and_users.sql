-- Ids are compared byte for byte (COLLATE "C"), whatever the database's locale is: an order that comes from the operating
-- system may change with its C library, and indexes built in the old order then miss rows.

-- Apps: who may call, and what their users may keep.
CREATE TABLE apps (
    sdk_app_id              BIGINT      NOT NULL,
    edition                 TEXT        NOT NULL,
    directory               TEXT        NOT NULL,
    disabled                BOOLEAN     NOT NULL DEFAULT FALSE,
    secret_key              TEXT        NOT NULL,
    -- The key before the last rotation: still good until it is retired.
    previous_secret_key     TEXT,
    created_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- Grows by one each time an account is deleted, a chat group destroyed, or one of them comes back: what users see of
    -- their conversations changes then, although their own rows do not.
    directory_revision      BIGINT      NOT NULL DEFAULT 0,

    marked_max              INTEGER     NOT NULL DEFAULT 1000,
    grouped_max             INTEGER     NOT NULL DEFAULT 1000,
    groups_max              INTEGER     NOT NULL DEFAULT 20,
    group_name_bytes_max    INTEGER     NOT NULL DEFAULT 32,
    custom_mark_bytes_max   INTEGER     NOT NULL DEFAULT 256,
    mark_items_max          INTEGER     NOT NULL DEFAULT 100,
    group_items_max         INTEGER     NOT NULL DEFAULT 100,
    search_items_max        INTEGER     NOT NULL DEFAULT 300,
    page_items_max          INTEGER     NOT NULL DEFAULT 100,
    pinned_max              INTEGER     NOT NULL DEFAULT 50,
    user_id_bytes_max       INTEGER     NOT NULL DEFAULT 32,
    chat_group_id_bytes_max INTEGER     NOT NULL DEFAULT 48,
    calls_per_second_max    INTEGER     NOT NULL DEFAULT 200,

    CONSTRAINT apps_pkey PRIMARY KEY (sdk_app_id),
    CONSTRAINT apps_sdk_app_id_positive CHECK (sdk_app_id > 0),
    CONSTRAINT apps_edition_known CHECK (
        edition IN ('trial', 'standard', 'pro', 'pro_plus', 'enterprise', 'premium')
    ),
    CONSTRAINT apps_directory_known CHECK (directory IN ('open', 'owners', 'strict')),
    CONSTRAINT apps_limits_sane CHECK (
        LEAST(
            marked_max, grouped_max, groups_max, group_name_bytes_max, custom_mark_bytes_max,
            mark_items_max, group_items_max, search_items_max, page_items_max, pinned_max,
            user_id_bytes_max, chat_group_id_bytes_max
        ) >= 1
        AND calls_per_second_max >= 0
    )
);

CREATE TABLE app_admins (
    sdk_app_id BIGINT NOT NULL,
    identifier TEXT   COLLATE "C" NOT NULL,

    CONSTRAINT app_admins_pkey PRIMARY KEY (sdk_app_id, identifier),
    CONSTRAINT app_admins_app FOREIGN KEY (sdk_app_id) REFERENCES apps
);

-- The directory: accounts that are imported and not deleted, chat groups that are created and not destroyed.
CREATE TABLE accounts (
    sdk_app_id BIGINT NOT NULL,
    user_id    TEXT   COLLATE "C" NOT NULL,
    nick       TEXT   NOT NULL DEFAULT '',
    face_url   TEXT   NOT NULL DEFAULT '',

    CONSTRAINT accounts_pkey PRIMARY KEY (sdk_app_id, user_id),
    CONSTRAINT accounts_app FOREIGN KEY (sdk_app_id) REFERENCES apps
);

CREATE TABLE chat_groups (
    sdk_app_id BIGINT NOT NULL,
    group_id   TEXT   COLLATE "C" NOT NULL,
    group_type TEXT   NOT NULL,
    name       TEXT   NOT NULL,

    CONSTRAINT chat_groups_pkey PRIMARY KEY (sdk_app_id, group_id),
    CONSTRAINT chat_groups_app FOREIGN KEY (sdk_app_id) REFERENCES apps
);

-- Both, by the kind that conversations have. It says who exists.
CREATE VIEW directory AS
SELECT sdk_app_id, 1::smallint AS kind, user_id AS id FROM accounts
UNION ALL
SELECT sdk_app_id, 2::smallint AS kind, group_id AS id FROM chat_groups;

-- Who has left the directory: deleted accounts and destroyed chat groups. One that came back keeps its row, so that a
-- reader of changes can tell when. Few leave, so the table is small, and every write asks it.
CREATE TABLE gone (
    sdk_app_id         BIGINT   NOT NULL,
    -- 1 = account, 2 = chat group, as in conversations.
    kind               SMALLINT NOT NULL,
    id                 TEXT     COLLATE "C" NOT NULL,
    -- FALSE: it came back.
    is_gone            BOOLEAN  NOT NULL,
    -- apps.directory_revision of the last time it left or came back.
    directory_revision BIGINT   NOT NULL,

    CONSTRAINT gone_pkey PRIMARY KEY (sdk_app_id, kind, id),
    CONSTRAINT gone_app FOREIGN KEY (sdk_app_id) REFERENCES apps,
    CONSTRAINT gone_kind_known CHECK (kind IN (1, 2))
);

-- One row per user with state. It is the user's lock: every writer of the user's rows updates or locks it first.
-- Each *_max is the room that the writer found. The checks stand behind the rules: a writer that counted without the lock
-- fails here.
CREATE TABLE users (
    sdk_app_id         BIGINT  NOT NULL,
    user_id            TEXT    COLLATE "C" NOT NULL,
    -- Grows by one with each committed change of this user's state. It is never reset, not even when the account is
    -- deleted and imported again.
    revision           BIGINT  NOT NULL DEFAULT 0,
    -- Empty conversations whose last change was at this revision or before it have been removed. Each removal raises it,
    -- so a statement can tell by it whether the rows that it saw are still there.
    forgotten_revision BIGINT  NOT NULL DEFAULT 0,
    next_position      INTEGER NOT NULL DEFAULT 1,
    next_group_id      INTEGER NOT NULL DEFAULT 1,
    -- Rows of conversations: all; those that hold a place among the marked; those in contact groups; those pinned.
    row_count          INTEGER NOT NULL DEFAULT 0,
    marked             INTEGER NOT NULL DEFAULT 0,
    marked_max         INTEGER NOT NULL DEFAULT 0,
    grouped            INTEGER NOT NULL DEFAULT 0,
    grouped_max        INTEGER NOT NULL DEFAULT 0,
    pinned             INTEGER NOT NULL DEFAULT 0,
    pinned_max         INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT users_pkey PRIMARY KEY (sdk_app_id, user_id),
    CONSTRAINT users_app FOREIGN KEY (sdk_app_id) REFERENCES apps,
    CONSTRAINT users_forgotten_before_now CHECK (forgotten_revision BETWEEN 0 AND revision),
    CONSTRAINT users_rows_counted CHECK (row_count >= 0),
    CONSTRAINT users_marked_in_room CHECK (marked BETWEEN 0 AND marked_max),
    CONSTRAINT users_grouped_in_room CHECK (grouped BETWEEN 0 AND grouped_max),
    CONSTRAINT users_pinned_in_room CHECK (pinned BETWEEN 0 AND pinned_max)
) WITH (fillfactor = 70);

-- One row per conversation that carries something of its user's, or has carried it. An empty row (no mark, no contact group,
-- no pin) stays for a while: to mark it again is an update in place, and its changed_revision tells a reader of changes that
-- it became empty.
CREATE TABLE conversations (
    sdk_app_id       BIGINT    NOT NULL,
    user_id          TEXT      COLLATE "C" NOT NULL,
    -- 1 = one-to-one (peer_id is a UserID), 2 = group (peer_id is a chat group's id).
    kind             SMALLINT  NOT NULL,
    peer_id          TEXT      COLLATE "C" NOT NULL,
    -- 64 bits; bit 63 is the sign of the BIGINT, so a mask is never compared with < or >.
    standard_mark    BIGINT    NOT NULL DEFAULT 0,
    custom_mark      TEXT      NOT NULL DEFAULT '',
    -- It was marked at some time, and counts in users.marked since then.
    holds_place      BOOLEAN   NOT NULL DEFAULT FALSE,
    group_ids        INTEGER[] NOT NULL DEFAULT '{}',
    -- The order in which conversations were first marked or grouped; NULL when never.
    position         INTEGER,
    -- The order in which conversations were pinned, from the same counter; NULL when not pinned.
    pin_position     INTEGER,
    -- Unix seconds of the last change to the marks or the contact groups.
    changed_at       BIGINT    NOT NULL,
    -- users.revision of the last change to anything in this row.
    changed_revision BIGINT    NOT NULL,

    CONSTRAINT conversations_pkey PRIMARY KEY (sdk_app_id, user_id, kind, peer_id),
    CONSTRAINT conversations_user FOREIGN KEY (sdk_app_id, user_id) REFERENCES users,
    CONSTRAINT conversations_kind_known CHECK (kind IN (1, 2)),
    CONSTRAINT conversations_marked_holds_place CHECK (holds_place OR (standard_mark = 0 AND custom_mark = '')),
    CONSTRAINT conversations_has_position CHECK (position IS NOT NULL OR (NOT holds_place AND group_ids = '{}'))
) WITH (fillfactor = 80);

-- Pages of get_contact_group are read along this index.
CREATE UNIQUE INDEX conversations_position ON conversations (sdk_app_id, user_id, position)
    WHERE position IS NOT NULL;

-- A user's contact groups. Ids count upward and are never used again.
CREATE TABLE contact_groups (
    sdk_app_id BIGINT  NOT NULL,
    user_id    TEXT    COLLATE "C" NOT NULL,
    group_id   INTEGER NOT NULL,
    name       TEXT    COLLATE "C" NOT NULL,

    CONSTRAINT contact_groups_pkey PRIMARY KEY (sdk_app_id, user_id, group_id),
    CONSTRAINT contact_groups_name_once UNIQUE (sdk_app_id, user_id, name),
    CONSTRAINT contact_groups_user FOREIGN KEY (sdk_app_id, user_id) REFERENCES users,
    CONSTRAINT contact_groups_id_positive CHECK (group_id > 0)
);

-- What answers may show: conversations that are not empty, and whose other end is not gone. The others stay stored; a
-- conversation shows again when its other end comes back. A scalar subquery is asked row by row along the index, where
-- EXISTS might be planned as a join that reads all who are gone.
CREATE VIEW live_conversations AS
SELECT c.*
FROM conversations c
WHERE (standard_mark <> 0 OR custom_mark <> '' OR group_ids <> '{}' OR pin_position IS NOT NULL)
    AND (
        SELECT g.is_gone FROM gone g
        WHERE g.sdk_app_id = c.sdk_app_id AND g.kind = c.kind AND g.id = c.peer_id AND g.is_gone
    ) IS NULL;
