//! A server that asks for TLS and a password, as a server on another machine does.

use std::path::PathBuf;

use super::Postgres;
use crate::{Scratch, certificate};

/// The password of the superuser `earmark`.
pub const PASSWORD: &str = "the-database-password";

/// A server that only accepts connections over TLS. Its certificate is for `localhost`.
#[derive(Debug)]
pub struct TlsServer {
    postgres: Postgres,
    /// The authority that signed the server's certificate.
    pub authority: PathBuf,
    pub other_authority: PathBuf,
    _scratch: Scratch,
}

impl TlsServer {
    /// On a machine without PostgreSQL's programs, prints why the test is skipped and returns `None`.
    pub fn start() -> Option<Self> {
        let scratch = Scratch::create();
        let pg_hba = "hostssl all all 127.0.0.1/32 scram-sha-256\n";
        let set_password = format!("ALTER ROLE earmark PASSWORD '{PASSWORD}'");
        let mut postgres = Postgres::create(&scratch.join("data"), pg_hba, Some(&set_password))?;
        let own = certificate("localhost");
        postgres.write("server.crt", &own.certificate);
        postgres.write("server.key", &own.key);
        postgres.start_with(&["ssl=on"]);
        let authority = scratch.write("authority.pem", own.authority);
        let other_authority = scratch.write("other.pem", certificate("localhost").authority);
        Some(Self { postgres, authority, other_authority, _scratch: scratch })
    }

    /// A URL with this host name and these parameters.
    pub fn url(&self, host: &str, parameters: &str) -> String {
        let port = self.postgres.port();
        format!("postgres://earmark:{PASSWORD}@{host}:{port}/earmark?{parameters}")
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.postgres.end_quietly();
    }
}
