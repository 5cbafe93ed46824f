-- The valid secret keys of each app, and what operators look at before they rotate or retire one.
-- locks: SHARE ROW EXCLUSIVE on apps
CREATE TABLE app_keys (
    sdk_app_id   BIGINT      NOT NULL,
    -- No two keys of the database share an id, and no id is used again.
    key_id       BIGINT      NOT NULL GENERATED ALWAYS AS IDENTITY,
    secret_key   TEXT        COLLATE "C" NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- Up to six minutes old; NULL if no request has used the key.
    last_used_at TIMESTAMPTZ,

    CONSTRAINT app_keys_pkey PRIMARY KEY (sdk_app_id, key_id),
    CONSTRAINT app_keys_secret_key_once UNIQUE (sdk_app_id, secret_key),
    CONSTRAINT app_keys_app FOREIGN KEY (sdk_app_id) REFERENCES apps
);

-- The binaries of the first schema rotate keys by changing apps.secret_key and apps.previous_secret_key, and run beside newer
-- binaries during an upgrade. So these columns say which keys are valid, and a trigger makes the rows above follow them.
CREATE FUNCTION record_app_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM app_keys k
    WHERE k.sdk_app_id = NEW.sdk_app_id
        AND k.secret_key <> NEW.secret_key
        AND k.secret_key IS DISTINCT FROM NEW.previous_secret_key;
    -- The writer holds the row of apps, so no other transaction inserts the same key. ON CONFLICT would use up an id at every
    -- change of an app.
    INSERT INTO app_keys (sdk_app_id, secret_key)
    SELECT NEW.sdk_app_id, NEW.previous_secret_key
    WHERE NEW.previous_secret_key <> NEW.secret_key
        AND NOT EXISTS (
            SELECT FROM app_keys k WHERE k.sdk_app_id = NEW.sdk_app_id AND k.secret_key = NEW.previous_secret_key
        );
    INSERT INTO app_keys (sdk_app_id, secret_key)
    SELECT NEW.sdk_app_id, NEW.secret_key
    WHERE NOT EXISTS (
        SELECT FROM app_keys k WHERE k.sdk_app_id = NEW.sdk_app_id AND k.secret_key = NEW.secret_key
    );
    RETURN NULL;
END
$$;

-- This waits for the transactions that write apps, and keeps others out until the rows below are complete.
CREATE TRIGGER apps_record_keys AFTER INSERT OR UPDATE OF secret_key, previous_secret_key ON apps
    FOR EACH ROW EXECUTE FUNCTION record_app_keys();

-- We do not know when these keys were created. It was not before their app was.
INSERT INTO app_keys (sdk_app_id, secret_key, created_at)
SELECT a.sdk_app_id, k.secret_key, a.created_at
FROM apps a, unnest(ARRAY[a.previous_secret_key, a.secret_key]) WITH ORDINALITY AS k (secret_key, nr)
WHERE k.secret_key IS NOT NULL AND (k.nr = 2 OR k.secret_key <> a.secret_key)
ORDER BY a.sdk_app_id, k.nr;
