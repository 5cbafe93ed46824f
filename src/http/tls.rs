//! The server's certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What keeps a certificate from being used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file.
    #[error("--tls-cert {0}: {1}")]
    Certificate(PathBuf, rustls::pki_types::pem::Error),
    /// The key file.
    #[error("--tls-key {0}: {1}")]
    Key(PathBuf, rustls::pki_types::pem::Error),
    /// The two do not fit.
    #[error("--tls-cert and --tls-key do not go together: {0}")]
    Mismatch(rustls::Error),
    /// None could be made.
    #[error("--tls-self-signed: {0}")]
    SelfSigned(rcgen::Error),
}

/// A certificate chain with its key, ready to serve.
#[derive(Debug)]
pub struct Identity {
    config: ServerConfig,
    certificate_pem: Option<String>,
}

impl Identity {
    /// The certificate chain and the key in these PEM files.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let bad = |error| TlsError::Certificate(certificate.to_owned(), error);
        let chain: Vec<_> =
            CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect).map_err(bad)?;
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| TlsError::Key(key.to_owned(), error))?;
        Ok(Self { config: config(chain, private)?, certificate_pem: None })
    }

    /// A certificate made for the occasion, for `localhost`, loopback addresses and `host`.
    pub fn self_signed(host: &str) -> Result<Self, TlsError> {
        let names: Vec<String> =
            ["localhost", "127.0.0.1", "::1", host].into_iter().map(Into::into).collect();
        let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::SelfSigned)?;
        let private = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = config(vec![made.cert.der().clone()], private)?;
        Ok(Self { config, certificate_pem: Some(made.cert.pem()) })
    }

    /// The certificate that a client has to trust, if it was made for the occasion.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate_pem.as_deref()
    }

    pub(super) fn into_config(self) -> ServerConfig {
        self.config
    }
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsError::Mismatch)
}
