//! Answers of the admin API and the console: ordinary statuses, any body.

use std::net::SocketAddr;

use serde_json::Value;

use super::raw_bytes;

/// An answer of the admin API or the console.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Page {
    /// Sends a `GET` request to this `Host`; `headers` are whole lines.
    pub(crate) async fn get(at: SocketAddr, host: &str, path: &str, headers: &str) -> Self {
        Self::ask(at, host, &format!("GET {path}"), headers, "").await
    }

    /// Sends a request: `line` is its method and path.
    pub(crate) async fn ask(
        at: SocketAddr,
        host: &str,
        line: &str,
        headers: &str,
        body: &str,
    ) -> Self {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        let bytes = raw_bytes(at, request.as_bytes()).await;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut of_name = headers.filter(|(other, _)| other.eq_ignore_ascii_case(name));
        of_name.next().map(|(_, value)| value)
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}
