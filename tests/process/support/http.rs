//! As much HTTP as the tests need, and no more: they see the very bytes and when the other end closes.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::LONG;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// A connection that is kept.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        Self::open_patiently(address, LONG)
    }

    /// One whose answers may take so long.
    pub(crate) fn open_patiently(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request, without waiting for its answer.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        self.send_with(method, path, "host: test\r\n", body)
    }

    /// Sends a request with these headers, each a whole line.
    pub(crate) fn send_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> io::Result<()> {
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.1\r\n{headers}content-length: {length}\r\n\r\n{body}");
        self.0.get_mut().write_all(request.as_bytes())
    }

    /// Sends the head of a request whose body never comes.
    pub(crate) fn send_unfinished(
        &mut self,
        method: &str,
        path: &str,
        length: usize,
    ) -> io::Result<()> {
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n");
        self.0.get_mut().write_all(head.as_bytes())
    }

    /// Reads one answer.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        Ok(self.head_and_answer()?.1)
    }

    /// Reads one answer, with the lines of its head.
    pub(crate) fn head_and_answer(&mut self) -> io::Result<(String, Answer)> {
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
        Ok((head, Answer { status, body: String::from_utf8(body).unwrap() }))
    }

    /// Waits for the other end to close; what still comes does not count.
    pub(crate) fn closed(&mut self) {
        _ = io::copy(&mut self.0, &mut io::sink());
    }
}

/// One request on a connection of its own.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<Answer> {
    let mut connection = Connection::open(address)?;
    connection.send(method, path, body)?;
    connection.answer()
}

/// One request with headers of its own, each a whole line, on a connection of its own.
pub(crate) fn request_with(
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
