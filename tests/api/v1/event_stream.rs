//! A client of `events` that sees every byte.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::*;

/// Longer than the pause between two comments.
const TIME_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct EventStream {
    socket: BufReader<TcpStream>,
    /// The status line and the headers.
    pub(super) head: String,
}

#[derive(Debug, PartialEq)]
pub(super) struct Event {
    /// Empty if there is none.
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) data: Value,
}

impl EventStream {
    /// Opens a stream as the admin. The path is below `/v1/apps/{app}`.
    pub(super) async fn open(address: SocketAddr, path: &str) -> Self {
        let stream = Self::open_by(address, path, &user_sig(KEY, APP, ADMIN), "").await;
        assert!(stream.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", stream.head);
        stream
    }

    /// Sends these headers as well, each of which is a line with its `\r\n`.
    pub(super) async fn open_by(
        address: SocketAddr,
        path: &str,
        user_sig: &str,
        headers: &str,
    ) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // A client that does not read is noticed early.
        socket.set_recv_buffer_size(4096).unwrap();
        let mut socket = socket.connect(address).await.unwrap();
        let ask = format!(
            "GET /v1/apps/{APP}{path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {user_sig}\r\n{headers}\r\n"
        );
        socket.write_all(ask.as_bytes()).await.unwrap();
        let mut stream = Self { socket: BufReader::new(socket), head: String::new() };
        while !stream.head.ends_with("\r\n\r\n") {
            let line = stream.line().await.expect("a head");
            stream.head += &line;
        }
        stream
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(TIME_MAX, self.socket.read_line(&mut line)).await;
        // A connection that the service gives up is reset.
        let length = read.expect("the service is silent").unwrap_or_default();
        (length > 0).then_some(line)
    }

    /// The next chunk of the answer, which is an event or a comment. `None` at the end.
    pub(super) async fn part(&mut self) -> Option<String> {
        let size = self.line().await?;
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        timeout(TIME_MAX, self.socket.read_exact(&mut chunk)).await.unwrap().ok()?;
        assert_eq!(chunk.split_off(size), b"\r\n");
        (size > 0).then(|| String::from_utf8(chunk).unwrap())
    }

    /// The next event.
    pub(super) async fn event(&mut self) -> Event {
        self.next_event().await.expect("the stream has ended")
    }

    /// The next event; `None` at the end.
    pub(super) async fn next_event(&mut self) -> Option<Event> {
        loop {
            let part = self.part().await?;
            if part.starts_with(':') {
                continue;
            }
            let field = |name: &str| {
                let prefix = format!("{name}: ");
                part.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default()
            };
            let data = serde_json::from_str(field("data")).unwrap();
            return Some(Event {
                id: field("id").to_owned(),
                kind: field("event").to_owned(),
                data,
            });
        }
    }

    /// Sends more bytes.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).await.unwrap();
    }
}
