//! A server that asks for TLS and a password, as a server on another machine does.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;

use super::{Postgres, Sql};
use crate::{Scratch, certificate, text};

/// The password of the superuser `earmark`.
pub const PASSWORD: &str = "the-database-password";

/// A server that accepts TCP connections over TLS only, except from the role `plain`. Its certificate is for `localhost`.
#[derive(Debug)]
pub struct TlsServer {
    postgres: Postgres,
    /// The authority that signed the server's certificate.
    pub authority: PathBuf,
    pub other_authority: PathBuf,
    /// The folder of the server's socket.
    pub socket: PathBuf,
    _scratch: Scratch,
}

impl TlsServer {
    /// On a machine without PostgreSQL's programs, says so and returns `None`.
    pub fn start() -> Option<Self> {
        let scratch = Scratch::create();
        let pg_hba = "hostssl all all 127.0.0.1/32 scram-sha-256\n\
             hostnossl all plain 127.0.0.1/32 scram-sha-256\n\
             local all all scram-sha-256\n";
        let set_password = format!("ALTER ROLE earmark PASSWORD '{PASSWORD}'");
        let mut postgres = Postgres::create(&scratch.join("data"), pg_hba, Some(&set_password))?;
        let own = certificate("localhost");
        postgres.write("server.crt", &own.certificate);
        postgres.write("server.key", &own.key);
        let socket = scratch.join("socket");
        postgres.make_folder(&socket);
        postgres.start_with(&["ssl=on", &format!("unix_socket_directories={}", text(&socket))]);
        let authority = scratch.write("authority.pem", own.authority);
        let other_authority = scratch.write("other.pem", certificate("localhost").authority);
        Some(Self { postgres, authority, other_authority, socket, _scratch: scratch })
    }

    /// A URL with this host name and these parameters.
    pub fn url(&self, host: &str, parameters: &str) -> String {
        let port = self.postgres.port();
        format!("postgres://earmark:{PASSWORD}@{host}:{port}/earmark?{parameters}")
    }

    pub fn port(&self) -> u16 {
        self.postgres.port()
    }

    pub fn data(&self) -> &Path {
        self.postgres.data()
    }

    /// A session of the superuser.
    pub fn sql(&self) -> Sql {
        Sql::connect(&PgConnectOptions::from_str(&self.url("127.0.0.1", "")).unwrap())
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.postgres.end_quietly();
    }
}
