-- A feed that is off again, with a change of a user's state and one of the directory, and a feed that is on.
INSERT INTO feed_head VALUES (1400000001, NULL, 9, 6), (1400000002, '2026-11-01T00:00:00Z', 2, 1);
INSERT INTO feed (sdk_app_id, number, slot, kind, id, is_gone, revision, appended_at) VALUES
    (1400000001, 7, feed_slot(now()), 0, 'owner', NULL, 9000000000, now()),
    (1400000001, 8, feed_slot(now()), 1, 'friend', FALSE, 3, now());
