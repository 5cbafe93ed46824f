-- Marks a conversation for the first time. The transaction locks the user's row, checks the limit, updates the count and the
-- position, and inserts the conversation. If the limit is reached, the UPDATE returns no row, and \gset fails the run.
\set user 1000000 + :client_id + :clients * random(0, :users / :clients - 1)
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
    :app, '{letter}' || :user::text, 1, 'q' || (1000000 + :position)::text, :bits, TRUE, :position,
    extract(epoch FROM now())::bigint, :revision
);
COMMIT;
