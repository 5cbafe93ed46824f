-- Ids are compared byte for byte, whatever the database's locale is. Otherwise their order is the operating system's, which
-- may change with an upgrade of its C library: a row is then not found in its index any more, and may come to be there
-- twice. It is also the cheaper comparison.
--
-- The indexes are built anew; tables are not written. The view stands as it was: it has to go while the columns change.
DROP VIEW live_conversations;
ALTER TABLE conversations DROP CONSTRAINT conversations_user;
ALTER TABLE contact_groups DROP CONSTRAINT contact_groups_user;

ALTER TABLE app_admins ALTER identifier TYPE TEXT COLLATE "C";
ALTER TABLE accounts ALTER user_id TYPE TEXT COLLATE "C";
ALTER TABLE chat_groups ALTER group_id TYPE TEXT COLLATE "C";
ALTER TABLE users ALTER user_id TYPE TEXT COLLATE "C";
ALTER TABLE conversations ALTER user_id TYPE TEXT COLLATE "C", ALTER peer_id TYPE TEXT COLLATE "C";
ALTER TABLE contact_groups ALTER user_id TYPE TEXT COLLATE "C";

ALTER TABLE conversations
    ADD CONSTRAINT conversations_user FOREIGN KEY (sdk_app_id, user_id) REFERENCES users;
ALTER TABLE contact_groups
    ADD CONSTRAINT contact_groups_user FOREIGN KEY (sdk_app_id, user_id) REFERENCES users;

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
