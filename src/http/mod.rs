//! JSON in, JSON out: the route table, the server, and what both protocols share.

mod admin;
mod asset;
mod body;
pub mod caller;
mod connection;
mod console;
mod door;
pub mod failure;
mod faults;
mod health;
pub mod json;
mod listener;
mod openapi;
mod origin;
pub(crate) mod outgoing;
mod problem_details;
mod rate_limit;
pub mod refused;
pub mod request_id;
mod server;
pub mod tencent;
mod tls;
pub mod user_sig;
pub mod v1;
pub mod watch;
mod webhooks;
mod welcome;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::App;
use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
pub use admin::{OperatorToken, Operators};
pub(crate) use admin::{
    app_document, audit_document, changed_app_document, erased_document, listed_app_document,
    removed_document, user_document,
};
pub use console::{Console, Environment};
pub use faults::Faults;
pub use openapi::openapi;
pub use tls::{Identity, TlsError};
pub use v1::openapi as openapi_v1;

use crate::service::Service;
use door::Door;
use listener::bind;
use server::{Serving, serve};

/// Default time for which a connection may be idle, in seconds. Load balancers keep theirs for 60.
pub const KEEP_ALIVE_S: u64 = 75;
/// Default number of connections of clients. Strangers can make the service hold about 32 KiB for each.
pub const CLIENT_CONNECTIONS: u32 = 8192;

/// How the server listens.
#[derive(Debug)]
pub struct Listen {
    /// Where; port 0 takes a free one.
    pub address: SocketAddr,
    /// Where health and metrics are asked, over plain HTTP; nowhere if `None`.
    pub admin_address: Option<SocketAddr>,
    /// Whether the console is served beside the API.
    pub console: Console,
    /// What the console says about where it runs.
    pub environment: Environment,
    /// Who may use the admin API. It is on the listener for operators, and beside the console.
    pub operators: Operators,
    /// Faults on demand, with their paths in the admin API; `None` in production.
    pub faults: Option<Faults>,
    /// With which certificate; plain HTTP without one.
    pub identity: Option<Arc<Identity>>,
    /// Threads that read and answer.
    pub workers: usize,
    /// Most open connections of clients, on each address.
    pub connections_max: u32,
    /// How long a connection may be idle.
    pub keep_alive: Duration,
    /// How long requests in flight may take after the server was told to stop.
    pub shutdown_s: u64,
}

/// Where it listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// The API.
    pub api: SocketAddr,
    /// Health and metrics.
    pub admin: Option<SocketAddr>,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({setting})")]
pub struct ListenError {
    address: SocketAddr,
    setting: &'static str,
    source: std::io::Error,
}

/// Every path for probes and for Prometheus, on a listener of its own.
fn probes(app: &mut ServiceConfig) {
    app.route("/livez", web::get().to(health::live))
        .route("/readyz", web::get().to(health::ready))
        .route("/metrics", web::get().to(health::metrics));
}

/// Starts to listen, and says where. The servers run when they are awaited; their handles stop them. Also starts to deliver to
/// webhooks, which ends when the service stops.
pub fn listen(service: Service, listen: Listen) -> Result<(Addresses, Vec<Server>), ListenError> {
    let failed = |setting, address| move |source| ListenError { address, setting, source };
    let refused = failed("--listen / EARMARK_LISTEN", listen.address);
    let admin_refused = |address| failed("--admin-listen / EARMARK_ADMIN_LISTEN", address);

    let delivered = service.clone();
    let door = Data::new(Door::new(service, listen.faults));
    let (listener, api_address) = bind(listen.address).map_err(refused)?;
    let admin_listener = listen
        .admin_address
        .map(|address| bind(address).map_err(admin_refused(address)))
        .transpose()?;
    let addresses =
        Addresses { api: api_address, admin: admin_listener.as_ref().map(|(_, address)| *address) };

    let (whole, threads) = (door.clone(), listen.workers);
    let (console, environment) = (listen.console, listen.environment);
    let operators = listen.operators.clone();
    let api = Serving {
        workers: listen.workers,
        connections_max: usize::try_from(listen.connections_max).unwrap_or(usize::MAX),
        keep_alive: listen.keep_alive,
        shutdown_s: listen.shutdown_s,
        identity: listen.identity,
    };
    let admin = Serving { workers: 1, identity: None, ..api.clone() };
    // Called once on each worker's thread.
    let server = serve(listener, api, move || {
        let door = whole.for_this_thread(threads);
        App::new()
            .configure(|app| v1::routes(app, door.service.metrics()))
            .configure(|app| tencent::routes(app, door.service.metrics()))
            .configure(|app| {
                console::routes(app, &console, &environment, &operators, door.faults());
            })
            .configure(|app| welcome::routes(app, &console))
            .app_data(Data::new(door))
            .wrap(from_fn(connection::follow))
    });
    let mut servers = vec![server.map_err(refused)?];
    if let Some((listener, address)) = admin_listener {
        let server = serve(listener, admin, move || {
            let app = App::new().app_data(door.clone()).configure(probes);
            app.configure(|app| admin::routes(app, &listen.operators, door.faults()))
                .wrap(from_fn(connection::follow))
        });
        servers.push(server.map_err(admin_refused(address))?);
    }
    if webhooks::is_on(&delivered) {
        tokio::spawn(webhooks::deliver(delivered));
    }
    Ok((addresses, servers))
}
