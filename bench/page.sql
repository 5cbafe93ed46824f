-- Reads the first page of a user with the service's own statement, src/store/sql/page.sql.
\set user 1000000 + :client_id + :clients * random(0, :users / :clients - 1)
{statement};
