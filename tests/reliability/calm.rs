//! Without any fault: every answer is explained by an order of the calls.

use crate::load::Plan;
use crate::stand::{calm_round, prepare, seeds, start};
use crate::support::Database;

#[test]
fn few_users_whom_everybody_calls() {
    let database = Database::new();
    prepare(&database.url);
    let services = start(&database.url, 2);
    for seed in seeds(2) {
        let plan = Plan { seed, users: 2, clients: 8, calls: 2000 };
        calm_round(&database.url, &services, plan).unwrap();
    }
}

#[test]
fn many_users_whom_few_call_at_once() {
    let database = Database::new();
    prepare(&database.url);
    let services = start(&database.url, 2);
    for seed in seeds(2) {
        let plan = Plan { seed, users: 60, clients: 12, calls: 3000 };
        calm_round(&database.url, &services, plan).unwrap();
    }
}
