-- Users :first_user to :last_user with the letter :letter, and :peers marked conversations for each.
-- Bit 0 of every conversation stays set, so that clearing other bits never empties it.
SET session_replication_role = replica; -- the foreign keys hold by construction
SET synchronous_commit = off;
-- The service cleans up once in 64 new conversations of a user. Users start at different positions, so that new conversations
-- cause that work evenly over time.
INSERT INTO users (sdk_app_id, user_id, revision, next_position, row_count, marked, marked_max)
SELECT :app, :'letter' || (1000000 + n), 1, :peers + 1 + n % 64, :peers, :peers, 1000
FROM generate_series(:first_user, :last_user) AS n;
INSERT INTO conversations (
    sdk_app_id, user_id, kind, peer_id, standard_mark, holds_place, position, changed_at, changed_revision
)
SELECT
    :app, :'letter' || (1000000 + k / :peers), 1, 'p' || (1000000 + k % :peers), 1, TRUE, k % :peers + 1, 1700000000, 1
FROM generate_series(:first_user * :peers, (:last_user + 1) * :peers - 1) AS k;
