-- Users and their conversations, :first_user to :last_user with the letter :letter, :peers conversations each.
-- Every conversation has a bit of its own, so that no load ever clears the last one.
SET session_replication_role = replica; -- the foreign keys hold by construction
SET synchronous_commit = off;
INSERT INTO users (sdk_app_id, user_id, revision, next_position, marked, marked_max)
SELECT :app, :'letter' || (1000000 + n), 1, :peers + 1, :peers, 1000
FROM generate_series(:first_user, :last_user) AS n;
INSERT INTO conversations (sdk_app_id, user_id, kind, peer_id, standard_mark, position, changed_at)
SELECT :app, :'letter' || (1000000 + k / :peers), 1, 'p' || (1000000 + k % :peers), 1, k % :peers + 1, 1700000000
FROM generate_series(:first_user * :peers, (:last_user + 1) * :peers - 1) AS k;
