//! The account that PostgreSQL runs as: ours, or an unprivileged one if we are root.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use nix::unistd::{Uid, User, getegid, geteuid};
use tokio::process::Command;

use super::Error;

/// The accounts to choose from if we are root, in order of preference.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

#[derive(Debug)]
pub(super) struct Account {
    name: String,
    uid: u32,
    gid: u32,
    /// `true` if it is not the account of our process.
    is_other: bool,
}

impl Account {
    /// The account for this data directory: its owner, or one of [`CANDIDATES`] if the directory does not exist yet.
    pub(super) fn of(data: &Path) -> Result<Self, Error> {
        let owner = match fs::metadata(data) {
            Ok(found) => Some((found.uid(), found.gid())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(Error::file("look at", data)(source)),
        };

        let me = geteuid();
        if !me.is_root() {
            return match owner {
                Some((uid, _)) if uid != me.as_raw() => {
                    Err(Error::Owner { path: data.to_owned(), owner: uid })
                }
                _ => Ok(Self {
                    name: name_of(me.as_raw()),
                    uid: me.as_raw(),
                    gid: getegid().as_raw(),
                    is_other: false,
                }),
            };
        }
        match owner {
            Some((uid, gid)) if uid != 0 => {
                Ok(Self { name: name_of(uid), uid, gid, is_other: true })
            }
            _ => CANDIDATES
                .iter()
                .find_map(|name| User::from_name(name).ok().flatten())
                .map(|user| Self {
                    name: user.name,
                    uid: user.uid.as_raw(),
                    gid: user.gid.as_raw(),
                    is_other: true,
                })
                .ok_or(Error::NoAccount),
        }
    }

    /// Makes a program run as this account, without the supplementary groups of ours.
    pub(super) fn put_on<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        if self.is_other { command.uid(self.uid).gid(self.gid) } else { command }
    }

    /// Creates a directory that only this account can use. Also accepts an existing directory that is ours.
    pub(super) fn make_private(&self, directory: &Path) -> Result<(), Error> {
        match fs::DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::file("create", directory)(error));
            }
            _ => {}
        }
        // In a shared folder such as /tmp, another user may have created it first, or a link.
        let found = fs::symlink_metadata(directory).map_err(Error::file("look at", directory))?;
        if !found.is_dir() || ![self.uid, geteuid().as_raw()].contains(&found.uid()) {
            return Err(Error::Owner { path: directory.to_owned(), owner: found.uid() });
        }
        if self.is_other {
            std::os::unix::fs::chown(directory, Some(self.uid), Some(self.gid))
                .map_err(Error::file("change the owner of", directory))?;
        }
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
            .map_err(Error::file("change the mode of", directory))
    }

    /// Fails with the name of the first directory of the path that this account cannot enter.
    pub(super) fn check_path_to(&self, folder: &Path) -> Result<(), Error> {
        if !self.is_other {
            return Ok(());
        }
        let mut path: Vec<&Path> = folder.ancestors().collect();
        path.reverse();
        for directory in path {
            let found = fs::metadata(directory).map_err(Error::file("look at", directory))?;
            if !self.may_enter(&found) {
                let (directory, account) = (directory.to_owned(), self.name.clone());
                return Err(Error::Unreachable { directory, account });
            }
        }
        Ok(())
    }

    fn may_enter(&self, directory: &Metadata) -> bool {
        let bit = match directory {
            own if own.uid() == self.uid => 0o100,
            group if group.gid() == self.gid => 0o010,
            _ => 0o001,
        };
        directory.mode() & bit != 0
    }
}

fn name_of(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}
