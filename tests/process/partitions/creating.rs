//! Several processes create the partitions at the same time, as replicas with `serve --migrate` do.

use super::*;

fn migrate(database: &Database) -> Program {
    EARMARK.on(&database.url, ["migrate", "--partitions", "4"])
}

#[test]
fn processes_that_create_the_partitions_at_the_same_time_all_succeed() {
    let database = Database::create();
    let processes = [(), (), (), ()].map(|()| migrate(&database).start());
    for process in processes {
        process.wait().expect_success();
    }
    let checked = EARMARK.on(&database.url, ["partitions", "check"]).run().expect_success();
    assert_eq!(checked, "4 partitions, problems: 0\n");
}

/// Another process chooses the number of partitions just before.
#[test]
fn the_number_of_partitions_that_another_process_has_chosen_is_taken() {
    for (chosen, is_taken) in [(4, true), (2, false)] {
        let database = Database::create();
        EARMARK.migrate(&database.url).expect_success();
        let mut other = database.connect();
        other.run("BEGIN");
        other.run(&format!("UPDATE partition_identity SET count = {chosen}, number = NULL"));
        let process = migrate(&database).start();
        let mut sql = database.connect();
        let waits = "SELECT count(*) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database()";
        wait_until("the process waits", || sql.number(waits) == 1);
        other.run("COMMIT");
        let exit = process.wait();
        if is_taken {
            exit.expect_success();
        } else {
            exit.expect_failure(&["the database has 2 partitions, not 4"]);
        }
    }
}
