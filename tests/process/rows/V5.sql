-- A webhook with a change that waits and a dead letter.
INSERT INTO webhooks (sdk_app_id, url, wants_users, wants_directory, secret, epoch, number)
VALUES (1400000002, 'https://example.com/hook', TRUE, FALSE, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 1, 1);
INSERT INTO webhook_deliveries (sdk_app_id, webhook_id, epoch, number, kind, id, revision, attempts, next_try_at)
SELECT 1400000002, webhook_id, 1, nr.number, 0, 'owner', 1, 1, CASE nr.number WHEN 1 THEN 'infinity'::timestamptz END
FROM webhooks, generate_series(1, 2) AS nr (number);
