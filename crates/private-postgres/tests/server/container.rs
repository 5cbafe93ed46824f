//! Servers in a container. These tests need a Docker daemon with the image.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use private_postgres::{Cluster, Lifetime, Places, Settings};
use tokio::time::timeout;

use crate::support::{
    LONG, Scratch, check_row, child_with_a_server, connect, no_binaries, read_the_row, show,
    write_a_row,
};

/// The places of a machine without binaries. If Docker cannot be used, says so even if the output of tests is captured, and
/// returns `None`. With `EARMARK_TEST_DOCKER=required`, as in `.ci/run containers`, the test fails instead.
fn docker_only() -> Option<Places> {
    let asked = Command::new("docker").args(["image", "inspect", "postgres:15"]).output();
    if asked.is_ok_and(|answer| answer.status.success()) {
        return Some(no_binaries());
    }
    let why = "no Docker daemon answers here, or it has no image postgres:15";
    let is_required = std::env::var_os("EARMARK_TEST_DOCKER").is_some_and(|it| it == "required");
    assert!(!is_required, "{why}");
    // `eprintln!` would be captured.
    let line = format!("NOT TESTED: a server in a container: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}

fn containers() -> String {
    let listed = Command::new("docker").args(["ps", "-a", "--format", "{{.Names}}"]).output();
    String::from_utf8(listed.unwrap().stdout).unwrap()
}

fn container_in(hint: &str) -> &str {
    hint.split_whitespace().find(|word| word.starts_with("earmark-")).unwrap()
}

#[tokio::test]
async fn a_container_is_used_if_there_are_no_binaries() {
    let Some(places) = docker_only() else { return };
    let scratch = Scratch::new();
    let first = Cluster::start_from(&scratch.settings(), &places).await.unwrap();
    assert!(first.describe().ends_with("in a container (postgres:15)"), "{}", first.describe());
    let hint = first.psql_hint();
    let name = container_in(&hint);
    let mut connection = connect(&first).await;
    assert_eq!(show(&mut connection, "SHOW fsync").await, "on");
    assert_eq!(show(&mut connection, "SHOW data_checksums").await, "on");
    write_a_row(&first).await;
    let password = scratch.folder().join("container.password");
    assert_eq!(fs::metadata(&password).unwrap().permissions().mode() & 0o777, 0o600);
    first.stop().await.unwrap();
    assert!(!containers().contains(name), "the container was not removed");

    let mut second = Cluster::start_from(&scratch.settings(), &places).await.unwrap();
    check_row(read_the_row(&second).await);
    Command::new("docker").args(["kill", name]).output().unwrap();
    timeout(LONG, second.exited()).await.unwrap();
    drop(second);

    // The data decides: although this machine has binaries, the server runs in a container again.
    let third = scratch.start().await;
    check_row(read_the_row(&third).await);
    third.stop().await.unwrap();
}

#[tokio::test]
async fn a_left_over_container_and_unfinished_data_are_replaced() {
    let Some(places) = docker_only() else { return };
    let scratch = Scratch::new();
    let unfinished = scratch.make_folder().join("container");
    fs::create_dir_all(&unfinished).unwrap();
    fs::write(unfinished.join("PG_VERSION"), "15\n").unwrap();
    let first = Cluster::start_from(&scratch.settings(), &places).await.unwrap();
    let hint = first.psql_hint();
    let name = container_in(&hint);
    first.stop().await.unwrap();

    let left_over = [
        "run",
        "-d",
        "--stop-signal=KILL",
        "--name",
        name,
        "--entrypoint",
        "sleep",
        "postgres:15",
        "600",
    ];
    assert!(Command::new("docker").args(left_over).output().unwrap().status.success());
    let second = Cluster::start_from(&scratch.settings(), &places).await.unwrap();
    second.stop().await.unwrap();
    assert!(!containers().contains(name));
}

#[tokio::test]
async fn an_ephemeral_container_is_removed() {
    let Some(places) = docker_only() else { return };
    let scratch = Scratch::new();
    let settings = Settings { lifetime: Lifetime::Ephemeral, ..scratch.settings() };
    let cluster = Cluster::start_from(&settings, &places).await.unwrap();
    write_a_row(&cluster).await;
    cluster.stop().await.unwrap();
    assert!(!scratch.folder().exists());
}

#[tokio::test]
async fn the_container_shuts_down_when_our_process_is_killed() {
    let Some(places) = docker_only() else { return };
    let scratch = Scratch::new();
    let folder = scratch.0.join("container");
    let (mut us, hint) = child_with_a_server(&folder);
    us.kill().unwrap();
    us.wait().unwrap();
    Command::new("docker").args(["wait", container_in(&hint)]).output().unwrap();

    let settings = Settings { folder: folder.clone(), ..scratch.settings() };
    let next = Cluster::start_from(&settings, &places).await.unwrap();
    check_row(read_the_row(&next).await);
    let log = fs::read_to_string(folder.join("postgres.log")).unwrap();
    assert!(!log.contains("not properly shut down"), "{log}");
    next.stop().await.unwrap();
}
