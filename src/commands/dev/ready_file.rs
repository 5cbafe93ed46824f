//! `--ready-file`: the file that exists while the service is ready.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Dropping it removes the file.
pub(super) struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Removes the file that a killed process has left, so that no program takes us for ready before we are.
    pub(super) fn claim(path: PathBuf) -> anyhow::Result<Self> {
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

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
