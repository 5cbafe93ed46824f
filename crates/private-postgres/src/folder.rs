//! The folder of a private server: what lies where in it, and who holds it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, PipeWriter, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::{Error, Lifetime};

/// The log is put aside at this size, at a start.
const LOG_BYTES_MAX: u64 = 4 << 20;
/// As much of the log is read for an error.
const TAIL_BYTES_MAX: u64 = 64 << 10;
/// Lines of the log that an error carries.
const TAIL_LINES_MAX: usize = 12;

/// The name that PostgreSQL gives its socket.
pub(super) const SOCKET: &str = ".s.PGSQL.5432";
/// Longest path of a socket: 107 on Linux, 103 on macOS.
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Waits until nobody has the other end of its input, then removes what it was given.
const JANITOR: &str = r#"while read -r _; do :; done; exec rm -rf -- "$1""#;

/// An open folder; while this lives nobody else can open it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    claim: Claim,
    /// Where this start's part of the log begins.
    log_start: u64,
    /// Ours alone, so it is free the moment we die. Dropped last.
    _lock: Hold,
}

/// A locked file that is unlocked when it is dropped, and not only closed: a program that is being started at that moment has
/// a copy of it, for as long as its start takes, and would keep the lock.
#[derive(Debug)]
struct Hold(File);

impl Drop for Hold {
    fn drop(&mut self) {
        // What cannot be unlocked is let go when it is closed.
        _ = self.0.unlock();
    }
}

/// What every process of a server holds open, so that we know when the last one is gone.
#[derive(Debug)]
enum Claim {
    /// A locked file. A lock is let go when its last holder ends, even by `kill -9`.
    Lock(File),
    /// A pipe to a janitor, who cleans up when its last holder ends.
    Pipe { writer: PipeWriter, janitor: Child },
}

impl Folder {
    /// Makes the folder where it is missing and takes it, or says that it is taken.
    pub(super) fn open(path: &Path, lifetime: Lifetime) -> Result<Self, Error> {
        let path = make(path)?;
        let is_empty = || Ok(fs::read_dir(&path)?.next().is_none());
        if lifetime == Lifetime::Ephemeral && !is_empty().map_err(Error::file("read", &path))? {
            return Err(Error::NotEmpty { folder: path });
        }

        let lock = open(&path.join("earmark.lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { folder: path }),
            Err(TryLockError::Error(source)) => {
                return Err(Error::File { action: "lock", path, source });
            }
        }
        let lock = Hold(lock);

        let claim = match lifetime {
            Lifetime::Kept => Claim::Lock(open(&path.join("server.lock"))?),
            Lifetime::Ephemeral => hire_janitor(&path)?,
        };
        Ok(Self { path, claim, log_start: 0, _lock: lock })
    }

    /// The folder itself, as an absolute path without links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The data directory of a server that runs from binaries of this machine.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join("pgdata")
    }

    /// The data directory of a server that runs in a container.
    pub(super) fn container_data(&self) -> PathBuf {
        self.path.join("container")
    }

    /// Is there once that data is whole: the image cannot make it under another name first.
    pub(super) fn container_ready(&self) -> PathBuf {
        self.path.join("container.ready")
    }

    /// Where the socket is: in the folder, or in a short private place where its name is too long.
    pub(super) fn run(&self) -> PathBuf {
        let short = format!("earmark-{}", self.fingerprint());
        [self.path.join("run"), std::env::temp_dir().join(&short)]
            .into_iter()
            .find(|run| run.join(SOCKET).as_os_str().len() <= SOCKET_PATH_BYTES_MAX)
            .unwrap_or_else(|| Path::new("/tmp").join(short))
    }

    /// A short name of this folder, the same at every start (FNV-1a, which std does not promise).
    pub(super) fn fingerprint(&self) -> String {
        let bytes = self.path.as_os_str().as_encoded_bytes();
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }

    /// Where the server writes what it has to say.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("postgres.log")
    }

    /// Whether the folder goes away with the server.
    pub(super) fn is_ephemeral(&self) -> bool {
        matches!(self.claim, Claim::Pipe { .. })
    }

    /// Takes the claim, or says `false` while a process of an earlier server still has it.
    pub(super) fn try_claim(&self) -> Result<bool, Error> {
        let Claim::Lock(file) = &self.claim else { return Ok(true) };
        match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(source)) => {
                Err(Error::File { action: "lock", path: self.path.join("server.lock"), source })
            }
        }
    }

    /// The claim, for a child process to hold as one of its standard streams.
    pub(super) fn claim(&self) -> Result<Stdio, Error> {
        let share = || match &self.claim {
            Claim::Lock(file) => Ok(Stdio::from(file.try_clone()?)),
            Claim::Pipe { writer, .. } => Ok(Stdio::from(writer.try_clone()?)),
        };
        share().map_err(Error::file("share the lock of", &self.path))
    }

    /// Opens the log for a new server; from here on [`LogMark::tail`] shows only its lines.
    pub(super) fn begin_log(&mut self) -> Result<File, Error> {
        let path = self.log();
        if fs::metadata(&path).is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
            fs::rename(&path, path.with_extension("log.old"))
                .map_err(Error::file("move", &path))?;
        }
        let log = open(&path)?;
        self.log_start = log.metadata().map_err(Error::file("read", &path))?.len();
        Ok(log)
    }

    /// The place from which on the log is about the present server.
    pub(super) fn log_mark(&self) -> LogMark {
        LogMark { path: self.log(), start: self.log_start }
    }

    /// Lets the folder go, and waits until it is removed if it is to be.
    pub(super) async fn close(self) -> Result<(), Error> {
        if let Claim::Pipe { writer, mut janitor } = self.claim {
            drop(writer);
            janitor.wait().await.map_err(Error::file("remove", &self.path))?;
        }
        Ok(())
    }
}

/// The part of a log that is about one server.
#[derive(Clone, Debug)]
pub(super) struct LogMark {
    pub(super) path: PathBuf,
    start: u64,
}

impl LogMark {
    /// The last lines, for an error message; a log that cannot be read says so in their place.
    pub(super) fn tail(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut log = File::open(&self.path)?;
            let end = log.metadata()?.len();
            log.seek(SeekFrom::Start(self.start.max(end.saturating_sub(TAIL_BYTES_MAX))))?;
            let mut bytes = Vec::new();
            log.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_or_else(|error| error.to_string(), |bytes| last_lines(&bytes))
    }
}

/// The last lines of what a program wrote.
pub(super) fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES_MAX)..].join("\n")
}

/// Opens a file that grows, for us alone, making it where it is missing.
fn open(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options.open(path).map_err(Error::file("open", path))
}

/// Makes a folder that others can pass through but not list: as root, PostgreSQL is one of them.
fn make(path: &Path) -> Result<PathBuf, Error> {
    if !path.exists() {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
        }
        fs::DirBuilder::new().mode(0o711).create(path).map_err(Error::file("create", path))?;
        // The umask has its say in `create`, not here.
        fs::set_permissions(path, fs::Permissions::from_mode(0o711))
            .map_err(Error::file("change the mode of", path))?;
    }
    fs::canonicalize(path).map_err(Error::file("find", path))
}

fn hire_janitor(path: &Path) -> Result<Claim, Error> {
    let (reader, writer) = io::pipe().map_err(Error::file("guard", path))?;
    let janitor = Command::new("/bin/sh")
        .args(["-c", JANITOR, "earmark-janitor"])
        .arg(path)
        .current_dir("/")
        .process_group(0)
        .stdin(reader)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::run("/bin/sh"))?;
    Ok(Claim::Pipe { writer, janitor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_free_though_a_program_that_starts_has_a_copy_of_its_lock() {
        let path = std::env::temp_dir().join(format!("earmark-folder-{}", std::process::id()));
        let folder = Folder::open(&path, Lifetime::Kept).unwrap();
        let Folder { _lock: Hold(lock), .. } = &folder;
        let copy = lock.try_clone().unwrap();
        assert!(matches!(Folder::open(&path, Lifetime::Kept), Err(Error::InUse { .. })));
        drop(folder);
        drop(Folder::open(&path, Lifetime::Kept).unwrap());
        drop(copy);
        fs::remove_dir_all(&path).unwrap();
    }
}
