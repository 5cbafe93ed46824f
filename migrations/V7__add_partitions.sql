-- Partitions: a database may be divided into several schemas with the same tables, each with a part of the users.
-- locks: ACCESS EXCLUSIVE on apps, ACCESS EXCLUSIVE on gone

-- Which part of the data this schema holds. The service compares it with what it expects, since an address may lead anywhere.
CREATE TABLE partition_identity (
    is_only_row BOOLEAN NOT NULL DEFAULT TRUE,
    -- The same in all schemas of a database.
    database_id TEXT    COLLATE "C" NOT NULL,
    -- How many partitions the database has.
    count       INTEGER NOT NULL,
    -- From 0. NULL: the shared tables of a database that has several partitions.
    number      INTEGER,

    CONSTRAINT partition_identity_pkey PRIMARY KEY (is_only_row),
    CONSTRAINT partition_identity_one_row CHECK (is_only_row),
    CONSTRAINT partition_identity_sane CHECK (count >= 1 AND (number IS NULL OR number BETWEEN 0 AND count - 1))
);

INSERT INTO partition_identity (database_id, count, number) VALUES (gen_random_uuid()::text, 1, 0);

-- Each partition has a copy of `gone`, since every read and write asks it. Columns with a constant default change no row, so the
-- locks are held for a moment.
ALTER TABLE gone
    -- In a copied row, `directory_revision` of the schema that the row comes from: a later change replaces it, an earlier one does
    -- not. NULL in a row that comes from this schema.
    ADD COLUMN source_revision BIGINT;

ALTER TABLE apps
    -- The other partitions have copies of all changes of this schema up to this `directory_revision`.
    ADD COLUMN copied_revision BIGINT NOT NULL DEFAULT 0;

-- A partition has a row for each app, without the secret key, for which there is no row in app_keys either.
DROP TRIGGER apps_record_keys ON apps;
CREATE TRIGGER apps_record_keys AFTER INSERT OR UPDATE OF secret_key, previous_secret_key ON apps
    FOR EACH ROW WHEN (NEW.secret_key <> '') EXECUTE FUNCTION record_app_keys();
