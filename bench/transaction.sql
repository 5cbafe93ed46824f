-- The simple solution: one transaction for each request, which locks the user's row and changes the conversation.
-- changed_revision has a value only because it must not be null.
\set user 1000000 + (:client_id + :clients * random(0, greatest(:users / :clients, 1) - 1)) % :users
\set peer 1000000 + random(0, :peers - 1)
\set number random(1, 255)
\set set_bits :number << 40
\set clear_bits ((255 - :number) << 40) + (1 << 48)
BEGIN;
INSERT INTO users AS u (sdk_app_id, user_id, revision)
VALUES (:app, '{letter}' || :user::text, 1)
ON CONFLICT (sdk_app_id, user_id) DO UPDATE SET revision = u.revision + 1
RETURNING next_position, next_group_id, marked, grouped, pinned;
INSERT INTO conversations AS c (
    sdk_app_id, user_id, kind, peer_id, standard_mark, holds_place, position, changed_at, changed_revision
)
VALUES (
    :app, '{letter}' || :user::text, 1, 'p' || :peer::text, :set_bits, TRUE, :peer, extract(epoch FROM now())::bigint, 1
)
ON CONFLICT (sdk_app_id, user_id, kind, peer_id) DO UPDATE
SET standard_mark = (c.standard_mark | excluded.standard_mark) & ~:clear_bits::bigint, changed_at = excluded.changed_at;
COMMIT;
