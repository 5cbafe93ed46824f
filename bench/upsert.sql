-- The least work that changes a conversation: one statement for its row, without the lock that the check of a limit needs.
\set user 1000000 + :client_id + :clients * random(0, :users / :clients - 1)
\set peer 1000000 + random(0, :peers - 1)
\set number random(1, 255)
\set set_bits :number << 40
\set clear_bits ((255 - :number) << 40) + (1 << 48)
INSERT INTO conversations AS c (
    sdk_app_id, user_id, kind, peer_id, standard_mark, holds_place, position, changed_at, changed_revision
)
VALUES (
    :app, '{letter}' || :user::text, 1, 'p' || :peer::text, :set_bits, TRUE, :peer, extract(epoch FROM now())::bigint, 1
)
ON CONFLICT (sdk_app_id, user_id, kind, peer_id) DO UPDATE
SET standard_mark = (c.standard_mark | excluded.standard_mark) & ~:clear_bits::bigint, changed_at = excluded.changed_at;
