//! The supervisor: a small shell script that runs the server, and stops it when our process ends.
//!
//! The script's standard input is a pipe that we never write to. When our process closes the pipe or is killed, the script
//! reads the end of its input and shuts the server down. This needs no `unsafe` code. Unlike the parent-death signal of
//! Linux, it works on macOS too.

use std::fs::File;
use std::io::{self, PipeWriter};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use tokio::process::{Child, Command};

use super::Error;
use super::account::Account;
use super::folder::{Folder, LogMark};

/// `$1` is the directory of the socket. The other arguments are the server and its arguments.
///
/// A shell gives background commands an empty standard input, so the script keeps ours as descriptor 3 for the watcher. The
/// server starts before that, so it does not inherit the descriptor.
const NATIVE: &str = r#"
run=$1; shift
"$@" </dev/null &
server=$!
exec 3<&0
( while read -r _; do :; done; kill -INT "$server" ) <&3 &
watcher=$!
wait "$server"; status=$?
kill "$watcher"
rm -f "$run"/.s.PGSQL.*; rmdir "$run" 2>/dev/null
exit "$status"
"#;

/// `$1` is the `docker` program and `$2` the name of the container. The other arguments run it in the foreground.
///
/// The container may not exist yet when our process ends, so the script tries to stop it until the `docker` client exits.
const CONTAINER: &str = r#"
docker=$1 name=$2; shift 2
"$@" </dev/null >&2 &
client=$!
exec 3<&0
( while read -r _; do :; done
  while kill -0 "$client"; do "$docker" stop --time 60 "$name"; sleep 1; done
) <&3 >/dev/null 2>&1 &
watcher=$!
wait "$client"; status=$?
kill "$watcher"
"$docker" rm --force --volumes "$name" >/dev/null 2>&1
exit "$status"
"#;

/// A running server. It stops when this is dropped or when our process ends.
#[derive(Debug)]
pub(super) struct Supervisor {
    script: Child,
    pipe: PipeWriter,
    log: LogMark,
}

impl Supervisor {
    /// Runs `postgres` as this account.
    pub(super) fn native(
        folder: &mut Folder,
        account: &Account,
        run: &Path,
        server: &Command,
    ) -> Result<Self, Error> {
        let mut script = script(NATIVE);
        script.arg(run).arg(server.as_std().get_program()).args(server.as_std().get_args());
        script.env_clear().envs(ENVIRONMENT);
        account.put_on(&mut script);
        Self::spawn(folder, script)
    }

    /// Runs the `docker` client with our environment, which tells it where its daemon is.
    pub(super) fn container(
        folder: &mut Folder,
        docker: &Path,
        name: &str,
        client: &Command,
    ) -> Result<Self, Error> {
        let mut script = script(CONTAINER);
        script.arg(docker).arg(name);
        script.arg(client.as_std().get_program()).args(client.as_std().get_args());
        script.envs(client.as_std().get_envs().filter_map(|(key, value)| Some((key, value?))));
        Self::spawn(folder, script)
    }

    fn spawn(folder: &mut Folder, mut script: Command) -> Result<Self, Error> {
        let log: File = folder.begin_log()?;
        // `Stdio::piped` will not do, because `Child::wait` closes that pipe.
        let (input, pipe) = io::pipe().map_err(Error::file("guard", folder.path()))?;
        script.stdin(input).stdout(folder.claim()?).stderr(log);
        let script = script.spawn().map_err(Error::run("/bin/sh"))?;
        Ok(Self { script, pipe, log: folder.log_mark() })
    }

    /// The part of the log that is about this server.
    pub(super) fn log(&self) -> &LogMark {
        &self.log
    }

    /// The error if the server has ended, and `None` while it runs.
    pub(super) fn try_exited(&mut self) -> Option<Error> {
        match self.script.try_wait() {
            Ok(status) => status.map(|status| self.exit_error(status)),
            Err(source) => Some(Error::Run { program: PathBuf::from("/bin/sh"), source }),
        }
    }

    /// Resolves when the server has ended.
    pub(super) async fn exited(&mut self) -> Error {
        match self.script.wait().await {
            Ok(status) => self.exit_error(status),
            Err(source) => Error::Run { program: PathBuf::from("/bin/sh"), source },
        }
    }

    /// Stops the server, and waits until it has ended.
    pub(super) async fn stop(self) -> Result<(), Error> {
        let Self { mut script, pipe, log: _ } = self;
        drop(pipe);
        script.wait().await.map_err(Error::run("/bin/sh"))?;
        Ok(())
    }

    fn exit_error(&self, status: ExitStatus) -> Error {
        let (status, log) = (status.to_string(), self.log.path.clone());
        Error::Exited { status, log, tail: self.log.tail() }
    }
}

/// The whole environment of `initdb` and `postgres`: English texts, times in UTC.
pub(super) const ENVIRONMENT: [(&str, &str); 3] =
    [("LC_ALL", "C"), ("TZ", "UTC"), ("PATH", "/usr/local/bin:/usr/bin:/bin")];

fn script(text: &str) -> Command {
    let mut script = Command::new("/bin/sh");
    script.args(["-c", text, "earmark-supervisor"]);
    // With a process group of its own, the server does not receive our Ctrl-C. Its account may not enter our directory.
    script.process_group(0).current_dir("/");
    script
}
