//! The server's certificate and private key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

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

#[derive(Debug)]
pub struct Identity {
    config: ServerConfig,
    certificate_pem: Option<String>,
}

impl Identity {
    /// Reads PEM files.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let bad = |error| TlsError::Certificate(certificate.to_owned(), error);
        let chain: Vec<_> =
            CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect).map_err(bad)?;
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| TlsError::Key(key.to_owned(), error))?;
        Ok(Self { config: config(chain, private)?, certificate_pem: None })
    }

    /// Makes a certificate for `localhost`, the loopback addresses and `host`.
    pub fn self_signed(host: &str) -> Result<Self, TlsError> {
        let names: Vec<String> =
            ["localhost", "127.0.0.1", "::1", host].into_iter().map(Into::into).collect();
        let generated = rcgen::generate_simple_self_signed(names).map_err(TlsError::SelfSigned)?;
        let private = PrivateKeyDer::Pkcs8(generated.signing_key.serialize_der().into());
        let config = config(vec![generated.cert.der().clone()], private)?;
        Ok(Self { config, certificate_pem: Some(generated.cert.pem()) })
    }

    /// The certificate that a client has to trust. `None` if it came from a file.
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
