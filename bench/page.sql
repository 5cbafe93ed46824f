-- The first page of a user, as the service reads it: one statement, which comes from the service's own source.
\set user 1000000 + :client_id + :clients * random(0, :users / :clients - 1)
{statement};
