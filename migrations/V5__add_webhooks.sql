-- Webhooks: addresses to which the changes of an app's feed are sent.
-- locks: SHARE ROW EXCLUSIVE on apps
CREATE TABLE webhooks (
    sdk_app_id      BIGINT      NOT NULL,
    webhook_id      BIGINT      NOT NULL GENERATED ALWAYS AS IDENTITY,
    url             TEXT        COLLATE "C" NOT NULL,
    -- Which changes it gets.
    wants_users     BOOLEAN     NOT NULL,
    wants_directory BOOLEAN     NOT NULL,
    -- `whsec_` and base64.
    secret          TEXT        COLLATE "C" NOT NULL,
    -- Signs as well until that time.
    previous_secret TEXT        COLLATE "C",
    previous_until  TIMESTAMPTZ,
    disabled        BOOLEAN     NOT NULL DEFAULT FALSE,
    -- The position in the feed: all changes up to this number are delivered, or in webhook_deliveries.
    epoch           BIGINT      NOT NULL,
    number          BIGINT      NOT NULL,
    -- The process that delivers now. Its claim ends by itself if the process dies.
    claimed_by      TEXT        COLLATE "C",
    claimed_until   TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    -- Attempts in a row of which all failed. Then the position stays.
    failures        INTEGER     NOT NULL DEFAULT 0,
    failing_since   TIMESTAMPTZ,
    last_error      TEXT,
    next_try_at     TIMESTAMPTZ NOT NULL DEFAULT '-infinity',

    CONSTRAINT webhooks_pkey PRIMARY KEY (sdk_app_id, webhook_id),
    CONSTRAINT webhooks_app FOREIGN KEY (sdk_app_id) REFERENCES apps
);

-- Changes that could not be delivered while others could. A change behind one of the same user waits for it.
CREATE TABLE webhook_deliveries (
    sdk_app_id  BIGINT      NOT NULL,
    webhook_id  BIGINT      NOT NULL,
    -- Those of the feed.
    epoch       BIGINT      NOT NULL,
    number      BIGINT      NOT NULL,
    kind        SMALLINT    NOT NULL,
    id          TEXT        COLLATE "C" NOT NULL,
    is_gone     BOOLEAN,
    revision    BIGINT      NOT NULL,
    attempts    INTEGER     NOT NULL,
    -- Of the first attempt, or when it began to wait.
    failed_at   TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    -- 'infinity': it waits for the change before it. NULL: it is given up, a dead letter.
    next_try_at TIMESTAMPTZ,
    last_error  TEXT,

    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (sdk_app_id, webhook_id, epoch, number),
    CONSTRAINT webhook_deliveries_webhook FOREIGN KEY (sdk_app_id, webhook_id) REFERENCES webhooks ON DELETE CASCADE
);

CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (sdk_app_id, webhook_id, kind, id)
    WHERE next_try_at IS NOT NULL;
