//! A server that runs from the binaries of this machine.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::process::Command;

use super::account::Account;
use super::binaries::Binaries;
use super::folder::{Folder, last_lines};
use super::supervisor::{ENVIRONMENT, Supervisor};
use super::{CONNECTIONS_MAX, Error, Lifetime, NAME, Server, readiness};

/// The time until a server accepts connections. It includes recovery after a crash.
const READY_LIMIT: Duration = Duration::from_secs(30);
const PORT: u16 = 5432;

/// Starts a server on the data of the folder. First creates the data if there is none.
pub(super) async fn start(
    folder: &mut Folder,
    binaries: &Binaries,
    lifetime: Lifetime,
) -> Result<Server, Error> {
    let (data, run) = (folder.data(), folder.run());
    let account = Account::of(&data)?;
    account.check_path_to(folder.path())?;
    if !data.exists() {
        make_data(folder, &account, binaries).await?;
    }
    if let Some(parent) = run.parent() {
        account.check_path_to(parent)?;
    }
    account.make_private(&run)?;

    let server = postgres(binaries, &data, &run, lifetime);
    let mut supervisor = Supervisor::native(folder, &account, &run, &server)?;
    // We set every option, because sqlx would take the others from the environment.
    let options = PgConnectOptions::new_without_pgpass()
        .socket(&run)
        .port(PORT)
        .username(NAME)
        .database(NAME)
        .ssl_mode(PgSslMode::Disable);
    let connection = readiness::wait(&mut supervisor, &options, READY_LIMIT).await?;
    readiness::make_database(connection).await?;

    let from = binaries.folder.display();
    Ok(Server {
        supervisor,
        options,
        description: format!("PostgreSQL {} from {from}", binaries.version),
        psql: format!(
            "{} -h {} -U {NAME} {NAME}",
            quoted(&binaries.folder.join("psql")),
            quoted(&run)
        ),
    })
}

/// Creates the data directory under another name first, so that an unfinished one is never used.
async fn make_data(folder: &Folder, account: &Account, binaries: &Binaries) -> Result<(), Error> {
    let (data, new) = (folder.data(), folder.path().join("pgdata.new"));
    if new.exists() {
        fs::remove_dir_all(&new).map_err(Error::file("remove", &new))?;
    }
    account.make_private(&new)?;

    let program = binaries.folder.join("initdb");
    let mut initdb = Command::new(&program);
    initdb.arg("-D").arg(&new).args(["-U", NAME, "--auth-local=trust", "--auth-host=reject"]);
    initdb.args(["--encoding=UTF8", "--locale=C", "--data-checksums"]);
    if folder.is_ephemeral() {
        initdb.arg("--no-sync");
    }
    initdb.env_clear().envs(ENVIRONMENT).current_dir("/").process_group(0);
    // `initdb` inherits the claim as its standard input, which it does not read. If our process is killed now, the next
    // start waits until `initdb` ends.
    initdb.stdin(folder.claim()?).stdout(Stdio::null());
    account.put_on(&mut initdb);

    let said = initdb.output().await.map_err(Error::run(&program))?;
    if !said.status.success() {
        let program = program.display().to_string();
        return Err(Error::Failed { program, output: last_lines(&said.stderr) });
    }
    fs::rename(&new, &data).map_err(Error::file("rename", &new))?;
    File::open(folder.path())
        .and_then(|folder| folder.sync_all())
        .map_err(Error::file("sync", folder.path()))
}

fn postgres(binaries: &Binaries, data: &Path, run: &Path, lifetime: Lifetime) -> Command {
    let mut server = Command::new(binaries.folder.join("postgres"));
    server.arg("-D").arg(data);
    let own = [
        format!("port={PORT}"),
        format!("max_connections={CONNECTIONS_MAX}"),
        "listen_addresses=".to_owned(),
        format!("unix_socket_directories={}", list_item(run)),
        "unix_socket_permissions=0700".to_owned(),
        "log_destination=stderr".to_owned(),
        "logging_collector=off".to_owned(),
    ];
    let durability = lifetime.settings().iter().copied();
    for setting in own.iter().map(String::as_str).chain(durability) {
        server.args(["-c", setting]);
    }
    server
}

/// Quotes a path as an item of a list in PostgreSQL's configuration.
fn list_item(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('"', "\"\""))
}

/// Quotes a path as a word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-@+".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_for_a_shell_only_if_necessary() {
        assert_eq!(quoted(Path::new("/usr/lib/postgresql/15/bin")), "/usr/lib/postgresql/15/bin");
        assert_eq!(quoted(Path::new("/it's mine")), r"'/it'\''s mine'");
    }
}
