-- What anyone can build: a transaction per request, which locks the user's row and changes the conversation.
\set user 1000000 + :client_id + :clients * random(0, :users / :clients - 1)
\set peer 1000000 + random(0, 19)
\set number random(1, 255)
\set set_bits :number << 40
\set clear_bits ((255 - :number) << 40) + (1 << 48)
BEGIN;
INSERT INTO users AS u (sdk_app_id, user_id, revision)
VALUES (:app, 'w' || :user::text, 1)
ON CONFLICT (sdk_app_id, user_id) DO UPDATE SET revision = u.revision + 1
RETURNING next_position, next_group_id, marked, grouped, pinned;
INSERT INTO conversations AS c (sdk_app_id, user_id, kind, peer_id, standard_mark, position, changed_at)
VALUES (:app, 'w' || :user::text, 1, 'p' || :peer::text, :set_bits, :peer, extract(epoch FROM now())::bigint)
ON CONFLICT (sdk_app_id, user_id, kind, peer_id) DO UPDATE
SET standard_mark = (c.standard_mark | excluded.standard_mark) & ~:clear_bits::bigint, changed_at = excluded.changed_at;
COMMIT;
