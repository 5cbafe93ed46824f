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
    identifier TEXT   NOT NULL,

    CONSTRAINT app_admins_pkey PRIMARY KEY (sdk_app_id, identifier),
    CONSTRAINT app_admins_app FOREIGN KEY (sdk_app_id) REFERENCES apps
);

-- The directory: who exists. An account that was deleted stays, so that it can be told from one never imported.
CREATE TABLE accounts (
    sdk_app_id BIGINT  NOT NULL,
    user_id    TEXT    NOT NULL,
    nick       TEXT    NOT NULL DEFAULT '',
    face_url   TEXT    NOT NULL DEFAULT '',
    deleted    BOOLEAN NOT NULL DEFAULT FALSE,

    CONSTRAINT accounts_pkey PRIMARY KEY (sdk_app_id, user_id),
    CONSTRAINT accounts_app FOREIGN KEY (sdk_app_id) REFERENCES apps
);

CREATE TABLE chat_groups (
    sdk_app_id BIGINT  NOT NULL,
    group_id   TEXT    NOT NULL,
    group_type TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    destroyed  BOOLEAN NOT NULL DEFAULT FALSE,

    CONSTRAINT chat_groups_pkey PRIMARY KEY (sdk_app_id, group_id),
    CONSTRAINT chat_groups_app FOREIGN KEY (sdk_app_id) REFERENCES apps
);

-- One row per user with state. It is the user's lock, and it counts what the user has.
-- Each *_max is the room that the writer who held the lock had found; the checks are the last line
-- behind the rules: a writer who counted without the lock fails here.
CREATE TABLE users (
    sdk_app_id    BIGINT  NOT NULL,
    user_id       TEXT    NOT NULL,
    -- Grows with every committed change of this user's state.
    revision      BIGINT  NOT NULL DEFAULT 0,
    next_position INTEGER NOT NULL DEFAULT 1,
    next_group_id INTEGER NOT NULL DEFAULT 1,
    marked        INTEGER NOT NULL DEFAULT 0,
    marked_max    INTEGER NOT NULL DEFAULT 0,
    grouped       INTEGER NOT NULL DEFAULT 0,
    grouped_max   INTEGER NOT NULL DEFAULT 0,
    pinned        INTEGER NOT NULL DEFAULT 0,
    pinned_max    INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT users_pkey PRIMARY KEY (sdk_app_id, user_id),
    CONSTRAINT users_app FOREIGN KEY (sdk_app_id) REFERENCES apps,
    CONSTRAINT users_marked_in_room CHECK (marked BETWEEN 0 AND marked_max),
    CONSTRAINT users_grouped_in_room CHECK (grouped BETWEEN 0 AND grouped_max),
    CONSTRAINT users_pinned_in_room CHECK (pinned BETWEEN 0 AND pinned_max)
) WITH (fillfactor = 70);

-- One row per conversation that carries something of its user's: a mark, a group or a pin.
CREATE TABLE conversations (
    sdk_app_id    BIGINT   NOT NULL,
    user_id       TEXT     NOT NULL,
    -- 1 = one-to-one (peer_id is a UserID), 2 = group (peer_id is a chat group's id).
    kind          SMALLINT NOT NULL,
    peer_id       TEXT     NOT NULL,
    -- 64 bits; bit 63 is the sign of the BIGINT, so a mask is never compared with < or >.
    standard_mark BIGINT   NOT NULL DEFAULT 0,
    custom_mark   TEXT     NOT NULL DEFAULT '',
    group_ids     INTEGER[] NOT NULL DEFAULT '{}',
    -- The order in which conversations were first marked or grouped; NULL when neither.
    position      INTEGER,
    -- The order in which conversations were pinned, from the same counter; NULL when not pinned.
    pin_position  INTEGER,
    -- Unix seconds of the last change to the marks or the groups.
    changed_at    BIGINT   NOT NULL,

    CONSTRAINT conversations_pkey PRIMARY KEY (sdk_app_id, user_id, kind, peer_id),
    CONSTRAINT conversations_user FOREIGN KEY (sdk_app_id, user_id) REFERENCES users,
    CONSTRAINT conversations_kind_known CHECK (kind IN (1, 2)),
    CONSTRAINT conversations_position_iff_marked_or_grouped CHECK (
        (position IS NOT NULL) = (standard_mark <> 0 OR custom_mark <> '' OR group_ids <> '{}')
    ),
    CONSTRAINT conversations_not_empty CHECK (position IS NOT NULL OR pin_position IS NOT NULL)
) WITH (fillfactor = 80);

-- Pages of get_contact_group are read along this index.
CREATE UNIQUE INDEX conversations_position ON conversations (sdk_app_id, user_id, position)
    WHERE position IS NOT NULL;

-- A user's conversation groups. Ids count upward and are never used again.
CREATE TABLE contact_groups (
    sdk_app_id BIGINT  NOT NULL,
    user_id    TEXT    NOT NULL,
    group_id   INTEGER NOT NULL,
    -- Compared byte for byte.
    name       TEXT    COLLATE "C" NOT NULL,

    CONSTRAINT contact_groups_pkey PRIMARY KEY (sdk_app_id, user_id, group_id),
    CONSTRAINT contact_groups_name_once UNIQUE (sdk_app_id, user_id, name),
    CONSTRAINT contact_groups_user FOREIGN KEY (sdk_app_id, user_id) REFERENCES users,
    CONSTRAINT contact_groups_id_positive CHECK (group_id > 0)
);

-- Few accounts are deleted and few chat groups destroyed: who asks for the dead asks small indexes.
CREATE INDEX accounts_deleted ON accounts (sdk_app_id, user_id) WHERE deleted;
CREATE INDEX chat_groups_destroyed ON chat_groups (sdk_app_id, group_id) WHERE destroyed;

-- What answers may show: conversations with a deleted account or in a destroyed chat group are left out. They stay
-- stored, and come back if the account is not deleted or the group not destroyed any more. Scalar subqueries are asked
-- row by row along an index, where a join might be planned to read all that is dead; and a key that is NULL, for a
-- conversation of the other kind, costs no look at the index.
CREATE VIEW live_conversations AS
SELECT c.*
FROM conversations c
WHERE (
    SELECT a.deleted FROM accounts a
    WHERE a.sdk_app_id = c.sdk_app_id AND a.user_id = CASE c.kind WHEN 1 THEN c.peer_id END
        AND a.deleted
) IS NULL AND (
    SELECT g.destroyed FROM chat_groups g
    WHERE g.sdk_app_id = c.sdk_app_id AND g.group_id = CASE c.kind WHEN 2 THEN c.peer_id END
        AND g.destroyed
) IS NULL;
