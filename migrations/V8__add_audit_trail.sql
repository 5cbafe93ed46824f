-- What operators change, the tokens by which the service knows them, and names of apps. With several partitions, only the shared
-- tables have such rows.
-- locks: ACCESS EXCLUSIVE on apps

CREATE TABLE audit (
    number      BIGINT      NOT NULL GENERATED ALWAYS AS IDENTITY,
    at          TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    -- The name of a token, or of a user of the operating system.
    operator    TEXT        NOT NULL,
    -- The role of the session that wrote the row. No client chooses it.
    role        TEXT        NOT NULL DEFAULT session_user,
    -- An address, or "command line".
    origin      TEXT        NOT NULL,
    -- As on the command line: "app set".
    action      TEXT        NOT NULL,
    -- No foreign key: the row stays when the app is deleted.
    sdk_app_id  BIGINT,
    -- An admin, a user, the id of a key or of a webhook, the name of a token.
    target      TEXT,
    -- Only what differs. Never a secret.
    before      JSONB,
    after       JSONB,
    request_id  TEXT,

    CONSTRAINT audit_pkey PRIMARY KEY (number)
);

CREATE INDEX audit_by_app ON audit (sdk_app_id, number);
CREATE INDEX audit_by_time ON audit (at);

CREATE TABLE operator_tokens (
    name         TEXT        COLLATE "C" NOT NULL,
    -- SHA-256 of the token, which has 256 random bits.
    digest       BYTEA       NOT NULL,
    -- Of: read, apps, users.
    scopes       TEXT[]      NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    -- Up to a minute old.
    last_used_at TIMESTAMPTZ,

    CONSTRAINT operator_tokens_pkey PRIMARY KEY (name),
    CONSTRAINT operator_tokens_digest UNIQUE (digest),
    CONSTRAINT operator_tokens_digest_length CHECK (octet_length(digest) = 32)
);

-- A column with a constant default changes no row, so the lock is held for a moment.
ALTER TABLE apps
    -- For operators. Empty: none.
    ADD COLUMN name TEXT NOT NULL DEFAULT '';
