//! Sends one message. The address that is checked is the address that is called, redirects are not followed, no proxy is used,
//! and everything has a time limit.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::address::is_public;
use super::message::Message;
use crate::domain::WebhookUrl;
use crate::service::WebhookHosts;

/// For the look-up, the connection and the TLS handshake together.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// From the begin to the end of the answer.
const TIME_MAX: Duration = Duration::from_secs(15);
/// Of an answer's body, this much is read to see that the answer is whole.
const BODY_BYTES_MAX: usize = 64 << 10;
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Why a message was not delivered. Operators read it.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the URL cannot be used: {0}")]
    Url(&'static str),
    #[error("the host's name cannot be resolved")]
    Unresolved,
    #[error("{0} is not a public address (--webhooks)")]
    NotPublic(IpAddr),
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    #[error("no answer in time")]
    Late,
    #[error("the answer broke off: {0}")]
    Broken(hyper::Error),
    #[error("the answer was {0}")]
    Status(u16),
}

/// The certificates that the system trusts, read at the first message.
static TLS: LazyLock<TlsConnector> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    #[expect(clippy::expect_used, reason = "ring supports the default versions")]
    let config = config.expect("TLS versions").with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(Arc::new(config))
});

/// Delivered means that the whole answer was received, with a status of 2xx.
pub(super) async fn send(
    hosts: WebhookHosts,
    url: &WebhookUrl,
    message: &Message,
) -> Result<(), SendError> {
    timeout(TIME_MAX, attempt(hosts, url, message)).await.unwrap_or(Err(SendError::Late))
}

async fn attempt(
    hosts: WebhookHosts,
    url: &WebhookUrl,
    message: &Message,
) -> Result<(), SendError> {
    let url: Uri = url.as_str().parse().map_err(|_| SendError::Url("it is not a URI"))?;
    let host = url.host().ok_or(SendError::Url("it has no host"))?;
    let is_secure = url.scheme_str() == Some("https");
    if !is_secure && hosts != WebhookHosts::Any {
        return Err(SendError::Url("it must be https (--webhooks)"));
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let until = Instant::now() + CONNECT_TIME_MAX;
    let connected = timeout_at(until, connect(hosts, host, port)).await;
    let socket = connected.unwrap_or(Err(SendError::Late))?;
    if !is_secure {
        return exchange(socket, &url, message).await;
    }
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| SendError::Url("its host is not a name"))?;
    let connected = timeout_at(until, TLS.connect(name, socket)).await;
    let stream = connected.map_err(|_| SendError::Late)?.map_err(SendError::Connect)?;
    exchange(stream, &url, message).await
}

/// Connects to the first address of the host that may be called and answers.
async fn connect(hosts: WebhookHosts, host: &str, port: u16) -> Result<TcpStream, SendError> {
    let found: Vec<SocketAddr> =
        lookup_host((host, port)).await.map_err(|_| SendError::Unresolved)?.collect();
    let mut error = SendError::Unresolved;
    for address in found {
        if hosts != WebhookHosts::Any && !is_public(address.ip()) {
            error = SendError::NotPublic(address.ip());
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(failed) => error = SendError::Connect(failed),
        }
    }
    Err(error)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    url: &Uri,
    message: &Message,
) -> Result<(), SendError> {
    let mut http = http1::Builder::new();
    let handshake = http.max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(SendError::Broken)?;
    // Dropping the set ends the connection.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let authority = url.authority().map(ToString::to_string).unwrap_or_default();
    let mut request = Request::post(path)
        .header(HOST, authority)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("earmark/", env!("CARGO_PKG_VERSION")));
    for (name, value) in message.headers() {
        request = request.header(name, value);
    }
    let body = Full::new(Bytes::from(message.body.clone()));
    let request = request.body(body).map_err(|_| SendError::Url("it cannot be requested"))?;
    let answer = sender.send_request(request).await.map_err(SendError::Broken)?;
    if !answer.status().is_success() {
        return Err(SendError::Status(answer.status().as_u16()));
    }
    let (mut body, mut length) = (answer.into_body(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(SendError::Broken)?;
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > BODY_BYTES_MAX {
            break;
        }
    }
    Ok(())
}
