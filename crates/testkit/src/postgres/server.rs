//! A server that its test stops and starts again.

use std::path::PathBuf;

use nix::unistd::Pid;
use private_postgres::{Cluster, Lifetime, Settings};
use sqlx::postgres::PgConnectOptions;
use tokio::runtime::Runtime;

use super::template::Template;
use super::{processes_in, runtime};
use crate::Scratch;

/// A private server whose data stays when it stops. It may run in a container.
#[derive(Debug)]
pub struct PrivateServer {
    runtime: Runtime,
    cluster: Option<Cluster>,
    scratch: Scratch,
}

impl PrivateServer {
    pub fn start() -> Self {
        let mut server = Self { runtime: runtime(), cluster: None, scratch: Scratch::create() };
        if let Some(template) = Template::of_this_machine() {
            template.copy_to(&server.folder());
        }
        server.start_again();
        server
    }

    pub fn start_again(&mut self) {
        let settings = Settings { folder: self.folder(), pg_bin: None, lifetime: Lifetime::Kept };
        self.cluster = Some(self.runtime.block_on(Cluster::start(&settings)).unwrap());
    }

    pub fn stop(&mut self) {
        self.runtime.block_on(self.cluster.take().unwrap().stop()).unwrap();
    }

    pub fn options(&self) -> PgConnectOptions {
        self.cluster.as_ref().unwrap().connect_options()
    }

    /// The server's processes. A server in a container has none on this machine.
    pub fn processes(&self) -> Vec<Pid> {
        processes_in(&self.folder().join("pgdata"))
    }

    fn folder(&self) -> PathBuf {
        self.scratch.join("data")
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        if let Some(cluster) = self.cluster.take() {
            _ = self.runtime.block_on(cluster.stop());
        }
    }
}
