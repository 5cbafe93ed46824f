-- All kinds of rows that the first schema knows.
INSERT INTO apps (sdk_app_id, edition, directory, secret_key, previous_secret_key, marked_max, calls_per_second_max)
VALUES (1400000001, 'premium', 'owners', 'the-secret-key-of-the-process-tests', 'the-secret-key-before-the-rotation', 900, 0);
INSERT INTO apps (sdk_app_id, edition, directory, disabled, secret_key) VALUES (1400000002, 'trial', 'strict', TRUE, 'the-secret-key-of-another-app');
INSERT INTO app_admins VALUES (1400000001, 'administrator'), (1400000001, 'second'), (1400000002, 'administrator');
INSERT INTO accounts VALUES
    (1400000001, 'owner', 'Nick', 'https://example.com/face', FALSE), (1400000001, 'friend', '', '', FALSE),
    (1400000001, 'gone', '', '', TRUE), (1400000001, 'cleared', '', '', FALSE), (1400000002, 'owner', '', '', FALSE);
INSERT INTO chat_groups VALUES
    (1400000001, 'group', 'Public', 'A group', FALSE), (1400000001, 'destroyed', 'Public', 'Another', TRUE);
INSERT INTO users (
    sdk_app_id, user_id, revision, next_position, next_group_id, marked, marked_max, grouped, grouped_max, pinned, pinned_max
) VALUES
    (1400000001, 'owner', 9000000000, 9, 4, 5, 900, 2, 1000, 2, 50), (1400000001, 'cleared', 2, 2, 1, 0, 900, 0, 0, 0, 0),
    (1400000002, 'owner', 1, 2, 1, 1, 1000, 0, 0, 0, 0);
INSERT INTO contact_groups VALUES (1400000001, 'owner', 1, 'work'), (1400000001, 'owner', 3, 'Freunde 🙂');
INSERT INTO conversations VALUES
    -- All 64 bits, a text, two groups, and a pin.
    (1400000001, 'owner', 1, 'friend', -1, 'späte Antwort 🙂', '{1,3}', 1, 8, 1700000001),
    (1400000001, 'owner', 1, 'sign', -9223372036854775808, '', '{}', 2, NULL, 1700000002),
    (1400000001, 'owner', 1, 'text', 0, 'a|"b"\c', '{}', 3, NULL, 1700000003),
    (1400000001, 'owner', 1, 'grouped', 0, '', '{3}', 4, NULL, 1700000004),
    (1400000001, 'owner', 1, 'pinned', 0, '', '{}', NULL, 5, 1700000005),
    -- The dead are left out of answers.
    (1400000001, 'owner', 1, 'gone', 1, '', '{}', 6, NULL, 1700000006),
    (1400000001, 'owner', 2, 'destroyed', 2, '', '{}', 7, NULL, 1700000007),
    (1400000002, 'owner', 2, 'group', 4, '', '{}', 1, NULL, 1700000008);
