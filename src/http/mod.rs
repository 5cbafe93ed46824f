//! JSON in, JSON out: the route table, and the server.

mod admin;
mod asset;
mod console;
mod health;
mod listener;
mod openapi;
mod origin;
mod problem_details;
pub mod request_id;
pub mod tencent;
mod tls;

use std::net::SocketAddr;

use actix_web::dev::Server;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpServer};
pub(crate) use admin::app_document;
pub use admin::{OperatorToken, Operators};
pub use console::Console;
pub use openapi::openapi;
pub use tls::{Identity, TlsError};

use crate::service::Service;
use listener::bind;
use tencent::door::{Door, LastRequest};

/// Connections that may wait to be accepted. What comes beyond that the kernel ignores, and the client tries again after a
/// second. The kernel has a maximum of its own, net.core.somaxconn.
const WAITING_CONNECTIONS_MAX: i32 = 4096;

/// How the server listens.
#[derive(Debug)]
pub struct Listen {
    /// Where; port 0 takes a free one.
    pub address: SocketAddr,
    /// Where health and metrics are asked, over plain HTTP; nowhere if `None`.
    pub admin_address: Option<SocketAddr>,
    /// Whether the console is served beside the API.
    pub console: Console,
    /// Who may use the admin API. It is on the listener for operators, and beside the console.
    pub operators: Operators,
    /// With which certificate; plain HTTP without one.
    pub identity: Option<Identity>,
    /// Threads that read and answer.
    pub workers: usize,
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

/// Starts to listen, and says where. The servers run when they are awaited; their handles stop them.
pub fn listen(service: Service, listen: Listen) -> Result<(Addresses, Vec<Server>), ListenError> {
    let failed = |setting, address| move |source| ListenError { address, setting, source };
    let refused = failed("--listen / EARMARK_LISTEN", listen.address);
    let admin_refused = |address| failed("--admin-listen / EARMARK_ADMIN_LISTEN", address);

    let door = Data::new(Door::new(service));
    let (listener, api_address) = bind(listen.address).map_err(refused)?;
    let admin_listener = listen
        .admin_address
        .map(|address| bind(address).map_err(admin_refused(address)))
        .transpose()?;
    let addresses =
        Addresses { api: api_address, admin: admin_listener.as_ref().map(|(_, address)| *address) };

    let (whole, threads) = (door.clone(), listen.workers);
    let (console, operators) = (listen.console, listen.operators.clone());
    // Called once on each worker's thread.
    let server = HttpServer::new(move || {
        let door = whole.for_this_thread(threads);
        App::new()
            .configure(|app| tencent::routes(app, door.service.metrics()))
            .configure(|app| console::routes(app, &console, &operators))
            .app_data(Data::new(door))
    });
    let server = server.on_connect(|_, connection| {
        connection.insert(LastRequest::default());
    });
    // An answer is small and whole: nothing is gained by waiting for more of it.
    let server = server.tcp_nodelay(true).workers(listen.workers);
    let server = server.shutdown_timeout(listen.shutdown_s).disable_signals();
    let server = match listen.identity {
        None => server.listen(listener),
        Some(identity) => server.listen_rustls_0_23(listener, identity.into_config()),
    };
    let mut servers = vec![server.map_err(refused)?.run()];
    if let Some((listener, address)) = admin_listener {
        let server = HttpServer::new(move || {
            let app = App::new().app_data(door.clone()).configure(probes);
            app.configure(|app| admin::routes(app, &listen.operators))
        });
        let server = server.workers(1).shutdown_timeout(listen.shutdown_s).disable_signals();
        servers.push(server.listen(listener).map_err(admin_refused(address))?.run());
    }
    Ok((addresses, servers))
}
