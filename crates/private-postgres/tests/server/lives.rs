//! Starts, stops and restarts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use private_postgres::{Cluster, Error, Lifetime, Places, Settings};

use crate::support::{Scratch, check_row, connect, read_the_row, show, write_a_row};

#[tokio::test]
async fn a_restart_finds_the_data_of_the_first_start() {
    let scratch = Scratch::new();
    let first = scratch.start().await;
    write_a_row(&first).await;
    assert!(first.describe().starts_with("PostgreSQL 1"), "{}", first.describe());
    first.stop().await.unwrap();
    assert!(
        !scratch.folder().join("pgdata/postmaster.pid").exists(),
        "the server was not shut down"
    );

    let careless = scratch.folder().join("pgdata/postgresql.auto.conf");
    fs::write(careless, "fsync = off\nsynchronous_commit = off\n").unwrap();
    let second = scratch.start().await;
    check_row(read_the_row(&second).await);
    let mut connection = connect(&second).await;
    assert_eq!(
        show(&mut connection, "SHOW fsync").await,
        "on",
        "the configuration file turned fsync off"
    );
    assert_eq!(show(&mut connection, "SHOW synchronous_commit").await, "on");
    let log = fs::read_to_string(scratch.folder().join("postgres.log")).unwrap();
    assert!(!log.contains("not properly shut down"), "{log}");
    second.stop().await.unwrap();
}

#[tokio::test]
async fn commits_are_durable_unless_the_lifetime_is_volatile() {
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
async fn a_volatile_server_has_fsync_off_and_its_folder_is_removed() {
    let scratch = Scratch::new();
    let settings = Settings { lifetime: Lifetime::Volatile, ..scratch.settings() };
    let cluster = Cluster::start(&settings).await.unwrap();
    let mut connection = connect(&cluster).await;
    assert_eq!(show(&mut connection, "SHOW fsync").await, "off");
    assert_eq!(show(&mut connection, "SHOW full_page_writes").await, "off");
    cluster.stop().await.unwrap();
    assert!(!scratch.folder().exists());
}

#[tokio::test]
async fn the_psql_hint_works() {
    let scratch = Scratch::new();
    let cluster = scratch.start().await;
    let command = format!("{} -Atc 'SELECT current_database()'", cluster.psql_hint());
    let said = Command::new("sh").args(["-c", &command]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "earmark\n", "{command}: {said:?}");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn two_servers_cannot_share_a_folder() {
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
async fn an_unfinished_initdb_is_repeated() {
    let scratch = Scratch::new();
    let unfinished = scratch.make_folder().join("pgdata.new");
    fs::create_dir_all(unfinished.join("base")).unwrap();
    fs::write(unfinished.join("PG_VERSION"), "15\n").unwrap();

    let cluster = scratch.start().await;
    write_a_row(&cluster).await;
    assert!(!unfinished.exists());
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn path_is_searched_if_the_usual_folders_have_nothing() {
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
    assert_eq!(cluster.describe(), described, "the link was not followed");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn an_ephemeral_folder_is_removed_at_the_stop() {
    let scratch = Scratch::new();
    let settings = Settings { lifetime: Lifetime::Ephemeral, ..scratch.settings() };
    let cluster = Cluster::start(&settings).await.unwrap();
    write_a_row(&cluster).await;
    cluster.stop().await.unwrap();
    assert!(!scratch.folder().exists());
    assert!(scratch.0.exists(), "the parent folder was removed");
}

#[tokio::test]
async fn a_path_may_be_long_and_contain_special_characters() {
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
            assert_eq!(mode & 0o777, 0o700, "other accounts can connect");
            cluster.stop().await.unwrap();
            assert!(settings.folder.join("run") == socket || !socket.exists(), "{socket:?}");
        }
    }
}
