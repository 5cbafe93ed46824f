-- A change of settings, one of no app, one that was begun and not ended, a token that was used and one that was not, and a name.
INSERT INTO audit (operator, origin, action, sdk_app_id, target, before, after, request_id) VALUES
    ('deploy', '10.0.0.7', 'app set', 1400000001, NULL, '{"edition": "pro"}', '{"edition": "premium"}', 'abc'),
    ('root', 'command line', 'epoch bump', NULL, NULL, NULL, '{"epoch": 7}', NULL),
    ('root', 'command line', 'user erase', 1400000001, 'gone', NULL, NULL, NULL);
INSERT INTO operator_tokens (name, digest, scopes, last_used_at) VALUES
    ('deploy', sha256('a'), '{read,apps}', now()), ('support', sha256('b'), '{read}', NULL);
UPDATE apps SET name = 'Möbel & Co.' WHERE sdk_app_id = 1400000002;
