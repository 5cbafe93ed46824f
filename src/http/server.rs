//! A listener and its worker threads. This is what `actix_web::HttpServer` does, with our own [`Connection`] between actix and
//! the socket.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Request, Response};
use actix_server::{GracefulShutdownSignal, Server};
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::body::MessageBody;
use actix_web::dev::AppConfig;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connection::Connection;
use super::door::LastRequest;
use super::tls::Identity;

/// Time limit for a TLS handshake, and for its first byte.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(3);

/// How a listener serves.
#[derive(Debug, Clone)]
pub(super) struct Serving {
    pub(super) workers: usize,
    /// For all workers together.
    pub(super) connections_max: usize,
    pub(super) keep_alive: Duration,
    pub(super) shutdown_s: u64,
    /// Plain HTTP if `None`.
    pub(super) identity: Option<Arc<Identity>>,
}

/// Starts the worker threads. Each calls `app` once. The server runs when it is awaited.
pub(super) fn serve<F, I, S, B>(
    listener: TcpListener,
    serving: Serving,
    app: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Error = actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    let Serving { workers, connections_max, shutdown_s, .. } = serving;
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(connections_max.div_ceil(workers))
        .shutdown_timeout(shutdown_s)
        .disable_signals();
    let stop = builder.graceful_shutdown_signal();
    let factory = move || {
        let app = app().into_factory().map_err(|error| error.error_response());
        let (serving, stop) = (serving.clone(), stop.clone());
        let http = HttpService::build()
            // `Connection` has the time limits. actix's own linger would send the end of the stream after it, and a client
            // that waits for the end would wait for all of it.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(Duration::ZERO)
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.progress());
                data.insert(LastRequest::default());
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let handshakes = Rc::new(Semaphore::new(1));
        fn_service(move |socket| open(socket, serving.clone(), handshakes.clone(), stop.clone()))
            .and_then(http)
    };
    Ok(builder.listen("http", listener, factory)?.run())
}

/// Waits for the first bytes of a new connection, and for its TLS handshake. Until then it takes almost no memory.
async fn open(
    socket: TcpStream,
    serving: Serving,
    handshakes: Rc<Semaphore>,
    stop: GracefulShutdownSignal,
) -> Result<(Connection, Option<SocketAddr>), DispatchError> {
    let first_byte = match serving.identity {
        None => serving.keep_alive,
        // A TLS client speaks at once.
        Some(_) => HANDSHAKE_TIME_MAX,
    };
    tokio::select! {
        ready = timeout(first_byte, socket.readable()) => {
            ready.map_err(|_| DispatchError::SlowRequestTimeout)?.map_err(DispatchError::Io)?;
        }
        // `Connection` reads what has arrived, and closes the connection if it is nothing.
        () = stop.notified() => {}
    }
    let peer = socket.peer_addr().ok();
    // An answer is small and whole: nothing is gained by waiting for more of it.
    socket.set_nodelay(true).map_err(DispatchError::Io)?;
    let keep_alive = serving.keep_alive;
    let stopped = async move { stop.notified().await };
    let connection = match serving.identity {
        None => Connection::new(Box::new(socket), keep_alive, stopped),
        Some(identity) => {
            // Boxed: otherwise the task of each connection has room for a handshake as long as it lives, also without TLS.
            let handshake = Box::pin(identity.accept(socket, &handshakes));
            let stream = timeout(HANDSHAKE_TIME_MAX, handshake)
                .await
                .map_err(|_| DispatchError::SlowRequestTimeout)?
                .map_err(DispatchError::Io)?;
            Connection::new(Box::new(stream), keep_alive, stopped)
        }
    };
    Ok((connection, peer))
}
