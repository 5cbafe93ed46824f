//! The data of a new server, made once.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use private_postgres::{Cluster, Lifetime, Places, Settings};

use super::runtime;
use crate::{Scratch, text};

/// A data folder with the database `earmark`, as `private_postgres` creates it. `initdb` takes more than a second of processor
/// time, so the folder stays beside the test programs, and each server gets a copy.
#[derive(Debug)]
pub(super) struct Template {
    /// The folder with `postgres`, `pg_dump` and so on.
    pub(super) programs: PathBuf,
    data: PathBuf,
}

impl Template {
    /// `None` on a machine without PostgreSQL's programs.
    pub(super) fn of_this_machine() -> Option<&'static Self> {
        static TEMPLATE: OnceLock<Option<Template>> = OnceLock::new();
        TEMPLATE.get_or_init(Self::find_or_create).as_ref()
    }

    /// Makes the data of a server in this folder, which is created if it is missing.
    pub(super) fn copy_to(&self, folder: &Path) {
        if !folder.exists() {
            fs::DirBuilder::new().mode(0o711).create(folder).unwrap();
        }
        copy(&self.data, &folder.join("pgdata"));
    }

    fn find_or_create() -> Option<Self> {
        let programs =
            runtime().block_on(private_postgres::programs(&Places::of_this_machine()))?;
        let test = std::env::current_exe().unwrap();
        // Another installation may be another version, which cannot read this data.
        let name = format!("postgres{}", text(&programs).replace('/', "-"));
        let data = test.parent().unwrap().join(name);
        if !data.exists() {
            create(&data);
        }
        Some(Self { programs, data })
    }
}

/// Creates the data under another name first, so that no other test program copies a part of it.
fn create(data: &Path) {
    let scratch = Scratch::create();
    let settings = Settings { folder: scratch.join("new"), pg_bin: None, lifetime: Lifetime::Kept };
    let runtime = runtime();
    let cluster = runtime.block_on(Cluster::start(&settings)).unwrap();
    runtime.block_on(cluster.stop()).unwrap();
    let new = data.with_extension(std::process::id().to_string());
    copy(&settings.folder.join("pgdata"), &new);
    if fs::rename(&new, data).is_err() {
        // Another test program was faster.
        fs::remove_dir_all(&new).unwrap();
    }
}

/// Copies a folder with the owners and the modes of its files.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(status.success(), "cp -a fails");
}
