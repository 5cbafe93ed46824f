//! `earmark dev`: a private PostgreSQL, a demo app and the service, for a trial.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;

use super::serve::Signals;
use super::{print, serve, unix_now};
use crate::config::Dev;
use crate::deadline::{Arrival, Deadline};
use crate::domain::{
    App, BitChange, Change, ChatGroupId, ContactGroupName, Conversation, CustomMark, Directory,
    MarkBit, MarkChange, Problem, SdkAppId, SecretKey, UserAccess, UserId,
};
use crate::error::Error;
use crate::http::user_sig::UserSig;
use crate::http::{
    Addresses, CLIENT_CONNECTIONS, Console, KEEP_ALIVE_S, Listen, OperatorToken, Operators,
};
use crate::service::{self, Service, Write};
use crate::store::{Database, Store, schema};
use private_postgres::{Cluster, Lifetime, Settings};

const DEMO_APP: i64 = 1_400_000_001;
const DEMO_ADMIN: &str = "administrator";
const DEMO_SIG_LIFETIME_S: u64 = 180 * 24 * 3600;
/// Enough for a trial. Each worker has its own connections, and the private PostgreSQL allows a hundred.
const WORKERS_MAX: usize = 4;
/// Bits that Tencent Cloud Chat gives a meaning to.
const FAVOURITE: i128 = 0;
const UNREAD: i128 = 1;
const COLLAPSED: i128 = 2;
const DEMO_READ: &str = r#"{"From_Account":"user0","StartIndex":0}"#;
const DEMO_MARK: &str = r#"{"From_Account":"user0","MarkItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"user1"},"SetMark":[0,32],"CustomMark":"abcd"}]}"#;

pub(super) async fn run(settings: Dev) -> anyhow::Result<()> {
    let mut signals = Signals::new()?.and_hangup()?;
    let cluster_settings = Settings {
        folder: settings.data.clone(),
        pg_bin: settings.pg_bin.clone(),
        lifetime: Lifetime::Kept,
    };
    let mut cluster = tokio::select! {
        started = Cluster::start(&cluster_settings) => started?,
        // PostgreSQL notices that we are gone and stops by itself, as after a kill.
        () = signals.any() => return Ok(()),
    };
    let database = Database::from_options(cluster.connect_options());
    let about = format!("{}\n  look inside: {}", cluster.describe(), cluster.psql_hint());
    let served = tokio::select! {
        served = serve(&settings, signals, &database, &about) => served,
        ended = cluster.exited() => Err(ended).context("what was acknowledged is safe: start again"),
    };
    cluster.stop().await?;
    served
}

async fn serve(
    settings: &Dev,
    mut signals: Signals,
    database: &Database,
    about: &str,
) -> anyhow::Result<()> {
    let (service, app) = tokio::select! {
        prepared = prepare(database) => prepared?,
        () = signals.any() => return Ok(()),
    };
    write_secret_key(&settings.data.join("secret-key"), &app.key.secret)?;
    // 64 hex digits, new at each start. Other users of the machine can connect, but cannot read our terminal.
    let link_token = service::random_secret_key()?;
    let token = OperatorToken::parse(link_token.reveal())?;
    let listen = Listen {
        address: settings.listen,
        admin_address: None,
        console: Console::SignedIn {
            sdk_app_id: app.sdk_app_id,
            identifier: DEMO_ADMIN.to_owned(),
            token: token.clone(),
        },
        operators: Operators::ThisMachine(token),
        identity: None,
        workers: available_parallelism().map_or(1, Into::into).min(WORKERS_MAX),
        connections_max: CLIENT_CONNECTIONS,
        keep_alive: Duration::from_secs(KEEP_ALIVE_S),
        shutdown_s: 10,
    };
    let introduce =
        |at: Addresses| introduce(local(at.api), &link_token, &app, &settings.data, about);
    serve::until_signal(signals, service, listen, Duration::ZERO, introduce).await
}

async fn prepare(database: &Database) -> anyhow::Result<(Service, Arc<App>)> {
    let store = Store::connect(database).await?;
    schema::migrate(&store).await.context("migrations")?;
    // A trial has its receivers on the same machine.
    let webhooks = service::WebhookHosts::Any;
    let settings = service::Settings { webhooks, ..service::Settings::default() };
    let service = Service::new(store.clone(), settings);
    let app = demo_app(&store, &service).await?;
    Ok((service, app))
}

async fn demo_app(store: &Store, service: &Service) -> anyhow::Result<Arc<App>> {
    let sdk_app_id = SdkAppId::new(DEMO_APP)?;
    if let Some(app) = service::load_app(store, sdk_app_id, Deadline::of_a_request()).await? {
        return Ok(app.into());
    }
    let app = App {
        directory: Directory::Open,
        admins: vec![DEMO_ADMIN.to_owned()],
        user_access: UserAccess::Write,
        ..App::new(sdk_app_id, service::random_secret_key()?)
    };
    let created = service::create_app(store, app, Deadline::of_a_request()).await?;
    let app = Arc::new(created.context("demo app: another process has just created it")?);
    write_demo_state(service, &app).await.context("demo app")?;
    Ok(app)
}

/// A few marks, a contact group and a pin, so that the first read returns something.
async fn write_demo_state(service: &Service, app: &Arc<App>) -> anyhow::Result<()> {
    let user = |name: &str| UserId::parse(name, app.limits.user_id_bytes);
    let with = |name: &str| user(name).map(Conversation::OneToOne);
    let chat_group = ChatGroupId::parse("@TGS#1N3RSUYG2", app.limits.chat_group_id_bytes)?;
    let marks = |conversation, bits: &[i128], custom: &str| -> Result<MarkChange, Problem> {
        let set = bits.iter().map(|bit| MarkBit::parse(*bit)).collect::<Result<_, _>>()?;
        let custom = CustomMark::parse(custom, app.limits.custom_mark_bytes)?;
        let standard = Some(BitChange { set, ..BitChange::default() });
        Ok(MarkChange { conversation, standard, custom: Some(custom) })
    };
    let changes = [
        Change::Mark(vec![
            marks(with("user2")?, &[FAVOURITE], "")?,
            marks(with("user3")?, &[UNREAD, 40], "waiting for an answer")?,
            marks(Conversation::Group(chat_group.clone()), &[COLLAPSED], "")?,
        ]),
        Change::CreateGroup(
            ContactGroupName::parse("work")?,
            vec![with("user3")?, Conversation::Group(chat_group)],
        ),
        Change::Pin(vec![with("user2")?]),
    ];
    for change in changes {
        let arrival = Arrival { now: unix_now(), deadline: Deadline::of_a_request() };
        let write = Write {
            app: app.clone(),
            owner: user("user0")?,
            change,
            expected_revision: None,
            arrival,
        };
        service
            .write(write)
            .await?
            .applied
            .items
            .into_iter()
            .collect::<Result<(), _>>()
            .map_err(Error::from)?;
    }
    Ok(())
}

/// Only the owner of the file may read it, also if the file exists with another mode.
fn write_secret_key(file: &Path, key: &SecretKey) -> anyhow::Result<()> {
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(file)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        std::io::Write::write_all(&mut file, format!("{}\n", key.reveal()).as_bytes())
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

/// The address for a client on this machine. The service answers the console and the admin API only to a `Host` that names
/// this machine, which 0.0.0.0 does not.
fn local(address: SocketAddr) -> SocketAddr {
    let is_any = address.ip().is_unspecified();
    if is_any { SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())) } else { address }
}

fn introduce(
    address: SocketAddr,
    link_token: &SecretKey,
    app: &App,
    data: &Path,
    about: &str,
) -> anyhow::Result<()> {
    let number = app.sdk_app_id;
    let sig = UserSig::sign(&app.key.secret, number, DEMO_ADMIN, unix_now(), DEMO_SIG_LIFETIME_S);
    let curl = |command: &str, body: &str| {
        format!(
            "curl 'http://{address}/v4/recentcontact/{command}?sdkappid={number}\
             &identifier={DEMO_ADMIN}&usersig={sig}&random=1&contenttype=json' -d '{body}'"
        )
    };
    print(&format!(
        "earmark listens on http://{address}\n\
         \x20 console on http://{address}/console?token={}\n\
         \x20 app {number}, admin {DEMO_ADMIN}, secret key in {}\n\
         \x20 {about}\n\
         \n\
         Mark a conversation of user0:\n\
         \n\
         {}\n\
         \n\
         Read back what user0 has:\n\
         \n\
         {}\n\
         \n\
         In a second terminal, hear of each change of user0:\n\
         \n\
         curl --no-buffer 'http://{address}/v1/apps/{number}/users/user0/events' -H 'Authorization: Bearer {sig}'\n",
        link_token.reveal(),
        data.join("secret-key").display(),
        curl("mark_contact", DEMO_MARK),
        curl("get_contact_group", DEMO_READ),
    ))
}
