//! The leash: a small shell script between us and the server, which stops the server when we end.
//!
//! We hold the other end of the script's input and never write to it. When we let go, or the kernel
//! does because we were killed, the script reads the end of it and shuts the server down. This
//! needs no `unsafe` code, and unlike Linux' parent-death signal it works on macOS too.

use std::fs::File;
use std::io::{self, PipeWriter};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use tokio::process::{Child, Command};

use super::Error;
use super::account::Account;
use super::folder::{Folder, LogMark};

/// `$1` is the directory of the socket, the rest is the server and its arguments.
///
/// A shell gives what it runs in the background an empty input; so that the watcher can read ours,
/// it is kept as number 3. The server starts before that and does not have it.
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

/// `$1` is the `docker` program, `$2` the container's name, the rest runs it in the foreground.
///
/// The container may not exist yet when we let go, so stopping it is tried until its client ends.
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

/// A server that ends when this is dropped, or when our process does.
#[derive(Debug)]
pub(super) struct Leash {
    script: Child,
    hand: PipeWriter,
    log: LogMark,
}

impl Leash {
    /// Runs `postgres` itself as the account it belongs to.
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

    /// Runs the `docker` client, with our environment: that is where it finds its daemon.
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
        // Not the child's own pipe: waiting for a child closes that.
        let (leash, hand) = io::pipe().map_err(Error::file("guard", folder.path()))?;
        script.stdin(leash).stdout(folder.claim()?).stderr(log);
        let script = script.spawn().map_err(Error::run("/bin/sh"))?;
        Ok(Self { script, hand, log: folder.log_mark() })
    }

    /// What the server's log is called and where to look in it.
    pub(super) fn log(&self) -> &LogMark {
        &self.log
    }

    /// What there is to say if the server has ended already.
    pub(super) fn try_exited(&mut self) -> Option<Error> {
        match self.script.try_wait() {
            Ok(status) => status.map(|status| self.say_exited(status)),
            Err(source) => Some(Error::Run { program: PathBuf::from("/bin/sh"), source }),
        }
    }

    /// Resolves when the server has ended.
    pub(super) async fn exited(&mut self) -> Error {
        match self.script.wait().await {
            Ok(status) => self.say_exited(status),
            Err(source) => Error::Run { program: PathBuf::from("/bin/sh"), source },
        }
    }

    /// Lets go, and returns when the server has ended.
    pub(super) async fn stop(self) -> Result<(), Error> {
        let Self { mut script, hand, log: _ } = self;
        drop(hand);
        script.wait().await.map_err(Error::run("/bin/sh"))?;
        Ok(())
    }

    fn say_exited(&self, status: ExitStatus) -> Error {
        let (status, log) = (status.to_string(), self.log.path.clone());
        Error::Exited { status, log, tail: self.log.tail() }
    }
}

/// All of the environment that `initdb` and `postgres` get: their texts in English, times in UTC.
pub(super) const ENVIRONMENT: [(&str, &str); 3] =
    [("LC_ALL", "C"), ("TZ", "UTC"), ("PATH", "/usr/local/bin:/usr/bin:/bin")];

fn script(text: &str) -> Command {
    let mut script = Command::new("/bin/sh");
    script.args(["-c", text, "earmark-leash"]);
    // A Ctrl-C is for us; we tell the server. And our own directory may be closed to it.
    script.process_group(0).current_dir("/");
    script
}
