//! A PostgreSQL that is reached over TLS and a password, as one elsewhere is.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::{Program, Running, Server, Sql, text};

/// The password of the server's only account.
pub(crate) const PASSWORD: &str = "the-database-password";

/// It takes connections over TLS only, and calls itself `localhost`.
pub(crate) struct TcpServer {
    process: Running,
    port: u16,
    /// Who vouches for its certificate.
    pub(crate) authority: PathBuf,
    /// Somebody else.
    pub(crate) other_authority: PathBuf,
    _files: Server,
}

impl TcpServer {
    /// Starts it; `None`, and a word, where PostgreSQL's own programs are missing.
    pub(crate) fn start() -> Option<Self> {
        let mut files = Server::start();
        let description = files.describe();
        let Some((_, programs)) = description.split_once(" from ") else {
            println!("skipped: this needs PostgreSQL's own programs, not {description}");
            return None;
        };
        let program = PathBuf::from(programs).join("postgres");
        Sql::connect(&files.options()).run(&format!("ALTER ROLE earmark PASSWORD '{PASSWORD}'"));
        files.stop();

        let scratch = files.scratch();
        let (certificate, key, authority) = certificate("localhost");
        let authority = scratch.write("authority.pem", authority);
        let other_authority = scratch.write("other.pem", self::certificate("localhost").2);
        let data = scratch.join("data/pgdata");
        let owner = fs::metadata(&data).unwrap();
        for (name, content) in [
            ("server.crt", certificate),
            ("server.key", key),
            ("pg_hba.conf", "hostssl all all 127.0.0.1/32 scram-sha-256\n".to_owned()),
        ] {
            let file = scratch.write(&format!("data/pgdata/{name}"), content);
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
        }

        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(["-D", &text(&data), "-p", &port.to_string()]);
        for setting in
            ["listen_addresses=127.0.0.1", "unix_socket_directories=", "ssl=on", "fsync=off"]
        {
            command.args(["-c", setting]);
        }
        command.env("LC_ALL", "C").current_dir("/");
        if nix::unistd::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let process = Program::other(command).start();
        process.stderr.line("ready to accept connections");
        Some(Self { process, port, authority, other_authority, _files: files })
    }

    /// A URL for this host name, with these parameters.
    pub(crate) fn url(&self, host: &str, parameters: &str) -> String {
        let port = self.port;
        format!("postgres://earmark:{PASSWORD}@{host}:{port}/earmark?{parameters}")
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        _ = kill(self.process.pid(), Signal::SIGINT);
        self.process.stderr.wait_for_the_end();
    }
}

/// A certificate for this name, its key, and the authority that signed it, in PEM.
pub(crate) fn certificate(name: &str) -> (String, String, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // A name of its own, or OpenSSL takes the certificate for one that has signed itself.
    authority.distinguished_name.push(DnType::CommonName, "earmark's tests");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    (certificate.pem(), key.serialize_pem(), authority.pem())
}
