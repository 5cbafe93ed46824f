//! What the tests share: children that never outlive their test, databases of one's own, a small HTTP client.

mod child;
mod collector;
mod database;
mod dev;
mod http;
mod service;
mod tcp_server;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) use child::{Ended, Program, Running};
pub(crate) use collector::Collector;
pub(crate) use database::{Database, Server, Sql};
pub(crate) use dev::{Dev, between, dev, gone, is_quiet};
pub(crate) use http::{Answer, Connection, request, request_with};
pub(crate) use service::{
    APP, Client, KEY, Service, app, code, is_marked, mark_body, migrate, prepare, serve, sig,
};
pub(crate) use tcp_server::{PASSWORD, TcpServer, certificate};

/// Nothing here takes this long unless it hangs.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// A folder of the test's own, removed at its end; an account other than ours can enter it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("earmark-process-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that everyone may read, and says where.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.join(name);
        fs::write(&file, content).unwrap();
        file
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Asks again and again until there is an answer: what is waited for has no output to read.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONG;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::yield_now();
    }
}
