//! Services on a database of their own, and clients of their streams.

use anyhow::{Context as _, bail};
use testkit::postgres::Postgres;
use testkit::{APP, Client, Earmark, Scratch, Service};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Fields are dropped in this order.
pub(crate) struct Stand {
    pub(crate) services: Vec<Service>,
    pub(crate) server: Postgres,
    pub(crate) earmark: Earmark,
    _folder: Scratch,
}

impl Stand {
    /// Starts services that accept so many streams.
    pub(crate) fn start(binary: &str, services: usize, streams: usize) -> anyhow::Result<Self> {
        let folder = Scratch::create();
        let server = Postgres::start(folder.path(), &[]).context("no PostgreSQL")?;
        let earmark = Earmark::at(binary.to_owned().leak());
        earmark.prepare(&server.url());
        let connections = (streams + 1000).to_string();
        let start = |_| {
            let serve = earmark.serve(&server.url()).args(["--client-connections", &connections]);
            let service = earmark.start(serve);
            service.wait_until_ready();
            service
        };
        let services = (0..services).map(start).collect();
        Ok(Self { services, server, earmark, _folder: folder })
    }
}

/// Opens a stream of the user with this number, and waits for its first event.
pub(crate) async fn open(client: &Client, nr: usize) -> anyhow::Result<BufReader<TcpStream>> {
    let sig = &client.user_sig;
    let mut socket = TcpStream::connect(client.address).await?;
    let ask = format!(
        "GET /v1/apps/{APP}/users/user{nr}/events HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {sig}\r\n\r\n"
    );
    socket.write_all(ask.as_bytes()).await?;
    let mut stream = BufReader::with_capacity(1024, socket);
    line(&mut stream, "data: ").await?;
    Ok(stream)
}

/// Reads up to a line with these words, and returns it.
pub(crate) async fn line(stream: &mut BufReader<TcpStream>, words: &str) -> anyhow::Result<String> {
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            bail!("a stream has ended");
        }
    }
    Ok(line)
}

/// A connection for one request at a time.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) async fn open(client: &Client) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(client.address).await?;
        socket.set_nodelay(true)?;
        Ok(Self(BufReader::new(socket)))
    }

    /// Sends a request whose head and body are complete, and returns the body of the answer.
    pub(crate) async fn ask(&mut self, request: &str) -> anyhow::Result<String> {
        self.0.get_mut().write_all(request.as_bytes()).await?;
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            if self.0.read_line(&mut line).await? == 0 {
                bail!("the service has closed a connection");
            }
            let header = line.trim_end();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.parse()?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        Ok(String::from_utf8(body)?)
    }
}

/// The share `percent` of the values is not above this one.
pub(crate) fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
}
