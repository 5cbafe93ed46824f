//! JSON in, JSON out: the route table, and the server.

mod account_check;
mod account_import;
mod caller;
mod contact_item;
mod door;
mod envelope;
mod health;
mod json;
mod mark_contact;
mod multiaccount_import;
mod rate_limit;
mod tls;

use std::net::{SocketAddr, TcpListener};

use actix_web::dev::Server;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpServer, Resource};
pub use tls::{Identity, TlsError};

use crate::error::{Error, Family};
use crate::service::Service;
use door::{Call, Door};

/// How the server listens.
#[derive(Debug)]
pub struct Listen {
    /// Where; port 0 takes a free one.
    pub address: SocketAddr,
    /// Where health is asked, over plain HTTP; nowhere if `None`.
    pub admin_address: Option<SocketAddr>,
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
    /// Health.
    pub admin: Option<SocketAddr>,
}

/// Every path of the API.
fn api(app: &mut ServiceConfig) {
    use Family::{Accounts, RecentContact};
    app.service(call::<mark_contact::MarkContact>(RecentContact, "mark_contact"))
        .service(call::<account_import::AccountImport>(Accounts, "account_import"))
        .service(call::<multiaccount_import::MultiaccountImport>(Accounts, "multiaccount_import"))
        .service(call::<account_check::AccountCheck>(Accounts, "account_check"))
        .default_service(web::to(async || envelope::failure(&Error::UnknownPath, RecentContact)));
}

fn call<C: Call>(family: Family, command: &'static str) -> Resource {
    let service = match family {
        Family::RecentContact => "recentcontact",
        Family::Accounts => "im_open_login_svc",
        Family::ChatGroups => "group_open_http_svc",
    };
    web::resource(format!("/v4/{service}/{command}")).to(move |door, request, payload| {
        door::handle::<C>(door, family, command, request, payload)
    })
}

/// Every path for operators, on a listener of its own.
fn admin(app: &mut ServiceConfig) {
    app.route("/livez", web::get().to(health::live)).route("/readyz", web::get().to(health::ready));
}

/// Starts to listen, and says where. The servers run when they are awaited; their handles stop them.
pub fn listen(service: Service, listen: Listen) -> std::io::Result<(Addresses, Vec<Server>)> {
    let door = Data::new(Door::new(service));
    let listener = TcpListener::bind(listen.address)?;
    let admin_listener = listen.admin_address.map(TcpListener::bind).transpose()?;
    let addresses = Addresses {
        api: listener.local_addr()?,
        admin: admin_listener.as_ref().map(TcpListener::local_addr).transpose()?,
    };

    let shared = door.clone();
    let server = HttpServer::new(move || App::new().app_data(shared.clone()).configure(api))
        .workers(listen.workers)
        .shutdown_timeout(listen.shutdown_s)
        .disable_signals();
    let server = match listen.identity {
        None => server.listen(listener)?,
        Some(identity) => server.listen_rustls_0_23(listener, identity.into_config())?,
    };
    let mut servers = vec![server.run()];
    if let Some(listener) = admin_listener {
        let server = HttpServer::new(move || App::new().app_data(door.clone()).configure(admin))
            .workers(1)
            .shutdown_timeout(listen.shutdown_s)
            .disable_signals();
        servers.push(server.listen(listener)?.run());
    }
    Ok((addresses, servers))
}
