-- app_sizes.sql: the sizes of all apps that were counted. The bytes of a table, with its indexes, are divided by the numbers of rows.
SELECT
    s.sdk_app_id, s.users, s.conversations, s.users_at_limit,
    floor(extract(epoch FROM s.counted_at))::bigint AS "counted_at!",
    floor(
        (pg_total_relation_size('users') + pg_total_relation_size('contact_groups'))
            * s.users / GREATEST(sum(s.users) OVER (), 1)
        + pg_total_relation_size('conversations') * s.conversations / GREATEST(sum(s.conversations) OVER (), 1)
    )::bigint AS "bytes!"
FROM app_sizes s
-- The first condition makes PostgreSQL use the index.
WHERE s.sdk_app_id > 0 AND s.counted_at IS NOT NULL
ORDER BY s.sdk_app_id
