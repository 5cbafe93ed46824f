-- A key that has been used.
UPDATE app_keys SET last_used_at = '2026-11-01T00:00:00Z' WHERE sdk_app_id = 1400000002;
