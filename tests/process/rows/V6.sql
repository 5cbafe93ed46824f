-- An app that was counted, one that is being counted, and one that was deleted.
INSERT INTO app_sizes (sdk_app_id, users, conversations, users_at_limit, counted_at) VALUES (1400000001, 1, 2, 0, now());
INSERT INTO app_sizes (sdk_app_id, claimed_until) VALUES (1400000002, now() + INTERVAL '1 hour');
INSERT INTO ended_apps (sdk_app_id, epoch) VALUES (1400000003, 1795000000000000);
