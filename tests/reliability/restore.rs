//! A database that was restored to a moment has every call that was acknowledged before it, and no call that began after it.
//! The tests make and restore backups with the commands of the operators' guide.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use nix::sys::signal::Signal;
use testkit::postgres::Postgres;
use testkit::{Scratch, text, wait_until};

use crate::load::{Load, Plan};
use crate::stand::{addresses, prepare, run_in_partitions, seeds, start, verify};

/// The number of calls between two moments.
const CALLS: usize = 200;
/// With so many users, at least one has another state at the next moment.
const USERS: usize = 20;

/// A part of the operators' guide. Panics if the guide does not have it.
#[track_caller]
fn guide(command: &'static str) -> &'static str {
    let guide = include_str!("../../docs/operations.md");
    assert!(guide.contains(command), "docs/operations.md does not have: {command}");
    command
}

/// Runs a command of the guide with more arguments.
#[track_caller]
fn run(server: &Postgres, command: &'static str, more: &[&str]) {
    let mut words = guide(command).split(' ');
    let program = words.next().unwrap();
    server.run(program, &words.chain(more.iter().copied()).collect::<Vec<_>>());
}

/// Runs a query with `psql`, and returns its output.
#[track_caller]
fn query(server: &Postgres, sql: &str) -> String {
    let arguments = ["--no-align", "--tuples-only", "--command", sql, "--dbname", &server.url()];
    server.run("psql", &arguments).trim().to_owned()
}

/// Runs `action`, and returns the moments before and after it by the load's clock.
fn during(load: &Load, action: impl FnOnce()) -> [u64; 2] {
    let from = load.history.now();
    action();
    [from, load.history.now()]
}

fn plan() -> Plan {
    Plan { seed: seeds(1)[0], users: USERS, clients: 6, calls: usize::MAX }
}

/// Starts a service on the restored database and reads everything. Returns the moment before the first read.
fn read(load: &Load, restored: &Postgres) -> u64 {
    let services = start(&restored.url(), 1);
    load.set_targets(addresses(&services));
    let resumed = load.history.now();
    load.read_everything();
    load.time_to_recover();
    resumed
}

/// A cursor from before the restored moment. It is known to the first database, and not to the restored one.
fn check_cursor(restored: &Postgres, cursor: &str) {
    let services = start(&restored.url(), 1);
    let client = services[0].client();
    let answer = client.changes("watcher", cursor);
    assert_eq!(answer.status, 410, "{answer:?}");
    let fresh = client.cursor("watcher");
    assert_eq!(client.changes("watcher", &fresh).status, 200);
}

/// Checks that the restored database has the state of the second of three moments, and not of the first or the third.
fn check(name: &str, load: &Load, restored: &Postgres, moments: [[u64; 2]; 3]) {
    let (began, seed) = (Instant::now(), load.plan.seed);
    let resumed = read(load, restored);
    let [[_, before], wanted, [after, _]] = moments;
    let [before, wanted, after] = [[before, before], wanted, [after, after]]
        .map(|moment| load.history.explain_restored(moment, resumed));
    if let Err(why) = wanted {
        panic!("{name}, seed {seed}: {why}");
    }
    assert!(before.is_err(), "{name}, seed {seed}: the checker misses calls after the moment");
    assert!(after.is_err(), "{name}, seed {seed}: the checker misses lost calls");
    verify(&restored.url()).unwrap();
    let (known, _) = load.history.counts();
    println!("{name}: seed {seed}, {known} calls, checked in {:.1?}", began.elapsed());
}

#[test]
fn a_dump_has_the_acknowledged_calls_before_it_and_no_later_call() {
    let (old, new) = (Scratch::create(), Scratch::create());
    let Some(server) = Postgres::start(old.path(), &[]) else { return };
    prepare(&server.url());
    let services = start(&server.url(), 2);
    services[0].client().must_import("watcher");
    let cursor = services[0].client().cursor("watcher");
    let dumps = old.join("dumps");
    server.make_folder(&dumps);
    let file = |nr: usize| text(&dumps.join(nr.to_string()));
    let (load, moments) = Load::run(plan(), addresses(&services), |load| {
        let moments = [0, 1, 2].map(|nr| {
            load.wait_for_calls(CALLS);
            let to = format!("--file={}", file(nr));
            during(load, || run(&server, "pg_dump --format=custom", &[&to, &server.url()]))
        });
        load.wait_for_calls(CALLS);
        moments
    });
    let restored = Postgres::start_unrelated(new.path(), &[]).expect("the first server started");
    let database = format!("--dbname={}", restored.url());
    run(
        &restored,
        "pg_restore --exit-on-error --no-owner --single-transaction",
        &[&database, &file(1)],
    );
    check("pg_dump, pg_restore", &load, &restored, moments);
    check_cursor(&restored, &cursor);

    // The checker finds one missing row of each user.
    run_in_partitions(
        &mut restored.sql("earmark"),
        "DELETE FROM conversations c
         USING (SELECT DISTINCT ON (user_id) * FROM live_conversations WHERE user_id NOT LIKE 'watcher%') v
         WHERE (c.user_id, c.kind, c.peer_id) = (v.user_id, v.kind, v.peer_id)",
    );
    let resumed = read(&load, &restored);
    let missing = load.history.explain_restored(moments[1], resumed).unwrap_err();
    assert!(missing.contains("nothing explains"), "{missing}");
}

/// Unpacks a base backup into a new server that will recover from the archive up to `target`.
fn unpack(
    source: &Postgres,
    folder: &Scratch,
    backup: &Path,
    archive: &Path,
    target: &str,
) -> Postgres {
    let server = source.sibling(folder.path());
    let (file, data) = (text(&backup.join("base.tar.gz")), text(server.data()));
    run(&server, "tar --extract --gzip", &["--file", &file, "--directory", &data]);
    let from = guide("restore_command = 'cp /archive/%f %p'").replace("/archive", &text(archive));
    let then = guide("recovery_target_action = 'promote'");
    let settings = OpenOptions::new().append(true).open(server.data().join("postgresql.conf"));
    settings.unwrap().write_all(format!("{from}\n{target}\n{then}\n").as_bytes()).unwrap();
    server.run("touch", &[&text(&server.data().join("recovery.signal"))]);
    server
}

#[test]
fn a_base_backup_and_the_archive_restore_any_later_moment() {
    let scratch = Scratch::create();
    let [archive, backup] = ["archive", "backup"].map(|name| scratch.join(name));
    let command = guide("archive_command = 'test ! -f /archive/%f && cp %p /archive/%f'");
    let command =
        command.replace(" = ", "=").replace('\'', "").replace("/archive", &text(&archive));
    let settings = ["archive_mode=on", &command];
    let Some(mut server) = Postgres::start(scratch.path(), &settings) else { return };
    for folder in [&archive, &backup] {
        server.make_folder(folder);
    }
    prepare(&server.url());
    let services = start(&server.url(), 2);
    services[0].client().must_import("watcher");
    let cursor = services[0].client().cursor("watcher");
    let mut sql = server.sql("earmark");
    let (load, points) = Load::run(plan(), addresses(&services), |load| {
        load.wait_for_calls(CALLS);
        let (port, to) = (server.port().to_string(), format!("--pgdata={}", text(&backup)));
        let from = ["--host=127.0.0.1", "--port", &port, "--username=earmark", &to];
        let command = "pg_basebackup --format=tar --gzip --checkpoint=fast --wal-method=stream";
        run(&server, command, &from);
        let points = [0, 1, 2].map(|nr| {
            load.wait_for_calls(CALLS);
            let (mut time, mut file) = (String::new(), String::new());
            let moment = during(load, || {
                let point = format!("SELECT pg_walfile_name(pg_create_restore_point('point{nr}'))");
                file = query(&server, &point);
                time = query(&server, "SELECT clock_timestamp()");
            });
            (moment, time, file)
        });
        load.wait_for_calls(CALLS);
        points
    });
    // The server is lost below, so all of its log has to be archived before.
    let last = query(&server, "SELECT pg_walfile_name(pg_switch_wal())");
    let archived =
        format!("SELECT count(*) FROM pg_stat_archiver WHERE last_archived_wal >= '{last}'");
    wait_until("the last file is archived", || sql.number(&archived) == 1);
    server.end(Signal::SIGKILL);
    let moments = points.each_ref().map(|(moment, ..)| *moment);
    let (_, time, file) = &points[1];

    let name = "recovery_target_name = 'point1'".to_owned();
    let time = guide("recovery_target_time = '").to_owned() + time + "'";
    for target in [&name, &time] {
        let new = Scratch::create();
        let mut restored = unpack(&server, &new, &backup, &archive, target);
        restored.start_again();
        let mut sql = restored.sql("earmark");
        wait_until("the server is promoted", || {
            sql.number("SELECT pg_is_in_recovery()::int::bigint") == 0
        });
        check(target, &load, &restored, moments);
        check_cursor(&restored, &cursor);
    }

    // If a file of the archive is missing, the server refuses to start.
    fs::remove_file(archive.join(file)).unwrap();
    let new = Scratch::create();
    let exit = unpack(&server, &new, &backup, &archive, &name).program().run();
    exit.expect_failure(&["recovery ended before configured recovery target was reached"]);
}
