-- Settings of the native API, and contact groups that the user has ordered.
UPDATE apps SET user_access = 'write' WHERE sdk_app_id = 1400000002;
INSERT INTO app_origins VALUES (1400000002, 'https://chat.example.com');
INSERT INTO app_marks VALUES (1400000002, 40, 'vip', '#c00');
