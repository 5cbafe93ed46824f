//! A PostgreSQL to be maltreated: killed, frozen, filled up, followed by another that takes its place.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::support::{Program, Running, Scratch, Sql, eventually, text};

/// Ends every session of the services; to be run from another database.
pub(crate) const END_SESSIONS: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'earmark'";

/// A server, running or not.
pub(crate) struct Postgres {
    programs: PathBuf,
    data: PathBuf,
    port: u16,
    settings: Vec<String>,
    process: Option<Running>,
    /// Whom it runs as: not root.
    account: Option<(u32, u32)>,
}

/// The newest PostgreSQL of this machine; `None`, and a word, where there is none.
fn programs() -> Option<PathBuf> {
    let found = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let bins = found.map(|version| version.path().join("bin"));
    let newest = bins.filter(|bin| bin.join("initdb").exists()).max();
    if newest.is_none() {
        println!("skipped: this needs PostgreSQL's own programs in /usr/lib/postgresql");
    }
    newest
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

impl Postgres {
    /// Makes a server in this folder, and starts it; `None`, and a word, where there is no PostgreSQL.
    pub(crate) fn start(folder: &Path, settings: &[&str]) -> Option<Self> {
        let mut server = Self::at(folder)?;
        server.settings = settings.iter().map(ToString::to_string).collect();
        let data = text(&server.data);
        let auth = ["--auth=trust", "--username=earmark", "--encoding=UTF8", "--locale=C"];
        server.run("initdb", &[&["-D", &data, "--no-sync"][..], &auth].concat());
        server.start_again();
        server.sql("postgres").run("CREATE DATABASE earmark");
        Some(server)
    }

    /// A server that follows this one, made from a copy.
    pub(crate) fn follow(&self, folder: &Path) -> Self {
        let mut server = Self::at(folder).expect("it is installed, since another one runs");
        let (data, port) = (text(&server.data), self.port.to_string());
        let from = ["--host=127.0.0.1", "--port", &port, "--username=earmark"];
        let how = ["--pgdata", &data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"];
        server.run("pg_basebackup", &[&from[..], &how].concat());
        server.start_again();
        server
    }

    /// One that does not run yet, with an empty folder for its data.
    pub(crate) fn at(folder: &Path) -> Option<Self> {
        let programs = programs()?;
        let account = is_root().then(|| {
            let user = User::from_name("postgres").unwrap().expect("its package makes an account");
            (user.uid.as_raw(), user.gid.as_raw())
        });
        let data = folder.join("pgdata");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { programs, data, port, settings: Vec::new(), process: None, account };
        server.make_folder(&server.data);
        Some(server)
    }

    /// A folder that only its account can enter.
    pub(crate) fn make_folder(&self, path: &Path) {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        if let Some((uid, gid)) = self.account {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }

    fn command(&self, program: &str) -> Command {
        let own = self.programs.join(program);
        let mut command = if own.exists() { Command::new(own) } else { Command::new(program) };
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir("/");
        if let Some((uid, gid)) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Runs one of PostgreSQL's programs, or another, as its account and to its end.
    #[track_caller]
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> String {
        Program::other(self.command(program)).args(arguments).run().printed()
    }

    /// Starts it, however it ended, and returns when it takes connections.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        self.process = Some(eventually("the server starts", || {
            let process = self.program().start();
            // A process of the one before may still be on its way out: then it ends at once.
            process.stderr.find_line("ready to accept").ok().map(|_| process)
        }));
    }

    /// The server, not yet running.
    pub(crate) fn program(&self) -> Program {
        let mut command = self.command("postgres");
        command.args(["-D", &text(&self.data), "-p", &self.port.to_string()]);
        let own = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "logging_collector=off",
            "log_destination=stderr",
            "log_min_messages=log",
        ];
        for setting in own.into_iter().chain(self.settings.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        Program::other(command)
    }

    /// Sends its postmaster a signal, and waits until that is gone.
    pub(crate) fn end(&mut self, signal: Signal) {
        let process = self.process.take().unwrap();
        process.send(signal);
        process.ended();
    }

    /// Loses the machine that it runs on: all its processes stop at the same moment. If its postmaster alone went, a session
    /// that waits for the standby would notice, give up waiting and let others see a commit that the standby may not have.
    pub(crate) fn vanish(&mut self) {
        self.signal_all(Signal::SIGSTOP);
        self.signal_all(Signal::SIGKILL);
        self.process.take().unwrap().ended();
    }

    /// The processes that it is made of.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let at_home = |pid: &Path| fs::read_link(pid.join("cwd")).is_ok_and(|cwd| cwd == self.data);
        let all = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        all.filter(|process| at_home(&process.path()))
            .filter_map(|process| process.file_name().to_str()?.parse().ok().map(Pid::from_raw))
            .collect()
    }

    pub(crate) fn signal_all(&self, signal: Signal) {
        for process in self.processes() {
            _ = kill(process, signal);
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn url(&self) -> String {
        url(self.port)
    }

    fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("earmark")
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }

    pub(crate) fn sql(&self, database: &str) -> Sql {
        Sql::connect(&self.options(database))
    }

    /// `None` where the server has no connection to give.
    pub(crate) fn try_sql(&self, database: &str) -> Option<Sql> {
        Sql::try_connect(&self.options(database)).ok()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.processes().is_empty()
    }

    /// Whose its data is.
    pub(crate) fn owner(&self) -> (u32, u32) {
        let data = fs::metadata(&self.data).unwrap();
        (data.uid(), data.gid())
    }
}

/// The database behind this port.
pub(crate) fn url(port: u16) -> String {
    format!("postgres://earmark@127.0.0.1:{port}/earmark?sslmode=disable")
}

/// A folder that the server's account can enter.
pub(crate) fn folder() -> Scratch {
    Scratch::new()
}
