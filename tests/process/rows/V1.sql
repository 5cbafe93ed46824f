-- All kinds of rows that the first schema knows.
INSERT INTO apps (sdk_app_id, edition, directory, secret_key, previous_secret_key, marked_max, calls_per_second_max, directory_revision)
VALUES (1400000001, 'premium', 'owners', 'the-secret-key-of-the-process-tests', 'the-secret-key-before-the-rotation', 900, 0, 3);
INSERT INTO apps (sdk_app_id, edition, directory, disabled, secret_key) VALUES (1400000002, 'trial', 'strict', TRUE, 'the-secret-key-of-another-app');
INSERT INTO app_admins VALUES (1400000001, 'administrator'), (1400000001, 'second'), (1400000002, 'administrator');
INSERT INTO accounts (sdk_app_id, user_id, nick, face_url) VALUES
    (1400000001, 'owner', 'Nick', 'https://example.com/face'), (1400000001, 'friend', '', ''),
    (1400000001, 'cleared', '', ''), (1400000002, 'owner', '', '');
INSERT INTO chat_groups (sdk_app_id, group_id, group_type, name) VALUES (1400000001, 'group', 'Public', 'A group');
INSERT INTO gone (sdk_app_id, kind, id, is_gone, directory_revision) VALUES
    (1400000001, 1, 'gone', TRUE, 1), (1400000001, 2, 'destroyed', TRUE, 2), (1400000001, 1, 'friend', FALSE, 3);
INSERT INTO users (
    sdk_app_id, user_id, revision, forgotten_revision, next_position, next_group_id,
    row_count, marked, marked_max, grouped, grouped_max, pinned, pinned_max
) VALUES
    (1400000001, 'owner', 9000000000, 7, 10, 4, 8, 6, 900, 2, 1000, 2, 50), (1400000001, 'gone', 5, 5, 3, 1, 0, 0, 0, 0, 0, 0, 0),
    (1400000001, 'cleared', 2, 2, 2, 1, 0, 0, 900, 0, 0, 0, 0),
    (1400000002, 'owner', 1, 0, 2, 1, 1, 1, 1000, 0, 0, 0, 0);
INSERT INTO contact_groups VALUES (1400000001, 'owner', 1, 'work'), (1400000001, 'owner', 3, 'Freunde 🙂');
INSERT INTO conversations (
    sdk_app_id, user_id, kind, peer_id, standard_mark, custom_mark, holds_place, group_ids,
    position, pin_position, changed_at, changed_revision
) VALUES
    -- All 64 bits, a text, two groups, and a pin.
    (1400000001, 'owner', 1, 'friend', -1, 'späte Antwort 🙂', TRUE, '{1,3}', 1, 8, 1700000001, 9000000000),
    (1400000001, 'owner', 1, 'sign', -9223372036854775808, '', TRUE, '{}', 2, NULL, 1700000002, 2),
    (1400000001, 'owner', 1, 'text', 0, 'a|"b"\c', TRUE, '{}', 3, NULL, 1700000003, 3),
    (1400000001, 'owner', 1, 'grouped', 0, '', FALSE, '{3}', 4, NULL, 1700000004, 4),
    (1400000001, 'owner', 1, 'pinned', 0, '', FALSE, '{}', NULL, 5, 1700000005, 5),
    -- Those whose other end is gone are left out of answers, and so is an empty one.
    (1400000001, 'owner', 1, 'gone', 1, '', TRUE, '{}', 6, NULL, 1700000006, 6),
    (1400000001, 'owner', 2, 'destroyed', 2, '', TRUE, '{}', 7, NULL, 1700000007, 7),
    (1400000001, 'owner', 2, 'empty', 0, '', TRUE, '{}', 9, NULL, 1700000009, 8),
    (1400000002, 'owner', 2, 'group', 4, '', TRUE, '{}', 1, NULL, 1700000008, 1);
