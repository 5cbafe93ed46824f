-- count_users.sql: the last of the next $3 users of app $1 after $2, and what their rows count. $4 to $6 are limits of the app.
WITH step AS MATERIALIZED (
    SELECT user_id, row_count, marked, grouped, pinned FROM users
    WHERE sdk_app_id = $1 AND user_id > $2 ORDER BY user_id LIMIT $3
)
SELECT
    max(user_id) AS last,
    count(*) AS "users!",
    COALESCE(sum(row_count), 0) AS "conversations!",
    count(*) FILTER (WHERE marked >= $4 OR grouped >= $5 OR pinned >= $6) AS "users_at_limit!"
FROM step
