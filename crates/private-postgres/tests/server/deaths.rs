//! If any process is killed, no commit is lost and no process is left running.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use private_postgres::{Cluster, Error};
use sqlx::ConnectOptions as _;
use tokio::time::timeout;

use crate::support::{
    LONG, Scratch, check_row, child_with_a_server, connect, read_the_row, write_a_row,
};

fn server_of(folder: &Path) -> Pid {
    let text = fs::read_to_string(folder.join("pgdata/postmaster.pid")).unwrap();
    Pid::from_raw(text.lines().next().unwrap().parse().unwrap())
}

fn children_of(parent: Pid) -> Vec<Pid> {
    let listed = Command::new("ps").args(["-eo", "pid=,ppid="]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let pair = |line: &str| {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<i32>().unwrap());
        Some((numbers.next()?, numbers.next()?))
    };
    let children = listed.lines().filter_map(pair).filter(|(_, of)| *of == parent.as_raw());
    children.map(|(pid, _)| Pid::from_raw(pid)).collect()
}

fn parent_of(child: Pid) -> Pid {
    let pid = child.to_string();
    let listed = Command::new("ps").args(["-o", "ppid=", "-p", &pid]).output().unwrap();
    Pid::from_raw(String::from_utf8(listed.stdout).unwrap().trim().parse().unwrap())
}

#[tokio::test]
async fn a_killed_postgres_is_noticed_and_recovers() {
    let scratch = Scratch::new();
    let mut cluster = scratch.start().await;
    write_a_row(&cluster).await;
    let _at_work = connect(&cluster).await;

    kill(server_of(&scratch.folder()), Signal::SIGKILL).unwrap();
    let exited = timeout(LONG, cluster.exited()).await.unwrap();
    assert!(matches!(exited, Error::Exited { .. }), "{exited}");
    assert!(exited.to_string().contains("postgres.log"), "{exited}");
    drop(cluster);

    let next = scratch.start().await;
    check_row(read_the_row(&next).await);
    next.stop().await.unwrap();
}

#[tokio::test]
async fn the_next_start_waits_for_the_children_of_a_killed_postgres() {
    let scratch = Scratch::new();
    let mut cluster = scratch.start().await;
    write_a_row(&cluster).await;
    let mut at_work = connect(&cluster).await;
    let question = "SELECT pg_backend_pid()";
    let child = sqlx::query_scalar(question).fetch_one(&mut at_work).await.map(Pid::from_raw);
    let child = child.unwrap();
    kill(child, Signal::SIGSTOP).unwrap();
    kill(server_of(&scratch.folder()), Signal::SIGKILL).unwrap();
    timeout(LONG, cluster.exited()).await.unwrap();
    drop(cluster);

    let during = timeout(Duration::from_secs(1), Cluster::start(&scratch.settings())).await;
    kill(child, Signal::SIGCONT).unwrap();
    assert!(
        during.is_err(),
        "the start did not wait for the child, which shares memory: {during:?}"
    );
    let next = scratch.start().await;
    check_row(read_the_row(&next).await);
    next.stop().await.unwrap();
}

#[tokio::test]
async fn the_server_shuts_down_when_our_process_is_killed() {
    let scratch = Scratch::new();
    let (mut us, _) = child_with_a_server(&scratch.folder());
    let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
        .socket(scratch.folder().join("run"))
        .username("earmark")
        .database("earmark");
    let [mut client, mut watcher] =
        [options.connect().await.unwrap(), options.connect().await.unwrap()];
    let cut_off = tokio::spawn(async move {
        sqlx::query("SELECT pg_sleep(60)").execute(&mut client).await.unwrap_err()
    });
    let sleeps = async {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        while sqlx::query_scalar::<_, i64>(count).fetch_one(&mut watcher).await.unwrap() == 0 {}
    };
    timeout(LONG, sleeps).await.unwrap();

    us.kill().unwrap();
    us.wait().unwrap();

    let error = timeout(LONG, cut_off).await.unwrap().unwrap();
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap();
    assert_eq!(code, "57P01", "the supervisor shut the server down");

    let next = scratch.start().await;
    check_row(read_the_row(&next).await);
    let log = fs::read_to_string(scratch.folder().join("postgres.log")).unwrap();
    assert!(!log.contains("not properly shut down"), "{log}");
    next.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_without_a_supervisor_is_shut_down_by_the_next_start() {
    let scratch = Scratch::new();
    let mut cluster = scratch.start().await;
    write_a_row(&cluster).await;
    let orphan = server_of(&scratch.folder());
    let script = parent_of(orphan);
    let watchers = children_of(script).into_iter().filter(|child| *child != orphan);
    for process in watchers.chain([script]).collect::<Vec<_>>() {
        kill(process, Signal::SIGKILL).unwrap();
    }
    timeout(LONG, cluster.exited()).await.unwrap();
    drop(cluster);
    assert!(kill(orphan, None).is_ok(), "the server stopped without a supervisor");

    let next = scratch.start().await;
    assert_ne!(server_of(&scratch.folder()), orphan);
    check_row(read_the_row(&next).await);
    let log = fs::read_to_string(scratch.folder().join("postgres.log")).unwrap();
    assert!(!log.contains("not properly shut down"), "the server was killed: {log}");
    next.stop().await.unwrap();
}

#[tokio::test]
async fn a_stale_process_id_of_another_program_is_ignored() {
    let scratch = Scratch::new();
    scratch.start().await.stop().await.unwrap();
    let stale = scratch.folder().join("pgdata/postmaster.pid");
    // The other program runs as the server's account, because the server itself ignores process ids of other accounts.
    let owner = fs::metadata(scratch.folder().join("pgdata")).unwrap();
    let mut other_program = Command::new("sleep")
        .arg("600")
        .uid(owner.uid())
        .gid(owner.gid())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    fs::write(&stale, format!("{}\n/nowhere\n1\n5432\n/tmp\n\n", other_program.id())).unwrap();

    let started = timeout(LONG, Cluster::start(&scratch.settings())).await;
    let ended = other_program.try_wait().unwrap();
    other_program.kill().unwrap();
    other_program.wait().unwrap();
    assert_eq!(ended, None, "the other program was ended");
    started.unwrap().unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn an_ephemeral_folder_is_removed_when_our_process_is_killed() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("ephemeral");
    let (mut us, _) = child_with_a_server(&folder);
    us.kill().unwrap();
    us.wait().unwrap();
    let gone = async {
        while folder.exists() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, gone).await.unwrap();
}
