//! Each error at the start names what to change.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use private_postgres::{Cluster, Error, Lifetime, Places, Settings};
use tokio::time::timeout;

use crate::support::{LONG, Scratch};

#[tokio::test]
async fn a_server_that_cannot_start_shows_its_log() {
    let scratch = Scratch::new();
    scratch.start().await.stop().await.unwrap();
    let settings = scratch.folder().join("pgdata/postgresql.conf");
    fs::write(&settings, "no_such_setting = 1\n").unwrap();

    let error = timeout(LONG, Cluster::start(&scratch.settings())).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}

#[tokio::test]
async fn unsuitable_binaries_are_refused_with_the_name_of_the_setting() {
    let scratch = Scratch::new();
    let old = scratch.0.join("old");
    fs::create_dir(&old).unwrap();
    for (program, text) in [("initdb", ""), ("postgres", "echo 'postgres (PostgreSQL) 13.4'")] {
        fs::write(old.join(program), format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(old.join(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (pg_bin, reason) in [
        (scratch.0.join("nowhere"), "which holds no initdb"),
        (old, "which holds PostgreSQL 13.4, and 15 or newer is needed"),
    ] {
        let settings = Settings { pg_bin: Some(pg_bin.clone()), ..scratch.settings() };
        let error = Cluster::start(&settings).await.unwrap_err().to_string();
        let expected = format!("--pg-bin (EARMARK_PG_BIN) is {}, {reason}", pg_bin.display());
        assert_eq!(error, expected);
    }
}

#[tokio::test]
async fn without_postgres_and_docker_the_error_says_what_to_install() {
    let scratch = Scratch::new();
    let places = Places {
        folders: vec![format!("{}/*/bin", scratch.0.display())],
        path: scratch.0.clone().into(),
        docker: scratch.0.join("no-docker"),
    };
    let error = Cluster::start_from(&scratch.settings(), &places).await.unwrap_err();
    assert!(matches!(error, Error::NoPostgres { .. }), "{error}");
    let text = error.to_string();
    let needed =
        ["apt-get install", "dnf install", "brew install", "--pg-bin", "EARMARK_PG_BIN", "Docker"];
    for word in needed {
        assert!(text.contains(word), "{word} is missing in: {text}");
    }
    assert!(text.contains(&places.folders[0]), "{text}");
}

#[tokio::test]
async fn data_of_another_version_is_refused() {
    let scratch = Scratch::new();
    scratch.start().await.stop().await.unwrap();
    fs::write(scratch.folder().join("pgdata/PG_VERSION"), "99\n").unwrap();
    let error = Cluster::start(&scratch.settings()).await.unwrap_err();
    assert!(matches!(error, Error::DataVersion { .. }), "{error}");
    assert!(error.to_string().contains("was written by PostgreSQL 99"), "{error}");
}

#[tokio::test]
async fn an_ephemeral_server_refuses_a_folder_with_content() {
    let scratch = Scratch::new();
    scratch.make_folder();
    fs::write(scratch.folder().join("thesis.txt"), "years of work").unwrap();
    let settings = Settings { lifetime: Lifetime::Ephemeral, ..scratch.settings() };
    let error = Cluster::start(&settings).await.unwrap_err();
    assert!(matches!(error, Error::NotEmpty { .. }), "{error}");
    assert!(scratch.folder().join("thesis.txt").exists());
}

#[tokio::test]
async fn a_directory_that_the_server_cannot_enter_is_named() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root runs PostgreSQL as another account");
        return;
    }
    let scratch = Scratch::new();
    let closed = scratch.0.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let settings = Settings { folder: closed.join("data"), ..scratch.settings() };
    let error = Cluster::start(&settings).await.unwrap_err();
    assert!(
        matches!(&error, Error::Unreachable { directory, .. } if *directory == closed),
        "{error}"
    );
}

/// Checks that the folder `data` is refused with these words, and that nothing was written into `target`.
async fn check_refused(scratch: &Scratch, target: &Path, words: &str) {
    for folder in [scratch.folder(), scratch.folder().join("")] {
        let settings = Settings { folder, ..scratch.settings() };
        let error = Cluster::start(&settings).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(fs::read_dir(target).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_folder_behind_a_symbolic_link_is_refused() {
    let scratch = Scratch::new();
    let target = scratch.0.join("target");
    DirBuilder::new().mode(0o700).create(&target).unwrap();
    std::os::unix::fs::symlink(&target, scratch.folder()).unwrap();
    check_refused(&scratch, &target, "is a symbolic link").await;
}

#[tokio::test]
async fn a_folder_of_another_user_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can give a folder to another user");
        return;
    }
    let scratch = Scratch::new();
    let folder = scratch.make_folder();
    std::os::unix::fs::chown(&folder, Some(65_534), None).unwrap();
    check_refused(&scratch, &folder, "belongs to the user number 65534").await;
}

#[tokio::test]
async fn a_folder_that_other_users_may_read_or_write_is_refused() {
    for mode in [0o755, 0o740, 0o720, 0o704, 0o702, 0o777] {
        let scratch = Scratch::new();
        let folder = scratch.make_folder();
        fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        check_refused(&scratch, &folder, &format!("(mode {mode:o}); run `chmod 700` on it")).await;
    }
}

/// An earlier version created the folder with the mode 711.
#[tokio::test]
async fn other_users_get_no_right_to_the_folder_except_to_let_an_account_of_root_enter() {
    let expected = if nix::unistd::geteuid().is_root() { 0o711 } else { 0o700 };
    let scratch = Scratch::new();
    for mode in [None, Some(0o711), Some(0o700)] {
        if let Some(mode) = mode {
            fs::set_permissions(scratch.folder(), fs::Permissions::from_mode(mode)).unwrap();
        }
        scratch.start().await.stop().await.unwrap();
        assert_eq!(fs::metadata(scratch.folder()).unwrap().mode() & 0o777, expected);
    }
}
