//! The folder of a private server: the paths in it, and its locks.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, PipeWriter, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use tokio::process::{Child, Command};

use super::{Error, Lifetime};

/// A larger log is renamed at the next start.
const LOG_BYTES_MAX: u64 = 4 << 20;
/// An error message is made of this much of the log.
const TAIL_BYTES_MAX: u64 = 64 << 10;
/// An error message has this many lines of the log.
const TAIL_LINES_MAX: usize = 12;

/// The name that PostgreSQL gives its socket.
pub(super) const SOCKET: &str = ".s.PGSQL.5432";
/// The longest path of a socket is 107 bytes on Linux and 103 on macOS.
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Waits for the end of its input, and then removes the folder `$1`.
const REMOVER: &str = r#"while read -r _; do :; done; exec rm -rf -- "$1""#;

/// An open and locked folder. No other process can open it at the same time.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    claim: Claim,
    /// Where this start's part of the log begins.
    log_start: u64,
    /// No child process inherits this lock, so it is free as soon as our process ends. Dropped last.
    _lock: Lock,
}

/// A locked file. Dropping it unlocks the file and does not only close it, because a child process that is just being started
/// has a copy of the descriptor for a moment, which would keep the lock.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // If this fails, closing the file unlocks it.
        _ = self.0.unlock();
    }
}

/// A descriptor that every process of a server inherits, so that we know when the last one has ended.
#[derive(Debug)]
enum Claim {
    /// A locked file. The kernel unlocks it when the last process that has it open ends.
    File(File),
    /// A pipe to a process that removes the folder when the last process with the pipe ends.
    Pipe { writer: PipeWriter, remover: Child },
}

impl Folder {
    /// Creates the folder if it is missing, and locks it. Fails if another process has locked it.
    pub(super) fn open(path: &Path, lifetime: Lifetime) -> Result<Self, Error> {
        let path = make(path)?;
        let is_empty = || Ok(fs::read_dir(&path)?.next().is_none());
        if lifetime != Lifetime::Kept && !is_empty().map_err(Error::file("read", &path))? {
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
        let lock = Lock(lock);

        let claim = match lifetime {
            Lifetime::Kept => Claim::File(open(&path.join("server.lock"))?),
            Lifetime::Ephemeral | Lifetime::Volatile => start_remover(&path)?,
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

    /// Exists once that data is complete. The image cannot create the data under another name first.
    pub(super) fn container_ready(&self) -> PathBuf {
        self.path.join("container.ready")
    }

    /// The folder of the socket. If its path would be too long for a socket, it is a temporary folder.
    pub(super) fn run(&self) -> PathBuf {
        let short = format!("earmark-{}", self.fingerprint());
        [self.path.join("run"), std::env::temp_dir().join(&short)]
            .into_iter()
            .find(|run| run.join(SOCKET).as_os_str().len() <= SOCKET_PATH_BYTES_MAX)
            .unwrap_or_else(|| Path::new("/tmp").join(short))
    }

    /// A short name of this folder that is the same at every start. It is FNV-1a, because the hash of std may change.
    pub(super) fn fingerprint(&self) -> String {
        let bytes = self.path.as_os_str().as_encoded_bytes();
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        format!("{hash:016x}")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join("postgres.log")
    }

    /// `true` if the folder is removed when the server stops.
    pub(super) fn is_ephemeral(&self) -> bool {
        matches!(self.claim, Claim::Pipe { .. })
    }

    /// Takes the claim. Returns `false` while a process of an earlier server has it.
    pub(super) fn try_claim(&self) -> Result<bool, Error> {
        let Claim::File(file) = &self.claim else { return Ok(true) };
        match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(source)) => {
                Err(Error::File { action: "lock", path: self.path.join("server.lock"), source })
            }
        }
    }

    /// A copy of the claim for a standard stream of a child process.
    pub(super) fn claim(&self) -> Result<Stdio, Error> {
        let share = || match &self.claim {
            Claim::File(file) => Ok(Stdio::from(file.try_clone()?)),
            Claim::Pipe { writer, .. } => Ok(Stdio::from(writer.try_clone()?)),
        };
        share().map_err(Error::file("share the lock of", &self.path))
    }

    /// Opens the log for a new server. After this, [`LogMark::tail`] only returns lines of that server.
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

    /// The part of the log that is about the current server.
    pub(super) fn log_mark(&self) -> LogMark {
        LogMark { path: self.log(), start: self.log_start }
    }

    /// Unlocks the folder. If it is to be removed, waits until that is done.
    pub(super) async fn close(self) -> Result<(), Error> {
        if let Claim::Pipe { writer, mut remover } = self.claim {
            drop(writer);
            remover.wait().await.map_err(Error::file("remove", &self.path))?;
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
    /// The last lines, for an error message. If the log cannot be read, returns the reason instead.
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

/// The last lines of a program's output.
pub(super) fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES_MAX)..].join("\n")
}

/// Opens a file for appending. Creates it if it is missing. Only our account can read it.
fn open(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options.open(path).map_err(Error::file("open", path))
}

/// Creates a folder of which other accounts can read and write nothing, or checks that an existing folder is one. If we are
/// root, PostgreSQL runs as another account, which must be able to enter the folder.
fn make(path: &Path) -> Result<PathBuf, Error> {
    // Without a slash at the end: with one, the kernel follows a symbolic link.
    let path: PathBuf = path.components().collect();
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
    }
    match fs::DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Error::file("create", &path)(error));
        }
        _ => {}
    }
    if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
        return Err(Error::Link { folder: path });
    }
    // The checks below hold for this descriptor, also if someone replaces the folder meanwhile.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits());
    let folder = options.open(&path).map_err(Error::file("open", &path))?;
    let found = folder.metadata().map_err(Error::file("look at", &path))?;
    if found.uid() != geteuid().as_raw() {
        return Err(Error::ForeignFolder { folder: path, owner: found.uid() });
    }
    if found.mode() & 0o066 != 0 {
        return Err(Error::OpenFolder { folder: path, mode: found.mode() & 0o777 });
    }
    let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
    folder
        .set_permissions(fs::Permissions::from_mode(mode))
        .map_err(Error::file("change the mode of", &path))?;
    fs::canonicalize(&path).map_err(Error::file("find", &path))
}

fn start_remover(path: &Path) -> Result<Claim, Error> {
    let (reader, writer) = io::pipe().map_err(Error::file("guard", path))?;
    let remover = Command::new("/bin/sh")
        .args(["-c", REMOVER, "earmark-remover"])
        .arg(path)
        .current_dir("/")
        .process_group(0)
        .stdin(reader)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(Error::run("/bin/sh"))?;
    Ok(Claim::Pipe { writer, remover })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropping_a_folder_unlocks_it_even_if_a_copy_of_the_lock_is_open() {
        let path = std::env::temp_dir().join(format!("earmark-folder-{}", std::process::id()));
        let folder = Folder::open(&path, Lifetime::Kept).unwrap();
        let Folder { _lock: Lock(lock), .. } = &folder;
        let copy = lock.try_clone().unwrap();
        assert!(matches!(Folder::open(&path, Lifetime::Kept), Err(Error::InUse { .. })));
        drop(folder);
        drop(Folder::open(&path, Lifetime::Kept).unwrap());
        drop(copy);
        fs::remove_dir_all(&path).unwrap();
    }
}
