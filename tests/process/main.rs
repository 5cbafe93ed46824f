//! The program as operators run it: the real binary, real signals, a real PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on may panic, and a skipped one says why"
)]

mod admin;
mod apps;
mod database_tls;
mod dev;
mod dev_deaths;
mod outage;
mod pgbouncer;
mod prune;
mod schemas;
mod secrets;
mod serve;
mod settings;
mod shutdown;
mod support;
mod telemetry;
mod tls;
mod upgrade;
mod verify;
