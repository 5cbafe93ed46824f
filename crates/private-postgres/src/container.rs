//! A server that runs in a container, used if there are no binaries.

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
use super::supervisor::Supervisor;
use super::{CONNECTIONS_MAX, Error, Lifetime, NAME, Server, readiness};

/// The official image of the oldest supported version.
const IMAGE: &str = "postgres:15";
/// The data directory in the image.
const IMAGE_DATA: &str = "/var/lib/postgresql/data";
/// The time limit of a Docker command.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// The time limit to pull the image.
const PULL_LIMIT: Duration = Duration::from_mins(15);
/// The time until the server in the container accepts connections. It includes `initdb`.
const READY_LIMIT: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);

/// Why Docker cannot be used.
pub(super) type NoDocker = String;

/// Checks that Docker works, and pulls the image if it is missing.
pub(super) async fn check(docker: &Path) -> Result<(), NoDocker> {
    ask(docker, &["version", "--format", "{{.Server.Version}}"], ANSWER_LIMIT).await?;
    if ask(docker, &["image", "inspect", IMAGE], ANSWER_LIMIT).await.is_err() {
        tracing::info!(image = IMAGE, "there is no PostgreSQL here: pulling an image");
        ask(docker, &["pull", "--quiet", IMAGE], PULL_LIMIT).await?;
    }
    Ok(())
}

/// Starts a container on the data of the folder. The image creates the data if there is none.
pub(super) async fn start(
    folder: &mut Folder,
    docker: &Path,
    lifetime: Lifetime,
) -> Result<Server, Error> {
    let name = format!("{NAME}-{}", folder.fingerprint());
    let password = password(&folder.path().join("container.password"))?;
    remove(docker, &name).await;
    let is_whole = folder.container_ready();
    if !folder.is_ephemeral() && !is_whole.exists() {
        make_data(folder, docker).await?;
    }

    let client = run(folder, docker, &name, &password, lifetime);
    let mut supervisor = Supervisor::container(folder, docker, &name, &client)?;
    let address = published(docker, &name, &mut supervisor).await?;
    let options = PgConnectOptions::new_without_pgpass()
        .host(&address.ip().to_string())
        .port(address.port())
        .username(NAME)
        .password(&password)
        .database(NAME)
        .ssl_mode(PgSslMode::Disable);
    // While the image creates its data, it does not listen on TCP. So once we can connect, the data is complete.
    let mut connection = readiness::wait(&mut supervisor, &options, READY_LIMIT).await?;
    let version: String =
        sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?;
    readiness::make_database(connection).await?;
    fs::write(&is_whole, "").map_err(Error::file("write", &is_whole))?;

    let version = version.split_whitespace().next().unwrap_or_default();
    Ok(Server {
        supervisor,
        options,
        description: format!("PostgreSQL {version} in a container ({IMAGE})"),
        psql: format!("{} exec -it {name} psql -U {NAME} {NAME}", docker.display()),
    })
}

/// Creates an empty data directory. Removes an existing one, because it was never completed.
///
/// Its files belong to an account of the image, so a container removes them.
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

/// The command that runs the container in the foreground.
fn run(folder: &Folder, docker: &Path, name: &str, password: &str, lifetime: Lifetime) -> Command {
    let mut initdb = "--encoding=UTF8 --locale=C --data-checksums".to_owned();
    let mut client = Command::new(docker);
    client.args(["run", "--rm", "--name", name, "--stop-signal=SIGINT", "--shm-size=256m"]);
    client.args(["--publish", "127.0.0.1::5432", "--security-opt=label=disable"]);
    if folder.is_ephemeral() {
        // The data is in an anonymous volume, which is removed with the container.
        initdb.push_str(" --no-sync");
    } else {
        client.args(["--mount", &mount(&folder.container_data(), IMAGE_DATA)]);
    }
    // The password is in the environment, because every user can read the arguments of a process.
    client.args(["--env", "POSTGRES_PASSWORD"]).env("POSTGRES_PASSWORD", password);
    client.args(["--env", &format!("POSTGRES_USER={NAME}")]);
    client.args(["--env", &format!("POSTGRES_INITDB_ARGS={initdb}")]);
    client.args([IMAGE, "-c", &format!("max_connections={CONNECTIONS_MAX}")]);
    for setting in lifetime.settings() {
        client.args(["-c", setting]);
    }
    client
}

fn mount(source: &Path, target: &str) -> String {
    format!("type=bind,source={},target={target}", source.display())
}

/// The local port that Docker has chosen.
async fn published(
    docker: &Path,
    name: &str,
    supervisor: &mut Supervisor,
) -> Result<SocketAddr, Error> {
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        let answer = ask(docker, &["port", name, "5432/tcp"], ANSWER_LIMIT).await;
        let address = answer.ok().and_then(|said| said.lines().next()?.trim().parse().ok());
        if let Some(address) = address {
            return Ok(address);
        }
        if let Some(exited) = supervisor.try_exited() {
            return Err(exited);
        }
        if Instant::now() >= deadline {
            let (log, seconds) = (supervisor.log(), READY_LIMIT.as_secs());
            let (log, tail) = (log.path.clone(), log.tail());
            return Err(Error::NotReady { seconds, log, tail, source: None });
        }
        sleep(PAUSE).await;
    }
}

/// Removes a container that a killed process has left. Usually there is none.
async fn remove(docker: &Path, name: &str) {
    // `docker rm --force` kills PostgreSQL, which would then have to recover. So we stop it first.
    let stopped = ask(docker, &["stop", "--time", "60", name], READY_LIMIT).await;
    if stopped.is_ok() {
        tracing::info!(container = name, "a left-over PostgreSQL was shut down");
    }
    // This fails if `--rm` has already removed the container.
    _ = ask(docker, &["rm", "--force", "--volumes", name], READY_LIMIT).await;
}

/// Runs a Docker command, and returns its output or its error.
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

/// The superuser's password. The first start creates it in a file that only our account can read.
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
