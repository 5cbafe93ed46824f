-- find_lists.sql: the last of the next $5 users of app $1 after $4, and those of them who have a row for conversation $2 $3.
-- A scalar subquery is asked user by user along the key, where PostgreSQL might plan a join that reads all conversations.
WITH step AS MATERIALIZED (
    SELECT user_id FROM users WHERE sdk_app_id = $1 AND user_id > $4 ORDER BY user_id LIMIT $5
)
SELECT
    (SELECT max(user_id) FROM step) AS last,
    ARRAY(
        SELECT s.user_id FROM step s
        WHERE (
            SELECT c.kind FROM conversations c
            WHERE c.sdk_app_id = $1 AND c.user_id = s.user_id AND c.kind = $2 AND c.peer_id = $3
        ) IS NOT NULL
        ORDER BY s.user_id
    ) AS "found!"
