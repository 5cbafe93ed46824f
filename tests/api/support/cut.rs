//! A proxy in front of PostgreSQL that cuts the first connection that commits a write.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use earmark::store::Database;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::on_runtime;

/// Where the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// PostgreSQL never receives the commit.
    BeforeCommit,
    /// PostgreSQL commits, but the client never receives the answer.
    AfterCommit,
}

/// The proxy. It runs until the process ends.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    server: PgConnectOptions,
}

impl Proxy {
    pub(crate) async fn start(server: PgConnectOptions, cut: Cut) -> Self {
        let target = server.clone();
        let address = on_runtime(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let is_done = Arc::new(AtomicBool::new(false));
            tokio::spawn(async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(serve(client, target.clone(), cut, is_done.clone()));
                }
            });
            address
        })
        .await;
        Self { address, server }
    }

    /// The database, to be connected to through the proxy.
    pub(crate) fn database(&self) -> Database {
        let options = if self.server.get_socket().is_some() {
            // The private server's socket needs no password.
            PgConnectOptions::new_without_pgpass()
                .username(self.server.get_username())
                .database(self.server.get_database().unwrap_or("postgres"))
        } else {
            self.server.clone()
        };
        let host = self.address.ip().to_string();
        let options = options.host(&host).port(self.address.port()).ssl_mode(PgSslMode::Disable);
        Database::from_options(options)
    }
}

async fn serve(client: TcpStream, server: PgConnectOptions, cut: Cut, is_done: Arc<AtomicBool>) {
    if let Some(folder) = server.get_socket() {
        let path = folder.join(format!(".s.PGSQL.{}", server.get_port()));
        let stream = UnixStream::connect(path).await.unwrap();
        let (from, to) = stream.into_split();
        relay(client, from, to, cut, is_done).await;
    } else {
        let address = (server.get_host().to_owned(), server.get_port());
        let stream = TcpStream::connect(address).await.unwrap();
        let (from, to) = stream.into_split();
        relay(client, from, to, cut, is_done).await;
    }
}

/// Copies bytes both ways until one side closes, or until the commit. Closes both sides at the end.
async fn relay(
    client: TcpStream,
    mut server_out: impl AsyncRead + Unpin,
    mut server_in: impl AsyncWrite + Unpin,
    cut: Cut,
    is_done: Arc<AtomicBool>,
) {
    let (mut client_out, mut client_in) = client.into_split();
    let up = async {
        let (mut buffer, mut in_transaction, mut has_written) = (vec![0; 64 * 1024], false, false);
        while let Ok(length @ 1..) = client_out.read(&mut buffer).await {
            let bytes = &buffer[..length];
            let has = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
            // Outside of a transaction, the statement that writes commits as well. The client first prepares it, and
            // then executes it.
            let commits = has_written && (has(b"COMMIT") || !in_transaction);
            in_transaction |= has(b"BEGIN");
            has_written |= has(b"INSERT INTO conversations");
            if commits && !is_done.swap(true, Ordering::SeqCst) {
                if cut == Cut::AfterCommit {
                    server_in.write_all(bytes).await.unwrap();
                    // PostgreSQL answers when it has committed. The caller drops that answer.
                    return true;
                }
                return false;
            }
            if server_in.write_all(bytes).await.is_err() {
                break;
            }
        }
        false
    };
    tokio::pin!(up);
    let wait_for_answer = tokio::select! {
        wait = &mut up => wait,
        _ = copy(&mut server_out, &mut client_in) => false,
    };
    if wait_for_answer {
        let _ = server_out.read(&mut [0; 1024]).await;
    }
}
