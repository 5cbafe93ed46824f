//! The API from outside: the real server, a real PostgreSQL, a database for each test.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod accounts;
mod front_door;
mod mark_contact;
mod samples;
mod smoke;
mod support;
