//! Certificates for TLS.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// A certificate, its key, and the authority that signed it, in PEM.
#[derive(Debug)]
pub struct Certificate {
    pub certificate: String,
    pub key: String,
    pub authority: String,
}

/// Creates an authority and a certificate for this host name.
pub fn certificate(host: &str) -> Certificate {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // The authority needs a name of its own. Otherwise OpenSSL takes the certificate for a self-signed one.
    authority.distinguished_name.push(DnType::CommonName, "earmark's tests");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([host.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    Certificate {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        authority: authority.pem(),
    }
}
