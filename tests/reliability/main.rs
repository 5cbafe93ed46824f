//! The reliability promises, checked under load and faults. Clients make random calls, and the tests record each call and its
//! answer. A checker then looks for an order of events that explains every answer, and `earmark verify` checks the database.
//!
//! `EARMARK_TEST_SEED` repeats the calls of an earlier run. `EARMARK_TEST_ROUNDS` sets the number of rounds of each test, and
//! `EARMARK_TEST_PARTITIONS` the number of partitions of their databases (see `.ci/partitions`).
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot continue has failed, and each round prints its seed"
)]

use testkit::Earmark;

mod calm;
mod clock;
mod crashes;
mod cursors;
mod failover;
mod followers;
mod load;
mod network;
mod pairs;
mod planted;
mod pressure;
mod restore;
mod stand;
mod stops;
mod two_servers;
mod users;

const EARMARK: Earmark = Earmark::at(env!("CARGO_BIN_EXE_earmark"));
