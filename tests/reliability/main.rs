//! What is promised, under load and faults: clients call at random, all they did and saw is recorded, and a checker looks
//! for an order of events that explains it. Then `earmark verify` looks at what the database holds.
//!
//! `EARMARK_TEST_SEED` repeats the calls of an earlier run, `EARMARK_TEST_ROUNDS` asks for more rounds of each test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on may panic, and a round says how it went"
)]

mod calm;
mod clock;
mod crashes;
mod failover;
mod fates;
mod history;
mod linearizability;
mod load;
#[path = "../model/mod.rs"]
mod model;
mod network;
mod pairs;
mod planted;
mod postgres;
mod pressure;
mod proxy;
mod restore;
mod stand;
#[path = "../process/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the other tests of the program use the rest")]
mod support;
