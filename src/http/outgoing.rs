//! Outgoing HTTP. The address that is checked is the address that is called, redirects are not followed, no proxy is used, and
//! each caller sets a time limit.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

const HEAD_BYTES_MAX: usize = 16 << 10;

/// Why a request was not answered. Operators read it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutgoingError {
    #[error("the URL cannot be used: {0}")]
    Url(&'static str),
    #[error("the host's name cannot be resolved")]
    Unresolved,
    /// The caller does not allow it.
    #[error("{0} may not be called")]
    Forbidden(IpAddr),
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    #[error("no answer in time")]
    Late,
    #[error("the answer broke off: {0}")]
    Broken(hyper::Error),
}

/// The certificates that the system trusts, read at the first request.
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

/// Whether it is an https URL.
pub(crate) fn is_secure(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}

/// An open connection, for one request after the other.
#[derive(Debug)]
pub(crate) struct Outgoing {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    /// Reads and writes. Dropping the set closes the connection.
    _driver: JoinSet<Result<(), hyper::Error>>,
}

impl Outgoing {
    /// Connects to the first address of the URL's host that is allowed and answers. `until` is for the look-up, the connection and
    /// the TLS handshake together.
    pub(crate) async fn open(
        url: &Uri,
        until: Instant,
        allows: impl Fn(IpAddr) -> bool,
    ) -> Result<Self, OutgoingError> {
        let host = url.host().ok_or(OutgoingError::Url("it has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_u16().unwrap_or(if is_secure(url) { 443 } else { 80 });
        let connected = timeout_at(until, connect(host, port, allows)).await;
        let socket = connected.unwrap_or(Err(OutgoingError::Late))?;
        let authority = url.authority().map(ToString::to_string).unwrap_or_default();
        if !is_secure(url) {
            return Self::over(socket, authority).await;
        }
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| OutgoingError::Url("its host is not a name"))?;
        let connected = timeout_at(until, TLS.connect(name, socket)).await;
        let stream = connected.map_err(|_| OutgoingError::Late)?;
        Self::over(stream.map_err(OutgoingError::Connect)?, authority).await
    }

    async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        authority: String,
    ) -> Result<Self, OutgoingError> {
        let mut http = http1::Builder::new();
        let handshake = http.max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(OutgoingError::Broken)?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self { sender, authority, _driver: driver })
    }

    /// Whether the server has kept the connection open.
    pub(crate) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Sends JSON. `path` has the query.
    pub(crate) async fn post(
        &mut self,
        path: &str,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, OutgoingError> {
        self.sender.ready().await.map_err(OutgoingError::Broken)?;
        let mut request = Request::post(path)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("earmark/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(body)));
        let request = request.map_err(|_| OutgoingError::Url("it cannot be requested"))?;
        self.sender.send_request(request).await.map_err(OutgoingError::Broken)
    }
}

/// Connects to the first address of the host that may be called and answers.
async fn connect(
    host: &str,
    port: u16,
    allows: impl Fn(IpAddr) -> bool,
) -> Result<TcpStream, OutgoingError> {
    let found: Vec<SocketAddr> =
        lookup_host((host, port)).await.map_err(|_| OutgoingError::Unresolved)?.collect();
    let mut error = OutgoingError::Unresolved;
    for address in found {
        if !allows(address.ip()) {
            error = OutgoingError::Forbidden(address.ip());
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(failed) => error = OutgoingError::Connect(failed),
        }
    }
    Err(error)
}

/// Reads the body of an answer, but at most `most` bytes.
pub(crate) async fn read_body(
    answer: Response<Incoming>,
    most: usize,
) -> Result<Vec<u8>, OutgoingError> {
    let (mut body, mut bytes) = (answer.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(OutgoingError::Broken)?;
        let data = frame.data_ref().map(Bytes::as_ref).unwrap_or_default();
        bytes.extend_from_slice(data.get(..most - bytes.len()).unwrap_or(data));
        if bytes.len() >= most {
            bytes.truncate(most);
            break;
        }
    }
    Ok(bytes)
}
