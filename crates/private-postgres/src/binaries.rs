//! Finds the programs of PostgreSQL on this machine.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{self, Path, PathBuf};

use tokio::process::Command;

use super::Error;
use super::folder::Folder;

/// The oldest supported major version.
const OLDEST: u32 = 15;

/// The folders where packages install the programs. A `*` stands for any part of one name.
const FOLDERS: [&str; 7] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/Library/PostgreSQL/*/bin",
];

/// Where to look for PostgreSQL.
#[derive(Clone, Debug)]
pub struct Places {
    /// Folders that may contain `postgres`. A `*` stands for any part of one name.
    pub folders: Vec<String>,
    /// A value of `PATH`, searched if the folders have no suitable version.
    pub path: OsString,
    /// The Docker client, used if no suitable version is found.
    pub docker: PathBuf,
}

/// A supported installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) folder: PathBuf,
    pub(super) version: Version,
}

/// The version that `postgres --version` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
}

impl Places {
    /// The folders where packages for Linux and macOS install PostgreSQL, then `PATH`, then Docker.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self {
            folders: FOLDERS.map(str::to_owned).to_vec(),
            path: search_path(),
            docker: PathBuf::from("docker"),
        }
    }

    /// A list of these places for an error message.
    pub(super) fn describe(&self) -> String {
        format!("{}, PATH", self.folders.join(", "))
    }

    fn expand(&self) -> Vec<PathBuf> {
        self.folders.iter().flat_map(|pattern| expand(pattern)).collect()
    }

    /// Follows links, because `initdb` looks for `postgres` next to its real file.
    fn on_path(&self) -> Vec<PathBuf> {
        std::env::split_paths(&self.path)
            .filter_map(|folder| fs::canonicalize(folder.join("postgres")).ok())
            .filter_map(|postgres| Some(postgres.parent()?.to_owned()))
            .collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "PATH is the system's, not a setting of ours")]
fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// Chooses the installation for a folder. `None` means that a container has to be used.
///
/// Data in the folder decides first, so an existing database is never replaced by an empty one.
pub(super) async fn find(
    given: Option<&Path>,
    places: &Places,
    folder: &Folder,
) -> Result<Option<Binaries>, Error> {
    let needed = version_of_data(&folder.data())?;
    let needs_container = needed.is_none() && folder.container_ready().exists();

    let found = match given {
        Some(folder) => {
            // The server is started in another working directory.
            let folder = path::absolute(folder).map_err(Error::file("find", folder))?;
            let usable = Binaries::look_at(&folder).await;
            vec![usable.map_err(|reason| Error::PgBin { folder, reason })?]
        }
        None if needs_container => return Ok(None),
        None => search(places, needed).await,
    };

    let refuse = |data, written_by| Error::DataVersion { data, written_by, found: list(&found) };
    match (choose(&found, needed), needed) {
        _ if needs_container => Err(refuse(folder.container_data(), "in a container".to_owned())),
        (None, Some(major)) => Err(refuse(folder.data(), major.to_string())),
        (chosen, _) => Ok(chosen),
    }
}

/// The installation for new data.
pub(super) async fn newest(places: &Places) -> Option<Binaries> {
    choose(&search(places, None).await, None)
}

/// All installations in the folders, and those in `PATH` if none in the folders fits.
async fn search(places: &Places, needed: Option<u32>) -> Vec<Binaries> {
    let found = look_at_all(places.expand()).await;
    match choose(&found, needed) {
        Some(_) => found,
        None => [found, look_at_all(places.on_path()).await].concat(),
    }
}

impl Binaries {
    /// Checks the installation in a folder. The error says what is wrong with it.
    async fn look_at(folder: &Path) -> Result<Self, String> {
        if !folder.join("initdb").is_file() {
            return Err("holds no initdb".to_owned());
        }
        let said = Command::new(folder.join("postgres")).arg("--version").output().await;
        let said = said.map_err(|error| format!("holds no postgres that runs ({error})"))?;
        let version = Version::parse(&String::from_utf8_lossy(&said.stdout))
            .ok_or("holds a postgres that does not tell its version")?;
        if version.major < OLDEST {
            return Err(format!("holds PostgreSQL {version}, and {OLDEST} or newer is needed"));
        }
        Ok(Self { folder: folder.to_owned(), version })
    }
}

impl Version {
    /// Parses texts such as `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` and `… 17beta1`.
    fn parse(said: &str) -> Option<Self> {
        let number = said.split_whitespace().find(|word| word.starts_with(char::is_numeric))?;
        let (major, rest) = leading_number(number)?;
        let minor = rest.strip_prefix('.').and_then(leading_number).map_or(0, |(minor, _)| minor);
        Some(Self { major, minor })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The error that says what to install.
pub(super) fn none(places: &Places, docker: String) -> Error {
    Error::NoPostgres { oldest: OLDEST, docker, looked_in: places.describe() }
}

/// The highest version. If there is data, only its version can read it.
fn choose(found: &[Binaries], needed: Option<u32>) -> Option<Binaries> {
    let fits = |one: &&Binaries| needed.is_none_or(|major| one.version.major == major);
    found.iter().filter(fits).max_by_key(|one| one.version).cloned()
}

async fn look_at_all(folders: Vec<PathBuf>) -> Vec<Binaries> {
    let mut usable = Vec::new();
    for folder in folders {
        match Binaries::look_at(&folder).await {
            Ok(one) => usable.push(one),
            Err(reason) => tracing::debug!(folder = %folder.display(), reason, "passed over"),
        }
    }
    usable
}

fn list(found: &[Binaries]) -> String {
    let versions: BTreeSet<_> = found.iter().map(|one| one.version).collect();
    let versions: Vec<_> = versions.iter().map(ToString::to_string).collect();
    if versions.is_empty() { "none".to_owned() } else { versions.join(", ") }
}

/// The major version that wrote a data directory. `None` if there is no data directory.
fn version_of_data(data: &Path) -> Result<Option<u32>, Error> {
    let file = data.join("PG_VERSION");
    match fs::read_to_string(&file) {
        Ok(text) => Ok(leading_number(&text).map(|(major, _)| major)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { action: "read", path: file, source }),
    }
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// The folders that match a pattern with at most one `*`.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or((".", before));
    let (suffix, rest) = after.split_once('/').unwrap_or((after, ""));
    let Ok(entries) = fs::read_dir(Path::new(parent).join("")) else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix) && name.ends_with(suffix))
        .map(|name| Path::new(parent).join(name).join(rest))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(versions: &[(u32, u32)]) -> Vec<Binaries> {
        let one = |(major, minor): &(u32, u32)| Binaries {
            folder: PathBuf::from(format!("/{major}.{minor}")),
            version: Version { major: *major, minor: *minor },
        };
        versions.iter().map(one).collect()
    }

    #[track_caller]
    fn check_choice(versions: &[(u32, u32)], needed: Option<u32>, expected: Option<&str>) {
        let chosen = choose(&found(versions), needed).map(|one| one.version.to_string());
        assert_eq!(chosen.as_deref(), expected);
    }

    #[test]
    fn the_highest_version_is_chosen_by_number() {
        check_choice(&[(15, 9), (17, 2), (15, 18), (16, 10)], None, Some("17.2"));
        check_choice(&[(15, 9), (15, 18)], None, Some("15.18"));
        check_choice(&[], None, None);
    }

    #[test]
    fn data_is_only_opened_by_the_version_that_wrote_it() {
        check_choice(&[(15, 18), (17, 2), (16, 4), (16, 10)], Some(16), Some("16.10"));
        check_choice(&[(15, 18), (17, 2)], Some(16), None);
    }

    #[track_caller]
    fn check_version(said: &str, expected: Option<&str>) {
        assert_eq!(Version::parse(said).map(|version| version.to_string()).as_deref(), expected);
    }

    #[test]
    fn all_forms_of_a_version_are_parsed() {
        check_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some("15.18"));
        check_version("postgres (PostgreSQL) 18beta1\n", Some("18.0"));
        check_version("postgres (PostgreSQL) 9.6.24\n", Some("9.6"));
        check_version("no such thing", None);
    }

    #[test]
    fn a_star_stands_for_part_of_one_name() {
        let here = env!("CARGO_MANIFEST_DIR");
        let src = vec![Path::new(here).join("src/cluster")];
        assert_eq!(expand(&format!("{here}/s*c/cluster")), src);
        assert_eq!(expand(&format!("{here}/src/cluster")), src);
        assert_eq!(expand("/no/such/place/*/bin"), Vec::<PathBuf>::new());
    }
}
