//! The server's certificate and private key.

use std::future::poll_fn;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("--tls-cert {0}: {1}")]
    Certificate(PathBuf, rustls::pki_types::pem::Error),
    #[error("--tls-key {0}: {1}")]
    Key(PathBuf, rustls::pki_types::pem::Error),
    #[error("--tls-cert and --tls-key do not go together: {0}")]
    Mismatch(rustls::Error),
    #[error("--tls-self-signed: {0}")]
    SelfSigned(rcgen::Error),
}

/// What the server proves who it is with. New connections use the newest certificate.
#[derive(Debug)]
pub struct Identity {
    newest: RwLock<Loaded>,
    /// `None` if the certificate did not come from files.
    files: Option<Files>,
    certificate_pem: Option<String>,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Debug)]
struct Loaded {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    config: Arc<ServerConfig>,
}

impl Identity {
    /// Reads PEM files.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let (chain, private) = files.read()?;
        let newest = RwLock::new(Loaded::new(chain, private)?);
        Ok(Self { newest, files: Some(files), certificate_pem: None })
    }

    /// Makes a certificate for `localhost`, the loopback addresses and `host`.
    pub fn self_signed(host: &str) -> Result<Self, TlsError> {
        let names: Vec<String> =
            ["localhost", "127.0.0.1", "::1", host].into_iter().map(Into::into).collect();
        let generated = rcgen::generate_simple_self_signed(names).map_err(TlsError::SelfSigned)?;
        let private = PrivateKeyDer::Pkcs8(generated.signing_key.serialize_der().into());
        let newest = RwLock::new(Loaded::new(vec![generated.cert.der().clone()], private)?);
        Ok(Self { newest, files: None, certificate_pem: Some(generated.cert.pem()) })
    }

    /// The certificate that a client has to trust. `None` if it came from a file.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate_pem.as_deref()
    }

    /// Reads the files again. Returns whether they have changed. If they cannot be used, the certificate from before
    /// stays in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let Some(files) = &self.files else { return Ok(false) };
        let (chain, key) = files.read()?;
        {
            let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
            if newest.chain == chain && newest.key == key {
                return Ok(false);
            }
        }
        let loaded = Loaded::new(chain, key)?;
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(true)
    }

    fn config(&self) -> Arc<ServerConfig> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// Does a handshake.
    ///
    /// The reply to the client's first message takes most of its processor time, and a stranger needs no key to ask for one. So
    /// the handshakes of a worker take `turns`, and after each reply the worker serves its other connections.
    pub(super) async fn accept(
        &self,
        socket: TcpStream,
        turns: &Semaphore,
    ) -> io::Result<TlsStream<TcpStream>> {
        let first_message = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
        let turn = turns.acquire().await;
        let mut handshake = pin!(first_message.into_stream(self.config()));
        let replied = poll_fn(|context| Poll::Ready(handshake.as_mut().poll(context))).await;
        yield_now().await;
        drop(turn);
        match replied {
            Poll::Ready(done) => done,
            Poll::Pending => handshake.await,
        }
    }
}

impl Files {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let bad = |error| TlsError::Certificate(self.certificate.clone(), error);
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .map_err(bad)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| TlsError::Key(self.key.clone(), error))?;
        Ok((chain, key))
    }
}

impl Loaded {
    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(chain.clone(), key.clone_key())
            })
            .map_err(TlsError::Mismatch)?;
        Ok(Self { chain, key, config: Arc::new(config) })
    }
}
