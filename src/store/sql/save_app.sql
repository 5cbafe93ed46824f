-- save_app.sql: all columns of an app.
UPDATE apps a SET
    edition = t.edition, directory = t.directory, disabled = t.disabled,
    secret_key = t.secret_key, previous_secret_key = t.previous_secret_key,
    marked_max = t.marked_max, grouped_max = t.grouped_max, groups_max = t.groups_max,
    group_name_bytes_max = t.group_name_bytes_max, custom_mark_bytes_max = t.custom_mark_bytes_max,
    mark_items_max = t.mark_items_max, group_items_max = t.group_items_max, search_items_max = t.search_items_max,
    page_items_max = t.page_items_max, pinned_max = t.pinned_max, user_id_bytes_max = t.user_id_bytes_max,
    chat_group_id_bytes_max = t.chat_group_id_bytes_max, calls_per_second_max = t.calls_per_second_max,
    user_access = t.user_access, name = t.name
FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::text[],
    $7::int[], $8::int[], $9::int[], $10::int[], $11::int[], $12::int[], $13::int[],
    $14::int[], $15::int[], $16::int[], $17::int[], $18::int[], $19::int[], $20::text[], $21::text[]
) AS t (
    sdk_app_id, edition, directory, disabled, secret_key, previous_secret_key,
    marked_max, grouped_max, groups_max, group_name_bytes_max, custom_mark_bytes_max, mark_items_max, group_items_max,
    search_items_max, page_items_max, pinned_max, user_id_bytes_max, chat_group_id_bytes_max, calls_per_second_max, user_access, name
)
WHERE a.sdk_app_id = t.sdk_app_id
