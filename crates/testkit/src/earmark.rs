//! The `earmark` program and its commands.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::postgres::Database;
use crate::{Dev, Exit, Process, Program, Scratch, Service, text};

/// The app that [`Earmark::prepare`] creates.
pub const APP: &str = "1400000001";
/// The secret key of [`APP`].
pub const SECRET_KEY: &str = "the-secret-key-of-the-process-tests";

/// The `earmark` binary.
#[derive(Debug, Clone, Copy)]
pub struct Earmark(&'static str);

impl Earmark {
    /// `binary` is `env!("CARGO_BIN_EXE_earmark")`. Cargo sets that variable only for tests of the package `earmark`.
    pub const fn at(binary: &'static str) -> Self {
        Self(binary)
    }

    /// `earmark` with these arguments, without the variables of our environment that are settings of `earmark` or libpq.
    pub fn command<S: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = S>) -> Program {
        let mut command = Command::new(self.0);
        command.args(arguments);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("EARMARK_") || name.starts_with("PG") {
                command.env_remove(name.as_ref());
            }
        }
        // Each process would spend half a second of processor time on the symbols of its first backtrace. Panics keep theirs.
        command.env("RUST_LIB_BACKTRACE", "0");
        Program::new(command)
    }

    /// A command with a database.
    pub fn on<S: AsRef<OsStr>>(self, url: &str, arguments: impl IntoIterator<Item = S>) -> Program {
        self.command(arguments).env("EARMARK_DATABASE_URL", url)
    }

    /// `earmark serve` on free ports.
    pub fn serve(self, url: &str) -> Program {
        self.on(url, ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
    }

    /// `earmark dev` on a free port, with its data in this folder.
    pub fn dev(self, folder: &Path) -> Program {
        self.command(["dev", "--listen", "127.0.0.1:0", "--data", &text(folder)])
    }

    #[track_caller]
    pub fn app(self, url: &str, arguments: &[&str]) -> Exit {
        self.on(url, ["app"]).args(arguments).run()
    }

    #[track_caller]
    pub fn migrate(self, url: &str) -> Exit {
        self.on(url, ["migrate"]).run()
    }

    #[track_caller]
    pub fn verify(self, url: &str) -> Exit {
        self.on(url, ["verify"]).run()
    }

    /// A UserSig of the administrator of [`APP`], signed with `key`.
    #[track_caller]
    pub fn user_sig(self, key: &str) -> String {
        let signed = self.command(["sig", APP]).env("EARMARK_SECRET_KEY", key).run();
        signed.expect_success().trim().to_owned()
    }

    /// Creates the schema and [`APP`], which has no rate limit and needs no accounts.
    #[track_caller]
    pub fn prepare(self, url: &str) {
        self.migrate(url).expect_success();
        let create = ["create", APP, "--directory", "open", "--secret-key", SECRET_KEY];
        self.app(url, &[&create[..], &["--limit", "calls-per-second=0"]].concat()).expect_success();
    }

    /// Starts a service, and waits until it listens.
    #[track_caller]
    pub fn start(self, serve: Program) -> Service {
        self.listening(serve.start())
    }

    /// Prepares a database, and starts a service on it.
    #[track_caller]
    pub fn start_on(self, database: &Database) -> Service {
        self.prepare(&database.url);
        self.start(self.serve(&database.url))
    }

    /// Waits until a service listens.
    #[track_caller]
    pub fn listening(self, process: Process) -> Service {
        Service::listening(process, self)
    }

    /// Starts `earmark dev` on the folder `data`, and waits until it listens.
    #[track_caller]
    pub fn start_dev(self, scratch: &Scratch) -> Dev {
        let folder = scratch.join("data");
        Dev::start(self.dev(&folder), folder)
    }
}
