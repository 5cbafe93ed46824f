//! `earmark dev`: everything at once, for a try-out.

use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::available_parallelism;

use anyhow::Context;

use super::{print, serve, unix_now};
use crate::cluster::{Cluster, Lifetime, Settings};
use crate::config::Dev;
use crate::domain::{App, Directory, Edition, SdkAppId, SecretKey, UserSig};
use crate::http::Listen;
use crate::limits::Limits;
use crate::service;
use crate::store::{Database, Store};

const DEMO_APP: i64 = 1_400_000_001;
const DEMO_ADMIN: &str = "administrator";
const DEMO_SIG_LIFETIME_S: u64 = 180 * 24 * 3600;
const DEMO_BODY: &str = r#"{"From_Account":"user0","MarkItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"user1"},"SetMark":[0,32],"CustomMark":"abcd"}]}"#;

pub(super) async fn run(settings: Dev) -> anyhow::Result<()> {
    let mut cluster = Cluster::start(&Settings {
        folder: settings.data.clone(),
        pg_bin: settings.pg_bin.clone(),
        lifetime: Lifetime::Kept,
    })
    .await?;
    let database = Database::from_options(cluster.connect_options());
    let about = format!("{}\n  look inside: {}", cluster.describe(), cluster.psql_hint());
    let served = tokio::select! {
        served = serve(&settings, &database, &about) => served,
        ended = cluster.exited() => Err(ended).context("what was acknowledged is safe: start again"),
    };
    cluster.stop().await?;
    served
}

async fn serve(settings: &Dev, database: &Database, about: &str) -> anyhow::Result<()> {
    let store = Store::connect(database).await?;
    store.migrate().await.context("migrations")?;
    let app = demo_app(&store).await?;
    write_secret_key(&settings.data.join("secret-key"), &app.secret_key)?;
    let listen = Listen {
        address: settings.listen,
        admin_address: None,
        identity: None,
        workers: available_parallelism().map_or(1, Into::into),
        shutdown_s: 10,
    };
    serve::until_signal(store, service::Settings::default(), listen, |at| {
        introduce(at.api, &app, &settings.data, about)
    })
    .await
}

async fn demo_app(store: &Store) -> anyhow::Result<App> {
    let sdk_app_id = SdkAppId::new(DEMO_APP)?;
    if let Some(app) = service::load_app(store, sdk_app_id).await? {
        return Ok(app);
    }
    let app = App {
        sdk_app_id,
        edition: Edition::Premium,
        directory: Directory::Open,
        disabled: false,
        secret_key: service::random_secret_key()?,
        previous_secret_key: None,
        admins: vec![DEMO_ADMIN.to_owned()],
        limits: Limits::default(),
    };
    service::create_app(store, app).await?.context("demo app: someone else has made it")
}

/// The key as the database has it, for its owner's eyes only.
fn write_secret_key(file: &Path, key: &SecretKey) -> anyhow::Result<()> {
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(file)?;
        std::io::Write::write_all(&mut file, format!("{}\n", key.reveal()).as_bytes())
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

fn introduce(address: SocketAddr, app: &App, data: &Path, about: &str) -> anyhow::Result<()> {
    let sig =
        UserSig::sign(&app.secret_key, app.sdk_app_id, DEMO_ADMIN, unix_now(), DEMO_SIG_LIFETIME_S);
    print(&format!(
        "earmark listens on http://{address}\n\
         \x20 app {}, admin {DEMO_ADMIN}, secret key in {}\n\
         \x20 {about}\n\
         \n\
         Mark a conversation:\n\
         \n\
         curl 'http://{address}/v4/recentcontact/mark_contact?sdkappid={}&identifier={DEMO_ADMIN}&usersig={sig}&random=1&contenttype=json' -d '{DEMO_BODY}'\n",
        app.sdk_app_id,
        data.join("secret-key").display(),
        app.sdk_app_id,
    ))
}
