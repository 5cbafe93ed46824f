-- Inserts those of the users :first_user to :last_user for whom :where holds, with the letter :letter, each with :peers marked
-- conversations.
-- Bit 0 of every conversation stays set, so that no conversation becomes empty when a load clears other bits.
SET session_replication_role = replica; -- skips the checks of foreign keys, which the generated rows satisfy
SET synchronous_commit = off;
-- The service removes a user's old empty rows once in 64 new conversations. Users start at different positions, so that this
-- work is spread evenly over time.
INSERT INTO users (sdk_app_id, user_id, revision, next_position, row_count, marked, marked_max)
SELECT :app, user_id, 1, :peers + 1 + n % 64, :peers, :peers, 1000
FROM (SELECT n, :'letter' || (1000000 + n) AS user_id FROM generate_series(:first_user, :last_user) AS n) AS u
WHERE :where;
INSERT INTO conversations (
    sdk_app_id, user_id, kind, peer_id, standard_mark, holds_place, position, changed_at, changed_revision
)
SELECT :app, user_id, 1, 'p' || (1000000 + k % :peers), 1, TRUE, k % :peers + 1, 1700000000, 1
FROM (
    SELECT k, :'letter' || (1000000 + k / :peers) AS user_id
    FROM generate_series(:first_user * :peers, (:last_user + 1) * :peers - 1) AS k
) AS c
WHERE :where;
