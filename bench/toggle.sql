-- Marks a conversation without marks, then clears it, in two transactions. Each locks the user's row and updates the count.
-- mark_toggle.lua uses other conversations: the service leaves empty rows, with which this INSERT would conflict.
\set user 1000000 + :client_id + :clients * random(0, :users / :clients - 1)
\set peer 1000000 + random(0, :peers - 1)
\set bits 1 << (40 + random(0, 7))
BEGIN;
UPDATE users
SET revision = revision + 1, next_position = next_position + 1, row_count = row_count + 1, marked = marked + 1
WHERE sdk_app_id = :app AND user_id = '{letter}' || :user::text AND marked < 1000
RETURNING revision, next_position - 1 AS position \gset
INSERT INTO conversations (
    sdk_app_id, user_id, kind, peer_id, standard_mark, holds_place, position, changed_at, changed_revision
)
VALUES (
    :app, '{letter}' || :user::text, 1, 'q' || :peer::text, :bits, TRUE, :position, extract(epoch FROM now())::bigint, :revision
);
COMMIT;
BEGIN;
UPDATE users SET revision = revision + 1, row_count = row_count - 1, marked = marked - 1
WHERE sdk_app_id = :app AND user_id = '{letter}' || :user::text;
DELETE FROM conversations
WHERE sdk_app_id = :app AND user_id = '{letter}' || :user::text AND kind = 1 AND peer_id = 'q' || :peer::text;
COMMIT;
