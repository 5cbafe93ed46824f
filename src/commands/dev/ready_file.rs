//! `--ready-file`: the file that exists while the service is ready.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// How the line begins.
const START: &[u8] = br#"{"url":"#;

/// Dropping it removes the file.
pub(super) struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Removes the file that a killed process has left, so that no program takes us for ready before we are.
    /// Fails if the file is another one, which would be lost.
    pub(super) fn claim(path: PathBuf) -> anyhow::Result<Self> {
        if !may_be_removed(&path).with_context(|| failed("read", &path))? {
            bail!("{}: it is another file, so name a new one", failed("replace", &path));
        }
        remove(&path).with_context(|| failed("remove the old", &path))?;
        Ok(Self(path))
    }

    /// The file gets its name when it is complete, so a reader never sees a part of it. Only our user can read it.
    pub(super) fn write(&self, line: &str) -> anyhow::Result<()> {
        let mut unnamed = self.0.clone().into_os_string();
        unnamed.push(format!(".{}", std::process::id()));
        let unnamed = PathBuf::from(unnamed);
        let write = || {
            // In a container, the process before had the same number.
            remove(&unnamed)?;
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed)?;
            file.write_all(format!("{line}\n").as_bytes())?;
            fs::rename(&unnamed, &self.0)
        };
        write().inspect_err(|_| drop(remove(&unnamed))).with_context(|| failed("write", &self.0))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            tracing::warn!(cause = %error, "{}", failed("remove", &self.0));
        }
    }
}

fn failed(what: &str, path: &Path) -> String {
    format!("--ready-file / EARMARK_READY_FILE: cannot {what} {}", path.display())
}

/// Whether it is a file that we have left. A link, too: its target stays.
fn may_be_removed(path: &Path) -> std::io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => {
            let mut start = Vec::new();
            File::open(path)?.take(START.len() as u64).read_to_end(&mut start)?;
            Ok(start == START)
        }
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(true),
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
