//! Every way in which a private server can fail, worded for the person at the terminal.

use std::io;
use std::path::{Path, PathBuf};

/// Why a private server could not be started, kept or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process has this folder.
    #[error("{folder} is in use by another earmark; give each process a folder of its own")]
    InUse {
        /// The folder that both want.
        folder: PathBuf,
    },

    /// The folder is a symbolic link, which another user may have made.
    #[error("{folder} is a symbolic link; name the folder itself")]
    Link {
        /// The folder that was asked for.
        folder: PathBuf,
    },

    /// Another user could change or read what we write.
    #[error(
        "{folder} belongs to the user number {owner}; \
         name a folder that belongs to you, or one that does not exist yet"
    )]
    ForeignFolder {
        /// The folder that was asked for.
        folder: PathBuf,
        /// Its owner.
        owner: u32,
    },

    /// Other users could change or read what we write.
    #[error(
        "other users may read or write in {folder} (mode {mode:03o}); run `chmod 700` on it, or name another folder"
    )]
    OpenFolder {
        /// The folder that was asked for.
        folder: PathBuf,
        /// Its permission bits.
        mode: u32,
    },

    /// A folder that is to be removed at the end already holds something.
    #[error("{folder} is not empty, and a server that lives for a test would remove it")]
    NotEmpty {
        /// The folder that was asked for.
        folder: PathBuf,
    },

    /// No binaries and no container: the message says what to install.
    #[error(
        "no PostgreSQL {oldest} or newer was found, and Docker cannot stand in ({docker}); \
         install one of these and try again:\n  \
         Debian 12, Ubuntu 24.04 or newer:  sudo apt-get install postgresql\n  \
         Fedora:                            sudo dnf install postgresql-server\n  \
         macOS:                             brew install postgresql@17\n  \
         anything with Docker:              start it (the image postgres:15 is used)\n\
         or name the folder that holds `postgres` and `initdb` with --pg-bin or EARMARK_PG_BIN\n\
         looked in: {looked_in}"
    )]
    NoPostgres {
        /// The oldest major version that would do.
        oldest: u32,
        /// Why Docker is no help.
        docker: String,
        /// The places that were searched.
        looked_in: String,
    },

    /// The folder given by hand holds no usable PostgreSQL.
    #[error("--pg-bin (EARMARK_PG_BIN) is {folder}, which {reason}")]
    PgBin {
        /// The value of the setting.
        folder: PathBuf,
        /// What is wrong with it; goes on after "which".
        reason: String,
    },

    /// The data belongs to a PostgreSQL that is not here.
    #[error(
        "{data} was written by PostgreSQL {written_by}, which was not found (found: {found}); \
             install it, or name its folder with --pg-bin or EARMARK_PG_BIN"
    )]
    DataVersion {
        /// The data directory.
        data: PathBuf,
        /// Its major version, or the container it needs.
        written_by: String,
        /// What was found instead.
        found: String,
    },

    /// The account that PostgreSQL runs as cannot get to its data.
    #[error(
        "{directory} cannot be entered by the account {account}, which PostgreSQL runs as \
             because it refuses to be root; `chmod o+x` it or choose another folder"
    )]
    Unreachable {
        /// The directory that is closed.
        directory: PathBuf,
        /// The name of the account.
        account: String,
    },

    /// The data belongs to another user, and we are not root.
    #[error("{path} belongs to the user number {owner}; run as that user or as root")]
    Owner { path: PathBuf, owner: u32 },

    /// PostgreSQL does not run as root, and we found no other account for it.
    #[error("PostgreSQL refuses to run as root, and there is no account `postgres` or `nobody`")]
    NoAccount,

    /// A file operation failed.
    #[error("cannot {action} {path}")]
    File { action: &'static str, path: PathBuf, source: io::Error },

    /// A program could not be run at all.
    #[error("cannot run {program}")]
    Run { program: PathBuf, source: io::Error },

    /// A program ran and failed.
    #[error("{program} failed:\n{output}")]
    Failed {
        program: String,
        /// The end of what it said.
        output: String,
    },

    /// The server ended by itself.
    #[error("the private PostgreSQL ended by itself ({status}); the end of {log}:\n{tail}")]
    Exited {
        /// How it ended.
        status: String,
        /// Where it writes.
        log: PathBuf,
        /// The last that it wrote there.
        tail: String,
    },

    /// The server runs but does not answer.
    #[error("the private PostgreSQL did not answer within {seconds} s; the end of {log}:\n{tail}")]
    NotReady {
        /// How long we waited.
        seconds: u64,
        /// Where it writes.
        log: PathBuf,
        /// The last that it wrote there.
        tail: String,
        /// What the last attempt to connect met, where there was one.
        source: Option<sqlx::Error>,
    },

    /// An earlier server has not let go of the folder.
    #[error("an earlier PostgreSQL still runs on {folder} {seconds} s after it was told to stop")]
    StillRunning {
        /// The folder it holds.
        folder: PathBuf,
        /// How long we waited.
        seconds: u64,
    },

    /// The server has not ended in time; it will, as it has been told to.
    #[error("the private PostgreSQL is still shutting down after {seconds} s")]
    NotStopped {
        /// How long we waited.
        seconds: u64,
    },

    /// The server answers, and refuses us.
    #[error("the private PostgreSQL refused a statement")]
    Database(#[from] sqlx::Error),
}

impl Error {
    /// For `map_err` on a file operation.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// For `map_err` on starting a program.
    pub(super) fn run(program: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let program = program.into();
        move |source| Self::Run { program, source }
    }
}
