//! The private server on a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]
#![expect(
    clippy::disallowed_methods,
    reason = "the child process gets its folder from the environment"
)]

mod container;
mod deaths;
mod lives;
mod refusals;
mod support;
