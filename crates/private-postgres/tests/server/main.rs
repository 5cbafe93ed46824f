//! The private PostgreSQL server, on a real PostgreSQL, killed in every way that can be tried here.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![expect(clippy::print_stdout, reason = "a skipped test says why, and a child says it is ready")]
#![expect(
    clippy::disallowed_methods,
    reason = "the environment tells a child of the test its part"
)]

mod container;
mod deaths;
mod lives;
mod refusals;
mod support;
