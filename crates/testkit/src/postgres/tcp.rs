//! A server that listens on TCP, and whose processes a test can kill, freeze or replace by a standby.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use private_postgres::{Cluster, Lifetime, Settings};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::template::Template;
use super::{Sql, is_root, processes_in, runtime};
use crate::{Process, Program, eventually, not_tested, text};

/// Ends every session of the services. Must run on another database.
pub const TERMINATE_SESSIONS: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'earmark'";

/// `pg_hba.conf` of a server that asks for no password.
const TRUST: &str = "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n";

/// A server with the superuser `earmark` and the database `earmark`. It may be stopped.
#[derive(Debug)]
pub struct Postgres {
    /// The folder with `postgres`, `pg_dump` and so on.
    programs: PathBuf,
    data: PathBuf,
    port: u16,
    settings: Vec<String>,
    process: Option<Process>,
    /// The user and the group that the programs run as, if we are root.
    account: Option<(u32, u32)>,
}

impl Postgres {
    /// Creates a server in this folder, and starts it with these settings. On a machine without PostgreSQL's programs,
    /// says so and returns `None`.
    pub fn start(folder: &Path, settings: &[&str]) -> Option<Self> {
        let mut server = Self::create(folder, TRUST, None)?;
        server.start_with(settings);
        Some(server)
    }

    /// As [`Self::start`], but with PostgreSQL's system identifier of its own, which other servers of the tests share.
    pub fn start_unrelated(folder: &Path, settings: &[&str]) -> Option<Self> {
        let programs = &Template::of_this_machine()?.programs;
        run_once(folder, None);
        let mut server = Self::on_data(folder, programs, TRUST);
        server.start_with(settings);
        Some(server)
    }

    /// Creates a server that does not run yet. `statement` runs once before.
    pub(super) fn create(folder: &Path, pg_hba: &str, statement: Option<&str>) -> Option<Self> {
        let Some(template) = Template::of_this_machine() else {
            not_tested("this needs PostgreSQL's own programs");
            return None;
        };
        template.copy_to(folder);
        if statement.is_some() {
            run_once(folder, statement);
        }
        Some(Self::on_data(folder, &template.programs, pg_hba))
    }

    fn on_data(folder: &Path, programs: &Path, pg_hba: &str) -> Self {
        let data = folder.join("pgdata");
        let owner = fs::metadata(&data).unwrap();
        let account = is_root().then(|| (owner.uid(), owner.gid()));
        let server = Self {
            programs: programs.to_owned(),
            data,
            port: free_port(),
            settings: Vec::new(),
            process: None,
            account,
        };
        server.write("pg_hba.conf", pg_hba);
        server
    }

    /// Another server on the same programs, with an empty data folder. It does not run yet.
    #[must_use]
    pub fn sibling(&self, folder: &Path) -> Self {
        let (programs, data) = (self.programs.clone(), folder.join("pgdata"));
        let (port, account) = (free_port(), self.account);
        let server = Self { programs, data, port, settings: Vec::new(), process: None, account };
        server.make_folder(&server.data);
        server
    }

    /// Starts a standby of this server, with the same settings. `name` is how the server knows it.
    #[must_use]
    pub fn start_standby(&self, folder: &Path, name: &str) -> Self {
        let mut standby = self.sibling(folder);
        standby.settings.clone_from(&self.settings);
        standby.settings.push(format!("cluster_name={name}"));
        standby.start_copy_of(self);
        standby
    }

    /// Makes a standby the primary, and waits until it accepts writes.
    pub fn promote(&self) {
        self.run("pg_ctl", &["promote", "--wait", "--pgdata", &text(&self.data)]);
    }

    /// Starts this server, which has ended, as a standby of `primary`. Its own data is gone.
    pub fn rejoin(&mut self, primary: &Self) {
        fs::remove_dir_all(&self.data).unwrap();
        self.make_folder(&self.data);
        self.start_copy_of(primary);
    }

    fn start_copy_of(&mut self, primary: &Self) {
        let (data, port) = (text(&self.data), primary.port.to_string());
        let from = ["--host=127.0.0.1", "--port", &port, "--username=earmark"];
        let how = ["--pgdata", &data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"];
        self.run("pg_basebackup", &[&from[..], &how].concat());
        self.start_again();
    }

    /// The number of sessions of services, including those that the services have abandoned.
    pub fn sessions(&self) -> i64 {
        self.sql("postgres").number(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'earmark' AND backend_type = 'client backend'",
        )
    }

    /// Changes a setting of the running server: `SET name = value` or `RESET name`.
    pub fn alter_system(&self, change: &str) {
        let mut sql = self.sql("postgres");
        sql.run(&format!("ALTER SYSTEM {change}"));
        sql.run("SELECT pg_reload_conf()");
    }

    /// Makes a folder that only the server's account can enter.
    pub fn make_folder(&self, path: &Path) {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        self.give(path);
    }

    /// Writes a file of the data folder that only the server's account can read.
    pub(super) fn write(&self, name: &str, content: &str) {
        let file = self.data.join(name);
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        self.give(&file);
    }

    /// Makes the server's account the owner of a file.
    pub fn give(&self, path: &Path) {
        if let Some((uid, gid)) = self.account {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }

    /// A program of PostgreSQL, as the server's account.
    pub fn command(&self, program: &str) -> Command {
        let own = self.programs.join(program);
        let mut command = if own.exists() { Command::new(own) } else { Command::new(program) };
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir("/");
        if let Some((uid, gid)) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Runs a program as the server's account, checks that it succeeds, and returns its output.
    #[track_caller]
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        Program::new(self.command(program)).args(arguments).run().expect_success()
    }

    pub(super) fn start_with(&mut self, settings: &[&str]) {
        self.settings = settings.iter().map(ToString::to_string).collect();
        self.start_again();
    }

    /// Starts the server, and waits until it accepts connections.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.process = Some(eventually("the server starts", || {
            let process = self.program().start();
            // While a process of the previous server still runs, the new server exits at once. Then we try again.
            process.stderr.find_line("ready to accept").ok().map(|_| process)
        }));
    }

    /// The command line of the server.
    pub fn program(&self) -> Program {
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
        Program::new(command)
    }

    /// Sends the postmaster a signal, and waits until it exits.
    pub fn end(&mut self, signal: Signal) {
        let process = self.process.take().unwrap();
        process.send(signal);
        process.wait();
    }

    /// As [`Self::end`] with a fast shutdown. Never panics.
    pub(super) fn end_quietly(&mut self) {
        if let Some(process) = self.process.take() {
            _ = kill(process.pid(), Signal::SIGINT);
            process.stderr.wait_until_closed();
        }
    }

    /// Loses the server's machine: all processes stop at the same moment. If only the postmaster were killed, a session that
    /// waits for the standby would notice, stop waiting, and show others a commit that the standby may not have.
    pub fn lose_machine(&mut self) {
        self.signal_all(Signal::SIGSTOP);
        self.signal_all(Signal::SIGKILL);
        self.process.take().unwrap().wait();
    }

    pub fn processes(&self) -> Vec<Pid> {
        processes_in(&self.data)
    }

    pub fn signal_all(&self, signal: Signal) {
        for process in self.processes() {
            _ = kill(process, signal);
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn url(&self) -> String {
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

    pub fn sql(&self, database: &str) -> Sql {
        Sql::connect(&self.options(database))
    }

    /// Returns `None` if the server has no connection left.
    pub fn try_sql(&self, database: &str) -> Option<Sql> {
        Sql::try_connect(&self.options(database)).ok()
    }
}

/// The URL of the database `earmark` on this port.
pub(crate) fn url(port: u16) -> String {
    format!("postgres://earmark@127.0.0.1:{port}/earmark?sslmode=disable")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a private server in this folder, runs the statement there, and stops the server. Creates the data if it is missing.
fn run_once(folder: &Path, statement: Option<&str>) {
    let runtime = runtime();
    let settings = Settings { folder: folder.to_owned(), pg_bin: None, lifetime: Lifetime::Kept };
    let cluster = runtime.block_on(Cluster::start(&settings)).unwrap();
    if let Some(statement) = statement {
        Sql::connect(&cluster.connect_options()).run(statement);
    }
    runtime.block_on(cluster.stop()).unwrap();
}
