//! Rounds without a fault.

use testkit::postgres::Database;

use crate::load::Plan;
use crate::stand::{calm_round, prepare, seeds, start};

#[test]
fn all_clients_call_about_two_users() {
    let database = Database::create();
    prepare(&database.url);
    let services = start(&database.url, 2);
    for seed in seeds(2) {
        let plan = Plan { seed, users: 2, clients: 8, calls: 2000 };
        calm_round(&database.url, &services, plan).unwrap();
    }
}

#[test]
fn few_clients_call_about_the_same_user() {
    let database = Database::create();
    prepare(&database.url);
    let services = start(&database.url, 2);
    for seed in seeds(2) {
        let plan = Plan { seed, users: 60, clients: 12, calls: 3000 };
        calm_round(&database.url, &services, plan).unwrap();
    }
}
