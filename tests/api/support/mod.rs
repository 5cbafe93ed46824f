//! A running service, and ways to call it.

mod answer;
mod citus;
mod code;
pub(crate) mod database;
pub(crate) mod document;
mod histories;
mod page;
mod reads;
mod requests;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::dev::ServerHandle;
use actix_web::http::Method;
use earmark::audit::{COMMAND_LINE, Operator};
use earmark::deadline::Deadline;
use earmark::domain::{App, Directory, Edition, SdkAppId, SecretKey};
use earmark::http::user_sig::UserSig;
use earmark::http::{
    Addresses, CLIENT_CONNECTIONS, Console, Environment, Identity, KEEP_ALIVE_S, Listen, Operators,
    listen,
};
use earmark::service::{
    AppChange, AppSettings, Service, Settings, WebhookHosts, create_app, load_app, update_app,
};
use earmark::store::{Database, Partitions};
use futures_util::future::join_all;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::runtime::Runtime;

pub(crate) use answer::{
    Answer, Outcome, assert_codes, assert_item_codes, raw, raw_bytes, raw_text,
};
pub(crate) use code::Code::{self, *};
use database::Server;
pub(crate) use histories::check_histories;
pub(crate) use page::Page;
pub(crate) use requests::*;
pub(crate) use state::{Mark, marked, until};

pub(crate) const APP: i64 = 1_400_000_001;
pub(crate) const ADMIN: &str = "administrator";
pub(crate) const KEY: &str = "test-secret-key-0123456789abcdef";

const STOP_TIME_MAX: Duration = Duration::from_secs(30);
const DAY_S: u64 = 24 * 3600;

/// Servers and their connections run here, so that they outlive the runtime of a test that fails.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// A running service on a database of its own, with one app: edition `premium`, directory `open`, one admin.
///
/// Dropping it stops everything and waits for the end, so that a test that fails cleans up as well.
pub(crate) struct TestApp {
    pub(crate) addresses: Addresses,
    /// The service's database.
    pub(crate) db: PgPool,
    /// For the work of operators.
    pub(crate) partitions: Partitions,
    pub(crate) client: awc::Client,
    instances: Vec<Instance>,
    server: Option<Arc<Server>>,
    database: String,
}

/// The settings in which the services of one test differ.
#[derive(Default)]
pub(crate) struct Front {
    pub(crate) identity: Option<Identity>,
    pub(crate) console: Console,
    pub(crate) environment: Environment,
    pub(crate) operators: Operators,
    /// `None` delivers nothing.
    pub(crate) webhooks: Option<WebhookHosts>,
}

/// What one process of the service consists of.
struct Instance {
    service: Service,
    handles: Vec<ServerHandle>,
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts with other limits than the defaults, written as operators write them.
    pub(crate) async fn with_limits(limits: &[&str]) -> Self {
        Self::start_with(Some(set_limits(limits))).await
    }

    pub(crate) async fn with(edition: Edition, directory: Directory) -> Self {
        let (edition, directory) = (Some(edition), Some(directory));
        let settings = AppSettings { edition, directory, ..AppSettings::default() };
        Self::start_with(Some(AppChange::Set(settings))).await
    }

    async fn start_with(change: Option<AppChange>) -> Self {
        Self::start_on(on_runtime(database::server()).await, change).await
    }

    /// Starts on a PostgreSQL server of the test's own.
    pub(crate) async fn start_on(server: Arc<Server>, change: Option<AppChange>) -> Self {
        let (server, name, partitions, addresses, instance) = on_runtime(async move {
            let name = server.create_database().await;
            let partitions = Partitions::connect(&server.database(&name)).await.unwrap();
            create_app(&partitions, app(APP, KEY), &operator(), Deadline::of_a_request())
                .await
                .unwrap()
                .unwrap();
            if let Some(change) = change {
                update_app(
                    &partitions,
                    SdkAppId::new(APP).unwrap(),
                    change,
                    None,
                    Deadline::of_a_request(),
                )
                .await
                .unwrap()
                .unwrap();
            }
            let (addresses, instance) =
                start_instance(&server.database(&name), Front::default()).await;
            (server, name, partitions, addresses, instance)
        })
        .await;
        Self {
            addresses,
            db: PgPool::connect_lazy_with(server.options_of_all(&name)),
            partitions,
            client: awc::Client::builder().timeout(Duration::from_mins(1)).finish(),
            instances: vec![instance],
            server: Some(server),
            database: name,
        }
    }

    /// Starts the service a second time on the same database, like another process. It has not read the app yet.
    pub(crate) async fn start_another(&mut self) -> SocketAddr {
        self.start_front(Front::default()).await.api
    }

    /// Starts the service a second time, over TLS.
    pub(crate) async fn start_secure(&mut self, identity: Identity) -> SocketAddr {
        self.start_front(Front { identity: Some(identity), ..Front::default() }).await.api
    }

    /// Starts the service a second time, with these settings.
    pub(crate) async fn start_front(&mut self, front: Front) -> Addresses {
        let database = self.server.as_ref().unwrap().database(&self.database);
        let (addresses, instance) =
            on_runtime(async move { start_instance(&database, front).await }).await;
        self.instances.push(instance);
        addresses
    }

    /// Announces the stop of the first service, as SIGTERM does.
    pub(crate) fn announce_stop(&self) {
        self.instances[0].service.announce_stop();
    }

    /// How to connect to the service's database.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.server.as_ref().unwrap().options(&self.database)
    }

    /// Changes the app while the service runs, as an operator does.
    pub(crate) async fn change(&self, change: AppChange) {
        let partitions = self.partitions.clone();
        on_runtime(async move {
            update_app(
                &partitions,
                SdkAppId::new(APP).unwrap(),
                change,
                None,
                Deadline::of_a_request(),
            )
            .await
            .unwrap()
            .unwrap();
        })
        .await;
    }

    /// The app, as it is stored.
    pub(crate) async fn app(&self) -> App {
        let store = self.partitions.shared().clone();
        let load = async move {
            load_app(&store, SdkAppId::new(APP).unwrap(), Deadline::of_a_request()).await
        };
        on_runtime(load).await.unwrap().unwrap()
    }

    /// Adds an app with the same admin and limits.
    pub(crate) async fn add_app(&self, number: i64, key: &str) {
        let (partitions, app) = (self.partitions.clone(), app(number, key));
        on_runtime(async move {
            create_app(&partitions, app, &operator(), Deadline::of_a_request())
                .await
                .unwrap()
                .unwrap()
        })
        .await;
    }

    /// Calls a command as the admin.
    pub(crate) async fn call(&self, command: &str, body: impl ToString) -> Answer {
        self.call_at(self.addresses.api, command, body).await
    }

    /// Calls a command as the admin, at the service that listens on this address.
    pub(crate) async fn call_at(
        &self,
        address: SocketAddr,
        command: &str,
        body: impl ToString,
    ) -> Answer {
        self.call_with(address, command, &query(), body).await
    }

    /// Calls a command with this query instead of the admin's.
    pub(crate) async fn call_as(&self, command: &str, query: &str, body: impl ToString) -> Answer {
        self.call_with(self.addresses.api, command, query, body).await
    }

    /// Calls a command, and compares the answer with the OpenAPI document.
    async fn call_with(
        &self,
        address: SocketAddr,
        command: &str,
        query: &str,
        body: impl ToString,
    ) -> Answer {
        let url = format!("http://{address}/v4/{command}?{query}");
        let body = body.to_string();
        let request = format!("{command}?{query} {body:.1000}");
        let answer = self.send(Method::POST, &url, body.into_bytes()).await.with_request(request);
        document::check_answer(command, &answer);
        answer
    }

    /// Sends anything that a well-behaved HTTP client can send.
    pub(crate) async fn send(&self, method: Method, url: &str, body: Vec<u8>) -> Answer {
        let request = format!("{method} {url}");
        let mut response = self.client.request(method, url).send_body(body).await.unwrap();
        let body = response.body().limit(64 << 20).await.unwrap();
        let content_type =
            response.headers().get("content-type").map(awc::http::header::HeaderValue::as_bytes);
        Answer::read(response.status().as_u16(), content_type, &body).with_request(request)
    }

    /// Marks conversations. Unless the service refuses the call, each item must be answered.
    pub(crate) async fn mark(&self, owner: &str, items: impl IntoIterator<Item = Value>) -> Answer {
        self.mark_at(self.addresses.api, owner, items).await
    }

    /// Like [`Self::mark`], at the service that listens on this address.
    pub(crate) async fn mark_at(
        &self,
        address: SocketAddr,
        owner: &str,
        items: impl IntoIterator<Item = Value>,
    ) -> Answer {
        let items: Vec<Value> = items.into_iter().collect();
        let count = items.len();
        let answer = self.call_at(address, MARK_CONTACT, mark_contact(owner, items)).await;
        assert!(answer.code() != Code::Ok || answer.items().len() == count, "{answer}");
        answer
    }

    /// Imports an account.
    pub(crate) async fn import(&self, user: &str) {
        self.call(ACCOUNT_IMPORT, serde_json::json!({ "UserID": user })).await.assert_ok();
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        let (instances, server) = (std::mem::take(&mut self.instances), self.server.take());
        let (partitions, database) = (self.partitions.clone(), std::mem::take(&mut self.database));
        let (done, wait) = mpsc::channel();
        RUNTIME.spawn(async move {
            let stop = async {
                for Instance { service, handles } in instances {
                    join_all(handles.iter().map(|handle| handle.stop(false))).await;
                    service.close().await;
                }
                partitions.close().await;
            };
            let stopped = tokio::time::timeout(STOP_TIME_MAX, stop).await.is_ok();
            // Even if the service did not stop, the database must go.
            if let Some(server) = server {
                server.drop_database(&database).await;
                database::release(server).await;
            }
            // The receiver is gone only if this took too long, which fails the test there.
            let _ = done.send(stopped);
        });
        let stopped = wait.recv_timeout(2 * STOP_TIME_MAX);
        if !std::thread::panicking() {
            assert_eq!(stopped, Result::Ok(true), "the service did not stop");
        }
    }
}

async fn start_instance(database: &Database, front: Front) -> (Addresses, Instance) {
    let webhooks = front.webhooks.unwrap_or(WebhookHosts::Off);
    let settings = Settings { webhooks, ..Settings::default() };
    let service = Service::new(Partitions::connect(database).await.unwrap(), settings);
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let wanted = Listen {
        address: anywhere,
        admin_address: Some(anywhere),
        console: front.console,
        environment: front.environment,
        operators: front.operators,
        faults: None,
        identity: front.identity.map(Arc::new),
        workers: 2,
        connections_max: CLIENT_CONNECTIONS,
        keep_alive: Duration::from_secs(KEEP_ALIVE_S),
        shutdown_s: 10,
    };
    let (addresses, servers) = listen(service.clone(), wanted).unwrap();
    let handles = servers.iter().map(actix_web::dev::Server::handle).collect();
    tokio::spawn(join_all(servers));
    (addresses, Instance { service, handles })
}

/// Runs `work` on the runtime of the servers.
pub(crate) async fn on_runtime<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    RUNTIME.spawn(work).await.unwrap()
}

fn app(number: i64, key: &str) -> App {
    let app = App::new(SdkAppId::new(number).unwrap(), SecretKey::parse(key).unwrap());
    App { directory: Directory::Open, ..app }
}

/// Who changes something in a test.
pub(crate) fn operator() -> Operator {
    Operator { name: "test".to_owned(), origin: COMMAND_LINE.to_owned(), request_id: None }
}

/// The change that disables an app, or enables it again.
pub(crate) fn set_disabled(disabled: bool) -> AppChange {
    AppChange::Set(AppSettings { disabled: Some(disabled), ..AppSettings::default() })
}

/// The change that sets limits, written as operators write them.
pub(crate) fn set_limits(limits: &[&str]) -> AppChange {
    let limits = limits.iter().map(|limit| limit.parse().unwrap()).collect();
    AppChange::Set(AppSettings { limits, ..AppSettings::default() })
}

/// A UserSig that is valid for a day from now.
pub(crate) fn user_sig(key: &str, sdk_app_id: i64, identifier: &str) -> String {
    user_sig_from(unix_now(), key, sdk_app_id, identifier)
}

/// A UserSig that is valid for a day from `issued_at`, in seconds since 1970.
pub(crate) fn user_sig_from(
    issued_at: u64,
    key: &str,
    sdk_app_id: i64,
    identifier: &str,
) -> String {
    let (key, number) = (SecretKey::parse(key).unwrap(), SdkAppId::new(sdk_app_id).unwrap());
    UserSig::sign(&key, number, identifier, issued_at, DAY_S)
}

pub(crate) fn unix_now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the service uses the same clock")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The query of a call by the admin.
pub(crate) fn query() -> String {
    query_of(APP, ADMIN, &user_sig(KEY, APP, ADMIN))
}

pub(crate) fn query_of(sdk_app_id: i64, identifier: &str, user_sig: &str) -> String {
    format!(
        "sdkappid={sdk_app_id}&identifier={identifier}&usersig={user_sig}&random=4294967295&contenttype=json"
    )
}
