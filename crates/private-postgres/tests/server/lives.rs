//! Starting, stopping and starting again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use private_postgres::{Cluster, Error, Lifetime, Places, Settings};

use crate::support::{Scratch, check_row, connect, read_the_row, show, write_a_row};

#[tokio::test]
async fn a_cold_start_gives_a_database_and_a_second_start_finds_it_again() {
    let scratch = Scratch::new();
    let first = scratch.start().await;
    write_a_row(&first).await;
    assert!(first.describe().starts_with("PostgreSQL 1"), "{}", first.describe());
    first.stop().await.unwrap();
    assert!(!scratch.folder().join("pgdata/postmaster.pid").exists(), "it was shut down");

    let careless = scratch.folder().join("pgdata/postgresql.auto.conf");
    fs::write(careless, "fsync = off\nsynchronous_commit = off\n").unwrap();
    let second = scratch.start().await;
    check_row(read_the_row(&second).await);
    let mut connection = connect(&second).await;
    assert_eq!(show(&mut connection, "SHOW fsync").await, "on", "nobody can turn it off");
    assert_eq!(show(&mut connection, "SHOW synchronous_commit").await, "on");
    let log = fs::read_to_string(scratch.folder().join("postgres.log")).unwrap();
    assert!(!log.contains("not properly shut down"), "{log}");
    second.stop().await.unwrap();
}

#[tokio::test]
async fn what_it_acknowledges_survives_even_in_a_test() {
    let scratch = Scratch::new();
    for lifetime in [Lifetime::Kept, Lifetime::Ephemeral] {
        let folder = scratch.0.join(format!("{lifetime:?}"));
        let cluster = Cluster::start(&Settings { folder, pg_bin: None, lifetime }).await.unwrap();
        let mut connection = connect(&cluster).await;
        assert_eq!(show(&mut connection, "SHOW fsync").await, "on");
        assert_eq!(show(&mut connection, "SHOW synchronous_commit").await, "on");
        assert_eq!(show(&mut connection, "SHOW full_page_writes").await, "on");
        assert_eq!(show(&mut connection, "SHOW data_checksums").await, "on");
        assert_eq!(show(&mut connection, "SHOW server_encoding").await, "UTF8");
        assert_eq!(show(&mut connection, "SHOW lc_collate").await, "C");
        assert_eq!(show(&mut connection, "SHOW listen_addresses").await, "");
        assert_eq!(show(&mut connection, "SELECT current_database()::text").await, "earmark");
        cluster.stop().await.unwrap();
    }
}

#[tokio::test]
async fn the_hint_is_a_command_that_works() {
    let scratch = Scratch::new();
    let cluster = scratch.start().await;
    let command = format!("{} -Atc 'SELECT current_database()'", cluster.psql_hint());
    let said = Command::new("sh").args(["-c", &command]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "earmark\n", "{command}: {said:?}");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn two_cannot_have_one_folder() {
    let scratch = Scratch::new();
    let first = scratch.start().await;
    let second = Cluster::start(&scratch.settings()).await.unwrap_err();
    assert!(matches!(second, Error::InUse { .. }), "{second}");
    assert!(second.to_string().contains(scratch.folder().to_str().unwrap()), "{second}");

    let mut connection = connect(&first).await;
    assert_eq!(show(&mut connection, "SELECT 'unharmed'").await, "unharmed");
    first.stop().await.unwrap();
}

#[tokio::test]
async fn an_unfinished_initdb_does_not_spoil_the_folder() {
    let scratch = Scratch::new();
    let unfinished = scratch.folder().join("pgdata.new");
    fs::create_dir_all(unfinished.join("base")).unwrap();
    fs::write(unfinished.join("PG_VERSION"), "15\n").unwrap();

    let cluster = scratch.start().await;
    write_a_row(&cluster).await;
    assert!(!unfinished.exists());
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn path_is_searched_when_the_usual_places_have_nothing() {
    let scratch = Scratch::new();
    let described = scratch.start().await.describe();
    let programs = PathBuf::from(described.split(" from ").last().unwrap());
    let links = scratch.0.join("links");
    fs::create_dir(&links).unwrap();
    std::os::unix::fs::symlink(programs.join("postgres"), links.join("postgres")).unwrap();

    let places = Places { folders: vec![], path: links.into(), docker: "no-docker".into() };
    let folder = scratch.0.join("by-path");
    let settings = Settings { folder, ..scratch.settings() };
    let cluster = Cluster::start_from(&settings, &places).await.unwrap();
    assert_eq!(cluster.describe(), described, "a link is followed to the real place");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn an_ephemeral_folder_is_gone_after_the_stop() {
    let scratch = Scratch::new();
    let settings = Settings { lifetime: Lifetime::Ephemeral, ..scratch.settings() };
    let cluster = Cluster::start(&settings).await.unwrap();
    write_a_row(&cluster).await;
    cluster.stop().await.unwrap();
    assert!(!scratch.folder().exists());
    assert!(scratch.0.exists(), "and nothing else is");
}

#[tokio::test]
async fn a_path_may_be_long_and_hold_odd_characters() {
    let scratch = Scratch::new();
    for name in ["long/".repeat(40), "it's, \"odd\" & spaced".to_owned()] {
        let folder = scratch.0.join(name);
        let settings = Settings { folder, ..scratch.settings() };
        for _ in 0..2 {
            let cluster = Cluster::start(&settings).await.unwrap();
            let socket = cluster.connect_options().get_socket().unwrap().clone();
            let mut connection = connect(&cluster).await;
            assert_eq!(show(&mut connection, "SELECT 'here'").await, "here");
            let mode = fs::metadata(&socket).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "only its owner can connect");
            cluster.stop().await.unwrap();
            assert!(settings.folder.join("run") == socket || !socket.exists(), "{socket:?}");
        }
    }
}
