//! What an earlier server has left behind: it is shut down, and its traces are judged.
//!
//! A process number in a file proves nothing: after a restart of the machine or of a container it
//! may be anybody's. Proof is who listens on our private socket, who works in our data directory,
//! and whether the lock that every process of a server holds is free.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use super::Error;
use super::folder::{Folder, SOCKET};

/// How long an earlier server may take to shut down.
const LIMIT: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(20);

/// Shuts down a server that still runs on the folder, and returns when all its processes are gone.
///
/// That includes the children of a server that was killed, which share memory with it that the
/// next one must not meet, and an `initdb` whose master was killed.
pub(super) async fn evict(folder: &Folder) -> Result<(), Error> {
    let deadline = Instant::now() + LIMIT;
    let mut asked = None;
    loop {
        match serving(folder).await {
            Some(server) if asked == Some(server) => {}
            Some(server) => {
                tracing::info!(pid = server.as_raw(), "shutting down a left-over PostgreSQL");
                interrupt(server)?;
                asked = Some(server);
            }
            None if folder.try_claim()? => break,
            None => {}
        }
        if Instant::now() >= deadline {
            let (folder, seconds) = (folder.path().to_owned(), LIMIT.as_secs());
            return Err(Error::StillRunning { folder, seconds });
        }
        sleep(PAUSE).await;
    }
    forget_stale_number(&folder.data())
}

/// The server that runs on the folder, if there is proof of one.
async fn serving(folder: &Folder) -> Option<Pid> {
    let listener = async {
        let stream = UnixStream::connect(folder.run().join(SOCKET)).await.ok()?;
        stream.peer_cred().ok()?.pid()
    };
    // 0 and 1: the listener is in another container, where a number means nothing to us.
    if let Some(pid) = listener.await.filter(|pid| *pid > 1) {
        return Some(Pid::from_raw(pid));
    }
    number_in(&folder.data()).filter(|pid| works_in(*pid, &folder.data()))
}

fn interrupt(server: Pid) -> Result<(), Error> {
    match kill(server, Signal::SIGINT) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => {
            Err(Error::Run { program: format!("kill -INT {server}").into(), source: errno.into() })
        }
    }
}

/// Removes a process number that is now somebody else's, since `postgres` believes it.
///
/// Only where `/proc` can tell. Elsewhere `postgres` refuses to start and its log says why.
fn forget_stale_number(data: &Path) -> Result<(), Error> {
    let is_stale = |pid: Pid| {
        kill(pid, None).is_ok() && Path::new("/proc/self").exists() && !works_in(pid, data)
    };
    if number_in(data).is_some_and(is_stale) {
        let file = data.join("postmaster.pid");
        fs::remove_file(&file).map_err(Error::file("remove", &file))?;
    }
    Ok(())
}

fn number_in(data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid = text.lines().next()?.trim().parse().ok()?;
    (pid > 1).then(|| Pid::from_raw(pid))
}

fn works_in(pid: Pid, data: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|directory| directory == data)
}
