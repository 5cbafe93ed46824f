//! A server that runs in a container, where there are no binaries and Docker answers.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::folder::{Folder, last_lines};
use super::leash::Leash;
use super::{CONNECTIONS_MAX, Error, NAME, Server, readiness};

/// The official image, of the oldest version that will do: the one most often there already.
const IMAGE: &str = "postgres:15";
/// Where the image keeps its data.
const IMAGE_DATA: &str = "/var/lib/postgresql/data";
/// How long Docker may take to answer a question.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// How long the image may take to arrive.
const PULL_LIMIT: Duration = Duration::from_mins(15);
/// How long the container may take from its creation, `initdb` included, to its first answer.
const READY_LIMIT: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);

/// Why there can be no container.
pub(super) type NoDocker = String;

/// Whether Docker answers and has the image, which it gets where it is missing.
pub(super) async fn check(docker: &Path) -> Result<(), NoDocker> {
    ask(docker, &["version", "--format", "{{.Server.Version}}"], ANSWER_LIMIT).await?;
    if ask(docker, &["image", "inspect", IMAGE], ANSWER_LIMIT).await.is_err() {
        tracing::info!(image = IMAGE, "there is no PostgreSQL here: pulling an image");
        ask(docker, &["pull", "--quiet", IMAGE], PULL_LIMIT).await?;
    }
    Ok(())
}

/// Starts a container on the folder's data, which the image makes where there is none.
pub(super) async fn start(folder: &mut Folder, docker: &Path) -> Result<Server, Error> {
    let name = format!("{NAME}-{}", folder.fingerprint());
    let password = password(&folder.path().join("container.password"))?;
    remove(docker, &name).await;
    let is_whole = folder.container_ready();
    if !folder.is_ephemeral() && !is_whole.exists() {
        make_data(folder, docker).await?;
    }

    let client = run(folder, docker, &name, &password);
    let mut leash = Leash::container(folder, docker, &name, &client)?;
    let address = published(docker, &name, &mut leash).await?;
    let options = PgConnectOptions::new_without_pgpass()
        .host(&address.ip().to_string())
        .port(address.port())
        .username(NAME)
        .password(&password)
        .database(NAME)
        .ssl_mode(PgSslMode::Disable);
    // While the image makes its data it listens on a socket of its own only: an answer is the end.
    let mut connection = readiness::wait(&mut leash, &options, READY_LIMIT).await?;
    let version: String =
        sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?;
    readiness::make_database(connection).await?;
    fs::write(&is_whole, "").map_err(Error::file("write", &is_whole))?;

    let version = version.split_whitespace().next().unwrap_or_default();
    Ok(Server {
        leash,
        options,
        description: format!("PostgreSQL {version} in a container ({IMAGE})"),
        psql: format!("{} exec -it {name} psql -U {NAME} {NAME}", docker.display()),
    })
}

/// Makes the data directory anew: what is there was never finished.
///
/// What an image has made belongs to an account of the image, so a container removes it.
async fn make_data(folder: &Folder, docker: &Path) -> Result<(), Error> {
    let data = folder.container_data();
    if data.exists() {
        let mount = mount(folder.path(), "/folder");
        let remove = ["run", "--rm", "--security-opt=label=disable", "--mount", &mount];
        let remove = [&remove[..], &["--entrypoint=rm", IMAGE, "-rf", "/folder/container"]];
        ask(docker, &remove.concat(), READY_LIMIT)
            .await
            .map_err(|output| Error::Failed { program: "docker run".to_owned(), output })?;
    }
    fs::create_dir(&data).map_err(Error::file("create", &data))
}

/// The command that runs the container and ends with it.
fn run(folder: &Folder, docker: &Path, name: &str, password: &str) -> Command {
    let mut initdb = "--encoding=UTF8 --locale=C --data-checksums".to_owned();
    let mut client = Command::new(docker);
    client.args(["run", "--rm", "--name", name, "--stop-signal=SIGINT", "--shm-size=256m"]);
    client.args(["--publish", "127.0.0.1::5432", "--security-opt=label=disable"]);
    if folder.is_ephemeral() {
        // The data is in a volume of the container's own, which goes away with it.
        initdb.push_str(" --no-sync");
    } else {
        client.args(["--mount", &mount(&folder.container_data(), IMAGE_DATA)]);
    }
    // The password goes by the environment: arguments can be read by everybody here.
    client.args(["--env", "POSTGRES_PASSWORD"]).env("POSTGRES_PASSWORD", password);
    client.args(["--env", &format!("POSTGRES_USER={NAME}")]);
    client.args(["--env", &format!("POSTGRES_INITDB_ARGS={initdb}")]);
    client.args([IMAGE, "-c", &format!("max_connections={CONNECTIONS_MAX}")]);
    client.args(["-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "full_page_writes=on"]);
    client
}

fn mount(source: &Path, target: &str) -> String {
    format!("type=bind,source={},target={target}", source.display())
}

/// The loopback port that Docker has chosen.
async fn published(docker: &Path, name: &str, leash: &mut Leash) -> Result<SocketAddr, Error> {
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        let answer = ask(docker, &["port", name, "5432/tcp"], ANSWER_LIMIT).await;
        let address = answer.ok().and_then(|said| said.lines().next()?.trim().parse().ok());
        if let Some(address) = address {
            return Ok(address);
        }
        if let Some(exited) = leash.try_exited() {
            return Err(exited);
        }
        if Instant::now() >= deadline {
            let (log, seconds) = (leash.log(), READY_LIMIT.as_secs());
            let (log, tail) = (log.path.clone(), log.tail());
            return Err(Error::NotReady { seconds, log, tail, source: None });
        }
        sleep(PAUSE).await;
    }
}

/// Removes what a killed process has left; that there is nothing is the usual case.
async fn remove(docker: &Path, name: &str) {
    // Removing kills, so that PostgreSQL would have to recover; stopping comes first.
    let stopped = ask(docker, &["stop", "--time", "60", name], READY_LIMIT).await;
    if stopped.is_ok() {
        tracing::info!(container = name, "a left-over PostgreSQL was shut down");
    }
    // `--rm` may have been quicker, which is as good.
    _ = ask(docker, &["rm", "--force", "--volumes", name], READY_LIMIT).await;
}

/// What Docker says, or why it does not.
async fn ask(docker: &Path, question: &[&str], limit: Duration) -> Result<String, NoDocker> {
    let mut client = Command::new(docker);
    client.args(question).stdin(std::process::Stdio::null()).kill_on_drop(true);
    match timeout(limit, client.output()).await {
        Ok(Ok(Output { status, stdout, .. })) if status.success() => {
            Ok(String::from_utf8_lossy(&stdout).into_owned())
        }
        Ok(Ok(Output { stderr, .. })) => Err(last_lines(&stderr)),
        Ok(Err(error)) => Err(format!("{}: {error}", docker.display())),
        Err(_) => Err(format!("{} gave no answer in {} s", docker.display(), limit.as_secs())),
    }
}

/// The superuser's password, made at the first start and kept for us alone.
fn password(file: &Path) -> Result<String, Error> {
    match fs::read_to_string(file) {
        Ok(password) if !password.is_empty() => return Ok(password),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::file("read", file)(error)),
    }
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes).map_err(|error| Error::File {
        action: "draw a password for",
        path: file.to_owned(),
        source: io::Error::other(error),
    })?;
    let password = URL_SAFE_NO_PAD.encode(bytes);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(file)
        .and_then(|mut file| file.write_all(password.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(Error::file("write", file))?;
    Ok(password)
}
