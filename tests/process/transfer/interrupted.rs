//! `earmark import` beside a busy service, and after it was killed or has lost its database.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use testkit::postgres::{Database, PrivateServer};
use testkit::{APP, Scratch, wait_until};

use super::{empty, exported, import, import_lines, lines_of, read};
use crate::EARMARK;

#[test]
fn an_import_beside_a_busy_service_loses_no_mark_of_others() {
    let target = empty();
    let service = EARMARK.start(EARMARK.serve(&target.url));
    let names: Vec<_> = (0..2000).map(|nr| format!("user{nr:05}")).collect();
    let users: Vec<_> = names.iter().map(|name| (name.as_str(), 10)).collect();
    let lines = lines_of(&users);
    let is_over = AtomicBool::new(false);
    let marked: usize = thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (client, is_over) = (service.client(), &is_over);
                scope.spawn(move || {
                    let mut marked = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        client.must_mark(&format!("other{writer}"), &format!("peer{marked}"));
                        // This user is in the file: the import or the mark comes first, both are whole.
                        client.must_mark(&format!("user{:05}", marked * 7 % 2000), "mine");
                        marked += 1;
                    }
                    marked
                })
            })
            .collect();
        import_lines(&target, &lines, &[]).expect_success();
        is_over.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    let mut sql = target.connect();
    let others = "SELECT count(*) FROM conversations WHERE user_id LIKE 'other%'";
    assert_eq!(sql.number(others), i64::try_from(marked).unwrap());
    let whole =
        "SELECT count(*) FROM users WHERE user_id LIKE 'user%' AND row_count - 10 IN (0, 1)";
    assert_eq!(sql.number(whole), 2000);
    EARMARK.verify(&target.url).expect_success();
    service.process.stop();
}

#[test]
fn a_killed_import_leaves_whole_users_and_is_run_again() {
    let target = empty();
    let names: Vec<_> = (0..20_000).map(|nr| format!("user{nr:05}")).collect();
    let users: Vec<_> = names.iter().map(|name| (name.as_str(), 5)).collect();
    let scratch = Scratch::create();
    let file = scratch.write("app.ndjson", lines_of(&users));
    let process = EARMARK.on(&target.url, ["import", APP, file.to_str().unwrap()]).start();
    let mut sql = target.connect();
    let stored = "SELECT count(*) FROM users";
    wait_until("some users are stored", || sql.number(stored) > 1000);
    process.kill();

    wait_until("its session has ended", || {
        sql.number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()") == 1
    });
    let halfway = sql.number(stored);
    assert!(halfway < 20_000, "it was killed too late");
    assert_eq!(sql.number("SELECT count(*) FROM users WHERE row_count <> 5"), 0);
    EARMARK.verify(&target.url).expect_success();
    let report = import(&target, &file, &[]).expect_success();
    let expected = format!("users: {} new, 0 changed, {halfway} unchanged", 20_000 - halfway);
    assert!(report.contains(&expected), "{report}");
    assert_eq!(exported(&target), read(&file));
}

#[test]
fn an_import_that_loses_its_database_says_where_it_stopped() {
    let mut server = PrivateServer::start();
    let target = Database::create_on(&server.options());
    EARMARK.prepare(&target.url);
    let names: Vec<_> = (0..20_000).map(|nr| format!("user{nr:05}")).collect();
    let users: Vec<_> = names.iter().map(|name| (name.as_str(), 5)).collect();
    let scratch = Scratch::create();
    let file = scratch.write("app.ndjson", lines_of(&users));
    let process = EARMARK.on(&target.url, ["import", APP, file.to_str().unwrap()]).start();
    let mut sql = target.connect();
    wait_until("some users are stored", || sql.number("SELECT count(*) FROM users") > 1000);
    server.stop();

    let exit = process.wait();

    exit.expect_failure(&["the import has stopped at line ", "run it again"]);
    server.start_again();
    EARMARK.verify(&target.url).expect_success();
    let report = import(&target, &file, &[]).expect_success();
    assert!(report.contains(" new, 0 changed, "), "{report}");
    assert_eq!(exported(&target), read(&file));
}

#[test]
fn an_import_waits_for_the_lock_of_a_user_before_it_reads_the_state() {
    let target = empty();
    let lines = lines_of(&[("user", 1)]);
    import_lines(&target, &lines, &[]).expect_success();
    let scratch = Scratch::create();
    let file = scratch.write("app.ndjson", lines.replacen("[0]", "[1]", 1));
    let mut writer = target.connect();
    writer.run("BEGIN; SELECT FROM users WHERE user_id = 'user' FOR NO KEY UPDATE");
    let process = EARMARK.on(&target.url, ["import", APP, file.to_str().unwrap()]).start();
    let mut sql = target.connect();
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()";
    wait_until("the import waits", || sql.number(waits) == 1);
    writer.run("UPDATE users SET revision = 40; COMMIT");

    process.wait().expect_success();

    assert_eq!(sql.number("SELECT revision FROM users"), 42, "beyond what the writer has made");
    assert_eq!(sql.number("SELECT standard_mark FROM conversations"), 2);
}
