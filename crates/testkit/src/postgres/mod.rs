//! PostgreSQL servers. `private_postgres` finds the programs and creates the data of all servers here.

mod database;
mod server;
mod sql;
mod tcp;
mod template;
mod tls;
mod two_servers;

use std::fs;
use std::path::Path;

use nix::unistd::Pid;
use tokio::runtime::{Builder, Runtime};

pub use database::Database;
pub use server::PrivateServer;
pub use sql::Sql;
pub(crate) use tcp::url;
pub use tcp::{Postgres, TERMINATE_SESSIONS};
pub use tls::{PASSWORD, TlsServer};
pub use two_servers::TwoServers;

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The processes of the PostgreSQL with this data folder. Finds none on a system without `/proc`.
pub fn processes_in(data: &Path) -> Vec<Pid> {
    let works_there =
        |process: &Path| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == data);
    let all = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    all.filter(|process| works_there(&process.path()))
        .filter_map(|process| process.file_name().to_str()?.parse().ok().map(Pid::from_raw))
        .collect()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
