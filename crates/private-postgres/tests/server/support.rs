//! Shared parts of the tests: folders, a row to find again, and a process to kill.

use std::fs::{self, DirBuilder};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use private_postgres::{Cluster, Lifetime, Places, Settings};
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

/// The variable with the folder of a child process.
const CHILD_FOLDER: &str = "EARMARK_TEST_CLUSTER_FOLDER";
/// Nothing takes this long unless it hangs.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// A temporary folder that is removed when this is dropped. Other accounts can enter it.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("earmark-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.0.join("data")
    }

    /// Creates the folder as a server accepts it.
    pub(crate) fn make_folder(&self) -> PathBuf {
        DirBuilder::new().mode(0o700).create(self.folder()).unwrap();
        self.folder()
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings { folder: self.folder(), pg_bin: None, lifetime: Lifetime::Kept }
    }

    pub(crate) async fn start(&self) -> Cluster {
        timeout(LONG, Cluster::start(&self.settings())).await.unwrap().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) async fn connect(cluster: &Cluster) -> PgConnection {
    cluster.connect_options().connect().await.unwrap()
}

pub(crate) async fn show(connection: &mut PgConnection, question: &'static str) -> String {
    sqlx::query_scalar(question).fetch_one(connection).await.unwrap()
}

pub(crate) async fn write_a_row(cluster: &Cluster) {
    let mut connection = connect(cluster).await;
    sqlx::query("CREATE TABLE kept AS SELECT 42 AS number").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

pub(crate) async fn read_the_row(cluster: &Cluster) -> Result<i32, sqlx::Error> {
    let mut connection = connect(cluster).await;
    sqlx::query_scalar("SELECT number FROM kept").fetch_one(&mut connection).await
}

#[track_caller]
pub(crate) fn check_row(number: Result<i32, sqlx::Error>) {
    assert_eq!(number.unwrap(), 42, "the row was lost");
}

/// A machine without binaries.
pub(crate) fn no_binaries() -> Places {
    Places { folders: vec![], path: "".into(), docker: "docker".into() }
}

/// Starts a child process with a server in this folder, and waits until the server has the row. Returns the process and the
/// server's `psql` hint.
pub(crate) fn child_with_a_server(folder: &Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "support::child_holds_a_server_until_it_is_killed", "--nocapture"])
        .env(CHILD_FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let hint = lines.find_map(|line| line.unwrap().strip_prefix("ready ").map(str::to_owned));
    (child, hint.unwrap())
}

/// Not a test: the child process runs this. In the test process itself, it returns at once.
#[tokio::test]
async fn child_holds_a_server_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER).map(PathBuf::from) else { return };
    let is = |name| folder.ends_with(name);
    let lifetime = if is("ephemeral") { Lifetime::Ephemeral } else { Lifetime::Kept };
    let places = if is("container") { no_binaries() } else { Places::of_this_machine() };
    let settings = Settings { folder, pg_bin: None, lifetime };
    let cluster = Cluster::start_from(&settings, &places).await.unwrap();
    write_a_row(&cluster).await;
    println!("\nready {}", cluster.psql_hint());
    std::future::pending::<()>().await;
}
