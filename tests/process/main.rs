//! The program as operators run it: the real binary, real signals and a real PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot continue has failed, and a skipped test prints the reason"
)]

use testkit::Earmark;

mod abandoned;
mod admin;
mod api_guide;
mod apps;
mod audit;
mod command_line;
mod connections;
mod database_tls;
mod dev;
mod dev_deaths;
mod dev_faults;
mod dev_settings;
mod doctor;
mod epoch;
mod erasing;
mod feed;
mod https;
mod listen;
mod migrate;
mod outage;
mod output;
mod partitions;
mod pgbouncer;
mod prune;
mod readiness;
mod schemas;
mod secrets;
mod serve;
mod settings;
mod shutdown;
mod strangers;
mod streams;
mod telemetry;
mod tls;
mod traffic;
mod transfer;
mod upgrade;
mod verify;
mod webhooks;

const EARMARK: Earmark = Earmark::at(env!("CARGO_BIN_EXE_earmark"));
