//! A running `earmark dev`.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::{Client, Process, Program, Scratch, between, wait_until};

/// An `earmark dev` that listens.
#[derive(Debug)]
pub struct Dev {
    pub process: Process,
    /// The `curl` command that `dev` prints.
    pub curl: String,
    pub address: SocketAddr,
    /// The token in the address of the console that `dev` prints.
    pub token: String,
    folder: PathBuf,
}

impl Dev {
    /// Starts `dev`, whose data is in `folder`, and waits until it listens.
    #[track_caller]
    pub fn start(dev: Program, folder: PathBuf) -> Self {
        let process = dev.start();
        let console = process.stdout.line("console on http://");
        let token = between(&format!("{console}\n"), "?token=", "\n").to_owned();
        let curl = process.stdout.line("curl 'http://");
        let address = between(&curl, "http://", "/").parse().unwrap();
        Self { process, curl, address, token, folder }
    }

    /// A client with the UserSig of the `curl` command.
    pub fn client(&self) -> Client {
        Client { address: self.address, user_sig: between(&self.curl, "usersig=", "&").to_owned() }
    }

    pub fn secret_key(&self) -> String {
        fs::read_to_string(self.folder.join("secret-key")).unwrap()
    }

    /// The process id of the PostgreSQL that `dev` has started.
    pub fn postgres(&self) -> Pid {
        let file = fs::read_to_string(self.folder.join("pgdata/postmaster.pid")).unwrap();
        Pid::from_raw(file.lines().next().unwrap().parse().unwrap())
    }
}

/// Checks that the PostgreSQL of the folder `data` was shut down, and that none of its processes runs.
#[track_caller]
pub fn assert_stopped(scratch: &Scratch) {
    let data = scratch.join("data/pgdata");
    assert!(!data.join("postmaster.pid").exists(), "PostgreSQL was not shut down");
    let running = crate::postgres::processes_in(&data);
    assert!(running.is_empty(), "still running: {running:?}");
}

/// Waits until a process that is not our child has ended.
#[track_caller]
pub fn wait_until_gone(pid: Pid) {
    wait_until("the process ends", || kill(pid, None).is_err());
}
