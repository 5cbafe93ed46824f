//! The tests can fail: bugs that are planted in the service are found, each within a budget of calls.

use nix::sys::signal::Signal;

use crate::load::Plan;
use crate::postgres::{Postgres, folder};
use crate::stand::{addresses, calm_round, prepare, quiet, round, seeds};
use crate::support::{Database, Service};

/// Rounds of calls in which a bug has to show.
const ROUNDS: u64 = 5;
const CALLS: usize = 1500;

/// Runs rounds until one fails, and gives what that says.
#[track_caller]
fn found(bug: &str, mut round: impl FnMut(Plan) -> Result<(), String>) -> String {
    let first = seeds(1)[0];
    for nr in 1..=ROUNDS {
        let plan = Plan { seed: first + nr, users: 2, clients: 8, calls: CALLS };
        if let Err(why) = round(plan) {
            println!("{bug}: found in round {nr}: {:.200}", why.lines().next().unwrap_or_default());
            return why;
        }
    }
    panic!("{bug} was not found in {ROUNDS} rounds of {CALLS} calls, seeds from {first}");
}

/// Two services with a bug in them.
fn buggy(url: &str, bug: &str) -> [Service; 2] {
    [0, 1].map(|_| Service::start(quiet(url).env("EARMARK_PLANTED_BUG", bug)))
}

/// What is found of a bug without any fault, on a schema that something was done to.
#[track_caller]
fn found_when_calm(bug: &str, change: &str) -> String {
    let database = Database::new();
    prepare(&database.url);
    database.connect().run(change);
    let services = buggy(&database.url, bug);
    found(bug, |plan| calm_round(&database.url, &services, plan))
}

/// Without the schema's last lines behind the rules, so that the checker alone is asked.
const DROP_CHECKS: &str = "
    ALTER TABLE users
        DROP CONSTRAINT users_marked_in_room, DROP CONSTRAINT users_grouped_in_room,
        DROP CONSTRAINT users_pinned_in_room;
    DROP INDEX conversations_position;
    CREATE INDEX conversations_position ON conversations (sdk_app_id, user_id, position);";

#[test]
fn a_lost_update_is_found() {
    assert!(found_when_calm("lost-update", "").contains("nothing explains"));
}

#[test]
fn a_stale_read_is_found() {
    assert!(found_when_calm("stale-read", "").contains("nothing explains"));
}

#[test]
fn an_answer_before_a_commit_that_fails_is_found() {
    assert!(found_when_calm("not-committed", "").contains("nothing explains"));
}

#[test]
fn caps_that_are_checked_against_an_old_state_are_found() {
    found_when_calm("unchecked", DROP_CHECKS);
}

#[test]
fn writes_over_what_others_have_changed_break_against_the_schema_too() {
    found_when_calm("unchecked", "");
}

#[test]
fn an_answer_before_the_commit_is_on_disk_is_found() {
    let scratch = folder();
    // What does not wait for the disk is lost only if nobody else is in a hurry either.
    let lazy = ["synchronous_commit=off", "wal_writer_delay=10s"];
    let Some(mut postgres) = Postgres::start(&scratch.join(""), &lazy) else { return };
    let url = postgres.url();
    prepare(&url);
    let services = buggy(&url, "not-durable");
    let why = found("not-durable", |plan| {
        round("kill -9", &url, plan, addresses(&services), |load| {
            load.wait_for_calls(100);
            postgres.end(Signal::SIGKILL);
            postgres.start_again();
            load.time_to_recover()
        })
    });
    assert!(why.contains("nothing explains"), "{why}");
}

/// A panic is no bug that the checker finds: nobody's answer is wrong. But nothing of the service may end with it.
#[test]
fn a_panic_in_a_batch_costs_its_callers_their_answers_and_nobody_else() {
    let database = Database::new();
    prepare(&database.url);
    let services = buggy(&database.url, "panic");
    let plan = Plan { seed: seeds(1)[0], users: 4, clients: 8, calls: 800 };
    calm_round(&database.url, &services, plan).unwrap();
    for service in services {
        let said = service.process.stop().stderr;
        assert!(said.contains("a planted panic"), "it did happen: {said}");
    }
}
