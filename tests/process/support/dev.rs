//! A running `earmark dev` on a folder of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::{Client, Program, Running, Scratch, eventually, text};

/// `dev` on this folder and a free port.
pub(crate) fn dev(folder: &Path) -> Program {
    Program::earmark(["dev", "--listen", "127.0.0.1:0", "--data", &text(folder)])
}

/// A `dev` that has introduced itself.
pub(crate) struct Dev {
    pub(crate) process: Running,
    /// The line to paste.
    pub(crate) curl: String,
    pub(crate) address: SocketAddr,
    folder: PathBuf,
}

impl Dev {
    #[track_caller]
    pub(crate) fn start(scratch: &Scratch) -> Self {
        Self::listening(dev(&scratch.join("data")), scratch)
    }

    #[track_caller]
    pub(crate) fn listening(program: Program, scratch: &Scratch) -> Self {
        let (folder, process) = (scratch.join("data"), program.start());
        let curl = process.stdout.line("curl 'http://");
        let address = between(&curl, "http://", "/").parse().unwrap();
        Self { process, curl, address, folder }
    }

    /// A caller with the UserSig of the line.
    pub(crate) fn client(&self) -> Client {
        Client { address: self.address, sig: between(&self.curl, "usersig=", "&").to_owned() }
    }

    pub(crate) fn secret_key(&self) -> String {
        fs::read_to_string(self.folder.join("secret-key")).unwrap()
    }

    /// The number of the PostgreSQL that it runs.
    pub(crate) fn postgres(&self) -> Pid {
        let file = fs::read_to_string(self.folder.join("pgdata/postmaster.pid")).unwrap();
        Pid::from_raw(file.lines().next().unwrap().parse().unwrap())
    }
}

/// Nothing of a PostgreSQL is left on the folder: no process, and no note of one.
#[track_caller]
pub(crate) fn is_quiet(scratch: &Scratch) {
    let data = scratch.join("data/pgdata");
    assert!(!data.join("postmaster.pid").exists(), "it was not shut down");
    let left: Vec<_> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == data))
        .map(|process| process.file_name())
        .collect();
    assert!(left.is_empty(), "still running: {left:?}");
}

/// Waits until a process of somebody else's is gone.
#[track_caller]
pub(crate) fn gone(pid: Pid) {
    eventually("the process ends", || kill(pid, None).is_err().then_some(()));
}

/// What stands between two texts.
#[track_caller]
pub(crate) fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after} in {rest}")).0
}
