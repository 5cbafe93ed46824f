//! Stops a server that an earlier process has left running on the folder.
//!
//! The process id in `postmaster.pid` proves nothing, because after a restart of the machine or of a container it may belong to
//! any process. A server runs if a process listens on our private socket or works in our data directory. All its processes have
//! ended if the lock that each of them inherits is free.

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

/// Shuts down a server that runs on the folder, and waits until all its processes have ended.
///
/// These include the children of a killed server, whose shared memory would disturb the next server, and an `initdb` whose
/// parent was killed.
pub(super) async fn stop(folder: &Folder) -> Result<(), Error> {
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
    remove_stale_pid_file(&folder.data())
}

/// The server that runs on the folder.
async fn serving(folder: &Folder) -> Option<Pid> {
    let listener = async {
        let stream = UnixStream::connect(folder.run().join(SOCKET)).await.ok()?;
        stream.peer_cred().ok()?.pid()
    };
    // If the listener is in another container, its process id is 0 or 1 and means nothing to us.
    if let Some(pid) = listener.await.filter(|pid| *pid > 1) {
        return Some(Pid::from_raw(pid));
    }
    pid_in(&folder.data()).filter(|pid| works_in(*pid, &folder.data()))
}

fn interrupt(server: Pid) -> Result<(), Error> {
    match kill(server, Signal::SIGINT) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => {
            Err(Error::Run { program: format!("kill -INT {server}").into(), source: errno.into() })
        }
    }
}

/// Removes `postmaster.pid` if its process id belongs to another program now, because `postgres` would believe it.
///
/// This needs `/proc`. On other systems, `postgres` refuses to start, and its log says why.
fn remove_stale_pid_file(data: &Path) -> Result<(), Error> {
    let is_stale = |pid: Pid| {
        kill(pid, None).is_ok() && Path::new("/proc/self").exists() && !works_in(pid, data)
    };
    if pid_in(data).is_some_and(is_stale) {
        let file = data.join("postmaster.pid");
        fs::remove_file(&file).map_err(Error::file("remove", &file))?;
    }
    Ok(())
}

fn pid_in(data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid = text.lines().next()?.trim().parse().ok()?;
    (pid > 1).then(|| Pid::from_raw(pid))
}

fn works_in(pid: Pid, data: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|directory| directory == data)
}
