//! HTTP clients that show what the server sent, and when it closed the connection: [`Connection`] for well-formed requests,
//! [`RawConnection`] for everything else.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::TIMEOUT;

/// An answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The values of all headers with this name, which is in lower case.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.filter(|(other, _)| *other == name).map(|(_, value)| value).collect()
    }

    /// `true` if the server closes the connection after this answer.
    pub fn closes(&self) -> bool {
        self.headers("connection") == ["close"]
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The `ErrorCode` of the API.
    #[track_caller]
    pub fn code(&self) -> u64 {
        self.json()["ErrorCode"].as_u64().unwrap()
    }

    /// `true` if the request and its item were both acknowledged.
    pub fn is_marked(&self) -> bool {
        self.status == 200 && self.code() == 0 && self.body.contains(r#""ResultCode":0"#)
    }
}

/// A connection on which a test can send any bytes.
#[derive(Debug)]
pub struct RawConnection(BufReader<TcpStream>);

impl RawConnection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Self::open_with_timeout(address, TIMEOUT)
    }

    /// `timeout` is for the connection, and then for each read.
    pub fn open_with_timeout(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Sends the head of a request whose body is `length` bytes long, and no body.
    pub fn send_head(&mut self, method: &str, path: &str, length: usize) -> io::Result<()> {
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n");
        self.send(head.as_bytes())
    }

    /// Reads one answer. Its body must have a `Content-Length`.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let start = head.len();
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = head[start..].trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Answer { status, head, body: String::from_utf8(body).unwrap() })
    }

    /// Waits until bytes have arrived, and leaves them unread. To close a connection with unread bytes is to reset it.
    pub fn wait_for_bytes(&mut self) -> io::Result<()> {
        let arrived = self.0.get_ref().peek(&mut [0])?;
        if arrived > 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Waits until the server closes the connection, and ignores what it still sends.
    pub fn wait_until_closed(&mut self) {
        _ = io::copy(&mut self.0, &mut io::sink());
    }

    /// Whether the server has closed the connection, although no answer is due.
    pub fn is_closed(&self) -> io::Result<bool> {
        let stream = self.0.get_ref();
        stream.set_nonblocking(true)?;
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false)?;
        Ok(!matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock))
    }
}

/// A keep-alive connection for well-formed requests.
#[derive(Debug)]
pub struct Connection(RawConnection);

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        RawConnection::open(address).map(Self)
    }

    /// `timeout` is for the connection, and then for each answer.
    pub fn open_with_timeout(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        RawConnection::open_with_timeout(address, timeout).map(Self)
    }

    /// Sends a request, and does not wait for the answer.
    pub fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        self.send_with(method, path, "host: test\r\n", body)
    }

    /// Sends a request with these headers, each of which is a line with its `\r\n`.
    pub fn send_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> io::Result<()> {
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.1\r\n{headers}content-length: {length}\r\n\r\n{body}");
        self.0.send(request.as_bytes())
    }

    /// Reads one answer.
    pub fn answer(&mut self) -> io::Result<Answer> {
        self.0.answer()
    }

    /// Waits until the server closes the connection, and ignores what it still sends.
    pub fn wait_until_closed(&mut self) {
        self.0.wait_until_closed();
    }

    /// Whether the server has closed the connection, although no answer is due.
    pub fn is_closed(&self) -> io::Result<bool> {
        self.0.is_closed()
    }
}

/// Sends one request on a new connection.
pub fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<Answer> {
    request_with(address, method, path, "host: test\r\n", body)
}

/// Sends one request with these headers on a new connection. Each header is a line with its `\r\n`.
pub fn request_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> io::Result<Answer> {
    let mut connection = Connection::open(address)?;
    connection.send_with(method, path, headers, body)?;
    connection.answer()
}
