-- user_ids.sql: the first $4 users of app $1 after $3 whose ids begin with $2: with state, imported, or both.
-- Ids that begin alike stand together in the order of their bytes, and the first of them is not less than $2. So each step reads
-- at most $4 entries of a key, however many users there are.
WITH with_state AS MATERIALIZED (
    SELECT user_id FROM users WHERE sdk_app_id = $1 AND user_id >= $2 AND user_id > $3 ORDER BY user_id LIMIT $4
), imported AS MATERIALIZED (
    SELECT user_id FROM accounts WHERE sdk_app_id = $1 AND user_id >= $2 AND user_id > $3 ORDER BY user_id LIMIT $4
)
SELECT user_id AS "user_id!" FROM (SELECT user_id FROM with_state UNION SELECT user_id FROM imported) AS step
WHERE starts_with(user_id, $2) ORDER BY user_id LIMIT $4
