-- app_sizes.sql: the sizes of all apps that were counted. $1 are the bytes of `users` and `contact_groups` with their indexes, and $2
-- those of `conversations`. They are divided by the numbers of rows, as numeric, because a product may be larger than a bigint.
SELECT
    s.sdk_app_id, s.users, s.conversations, s.users_at_limit,
    floor(extract(epoch FROM s.counted_at))::bigint AS "counted_at!",
    floor(
        $1::bigint::numeric * s.users / GREATEST(sum(s.users) OVER (), 1)
        + $2::bigint::numeric * s.conversations / GREATEST(sum(s.conversations) OVER (), 1)
    )::bigint AS "bytes!"
FROM app_sizes s
-- The first condition makes PostgreSQL use the index.
WHERE s.sdk_app_id > 0 AND s.counted_at IS NOT NULL
ORDER BY s.sdk_app_id
