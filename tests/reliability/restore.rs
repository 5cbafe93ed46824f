//! A restored database has what was acknowledged before the moment that it was restored to, and nothing that was called
//! after it. Backups are made and restored as the operators' guide says.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use nix::sys::signal::Signal;

use crate::load::{Load, Plan};
use crate::postgres::{Postgres, folder};
use crate::stand::{addresses, prepare, seeds, start, verify};
use crate::support::{Scratch, eventually, text};

/// Calls between two moments.
const CALLS: usize = 200;
/// So many that a moment is told from the next by somebody's state.
const USERS: usize = 20;

/// A command of the operators' guide, or the beginning of one.
#[track_caller]
fn guide(command: &'static str) -> &'static str {
    let guide = include_str!("../../docs/operations.md");
    assert!(guide.contains(command), "docs/operations.md does not have: {command}");
    command
}

/// Runs a command of the guide, with more arguments at its end.
#[track_caller]
fn run(server: &Postgres, command: &'static str, more: &[&str]) {
    let mut words = guide(command).split(' ');
    let program = words.next().unwrap();
    server.run(program, &words.chain(more.iter().copied()).collect::<Vec<_>>());
}

/// What a query answers with.
#[track_caller]
fn ask(server: &Postgres, query: &str) -> String {
    let arguments = ["--no-align", "--tuples-only", "--command", query, "--dbname", &server.url()];
    server.run("psql", &arguments).trim().to_owned()
}

/// Two moments of the load's clock, and something that is done in between.
fn during(load: &Load, what: impl FnOnce()) -> [u64; 2] {
    let from = load.history.now();
    what();
    [from, load.history.now()]
}

fn plan() -> Plan {
    Plan { seed: seeds(1)[0], users: USERS, clients: 6, calls: usize::MAX }
}

/// Has a service on the restored database read everything, and says from when on.
fn read(load: &Load, restored: &Postgres) -> u64 {
    let services = start(&restored.url(), 1);
    load.set_targets(addresses(&services));
    let resumed = load.history.now();
    load.read_everything();
    load.time_to_recover();
    resumed
}

/// The restored database is as it was at the second of three moments, and neither as at the one before nor as after it.
fn check(name: &str, load: &Load, restored: &Postgres, moments: [[u64; 2]; 3]) {
    let (began, seed) = (Instant::now(), load.plan.seed);
    let resumed = read(load, restored);
    let [[_, before], wanted, [after, _]] = moments;
    let [before, wanted, after] = [[before, before], wanted, [after, after]]
        .map(|moment| load.history.explain_restored(moment, resumed));
    if let Err(why) = wanted {
        panic!("{name}, seed {seed}: {why}");
    }
    assert!(before.is_err(), "{name}, seed {seed}: what came after a moment is not noticed");
    assert!(after.is_err(), "{name}, seed {seed}: what is missing is not noticed");
    verify(&restored.url()).unwrap();
    let (known, _) = load.history.counts();
    println!("{name}: seed {seed}, of {known} calls, checked in {:.1?}", began.elapsed());
}

#[test]
fn a_dump_has_what_was_acknowledged_before_it_and_nothing_after() {
    let (old, new) = (folder(), folder());
    let Some(server) = Postgres::start(&old.join(""), &[]) else { return };
    prepare(&server.url());
    let services = start(&server.url(), 2);
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
    let restored = Postgres::start(&new.join(""), &[]).expect("another one runs");
    let database = format!("--dbname={}", restored.url());
    run(
        &restored,
        "pg_restore --exit-on-error --no-owner --single-transaction",
        &[&database, &file(1)],
    );
    check("pg_dump, pg_restore", &load, &restored, moments);

    // One row less of each user, of a conversation that answers show, would be noticed.
    restored.sql("earmark").run(
        "DELETE FROM conversations c
         USING (SELECT DISTINCT ON (user_id) * FROM live_conversations WHERE user_id <> 'watcher') v
         WHERE (c.user_id, c.kind, c.peer_id) = (v.user_id, v.kind, v.peer_id)",
    );
    let resumed = read(&load, &restored);
    let missing = load.history.explain_restored(moments[1], resumed).unwrap_err();
    assert!(missing.contains("nothing explains"), "{missing}");
}

/// A base backup, unpacked into a new server that finds the archive and is told how far to go.
fn unpack(folder: &Scratch, backup: &Path, archive: &Path, target: &str) -> Postgres {
    let server = Postgres::at(&folder.join("")).expect("another one runs");
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
fn a_base_backup_and_the_archive_lead_to_any_moment_after_it() {
    let scratch = folder();
    let [archive, backup] = ["archive", "backup"].map(|name| scratch.join(name));
    let command = guide("archive_command = 'test ! -f /archive/%f && cp %p /archive/%f'");
    let command =
        command.replace(" = ", "=").replace('\'', "").replace("/archive", &text(&archive));
    let settings = ["archive_mode=on", &command];
    let Some(mut server) = Postgres::start(&scratch.join(""), &settings) else { return };
    for folder in [&archive, &backup] {
        server.make_folder(folder);
    }
    prepare(&server.url());
    let services = start(&server.url(), 2);
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
                file = ask(&server, &point);
                time = ask(&server, "SELECT clock_timestamp()");
            });
            (moment, time, file)
        });
        load.wait_for_calls(CALLS);
        points
    });
    // What is in a file that was not archived would be gone with the server.
    let last = ask(&server, "SELECT pg_walfile_name(pg_switch_wal())");
    let archived =
        format!("SELECT count(*) FROM pg_stat_archiver WHERE last_archived_wal >= '{last}'");
    eventually("all is archived", || (sql.number(&archived) == 1).then_some(()));
    server.end(Signal::SIGKILL);
    let moments = points.each_ref().map(|(moment, ..)| *moment);
    let (_, time, file) = &points[1];

    let name = "recovery_target_name = 'point1'".to_owned();
    let time = guide("recovery_target_time = '").to_owned() + time + "'";
    for target in [&name, &time] {
        let new = folder();
        let mut restored = unpack(&new, &backup, &archive, target);
        restored.start_again();
        let mut sql = restored.sql("earmark");
        eventually("it is promoted", || {
            (sql.number("SELECT pg_is_in_recovery()::int::bigint") == 0).then_some(())
        });
        check(target, &load, &restored, moments);
    }

    // Without a file of the log it does not come up as if nothing were missing.
    fs::remove_file(archive.join(file)).unwrap();
    let new = folder();
    let ended = unpack(&new, &backup, &archive, &name).program().run();
    ended.refused(&["recovery ended before configured recovery target was reached"]);
}
