-- What a reset, and the end of an app, leave behind; and how large each app is.
-- locks: ACCESS EXCLUSIVE on apps

-- A column with a constant default changes no row, so the lock is held for a moment.
ALTER TABLE apps
    -- A cursor holds the sum of this number and the database's epoch. A reset raises it, because revisions begin again then.
    ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;

-- Apps that were deleted. If one of this number is created again, old cursors must not fit its revisions.
CREATE TABLE ended_apps (
    sdk_app_id BIGINT      NOT NULL,
    -- Of the next app of this number. Greater than every one before.
    epoch      BIGINT      NOT NULL,
    ended_at   TIMESTAMPTZ NOT NULL DEFAULT now(),

    CONSTRAINT ended_apps_pkey PRIMARY KEY (sdk_app_id)
);

-- A trigger, so that binaries of the schemas before, which run beside newer ones during an upgrade, do it as well.
CREATE FUNCTION set_app_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.epoch := GREATEST(
        NEW.epoch, (SELECT e.epoch FROM ended_apps e WHERE e.sdk_app_id = NEW.sdk_app_id)
    );
    RETURN NEW;
END
$$;

CREATE TRIGGER apps_set_epoch BEFORE INSERT ON apps FOR EACH ROW EXECUTE FUNCTION set_app_epoch();

-- The next epoch of an app: the microseconds since 1970, so that a restored backup does not give one twice.
CREATE FUNCTION next_app_epoch(epoch BIGINT) RETURNS BIGINT LANGUAGE sql VOLATILE AS $$
    SELECT GREATEST(epoch + 1, floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
$$;

CREATE OR REPLACE FUNCTION user_head(of_app BIGINT, of_user TEXT) RETURNS TABLE (
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
        a.directory_revision, (SELECT e.epoch FROM database_epoch e WHERE e.is_only_row) + a.epoch
    FROM apps a
    LEFT JOIN users u ON u.sdk_app_id = of_app AND u.user_id = of_user
    WHERE a.sdk_app_id = of_app
$$;

-- How large each app was when a process last counted.
CREATE TABLE app_sizes (
    sdk_app_id     BIGINT      NOT NULL,
    users          BIGINT,
    -- Rows, also those that are empty.
    conversations  BIGINT,
    -- Users who have as many marked, grouped or pinned conversations as the app's limit allows.
    users_at_limit BIGINT,
    -- NULL until the first count is done, like the numbers.
    counted_at     TIMESTAMPTZ,
    -- A process counts until then. Its claim ends by itself if the process dies.
    claimed_until  TIMESTAMPTZ NOT NULL DEFAULT '-infinity',

    CONSTRAINT app_sizes_pkey PRIMARY KEY (sdk_app_id),
    CONSTRAINT app_sizes_app FOREIGN KEY (sdk_app_id) REFERENCES apps ON DELETE CASCADE
);
