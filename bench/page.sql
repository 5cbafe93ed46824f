-- The first page of a user, in the frame that the service reads it in; the statement comes from the service's own source.
\set user 1000000 + :client_id + :clients * random(0, :users / :clients - 1)
BEGIN;
{statement};
COMMIT;
