//! What comes back: always HTTP 200, always JSON.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer of the service, as it came and as it is meant.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// Takes an answer if it is one: HTTP 200, JSON, in the envelope that every client needs.
    #[track_caller]
    pub(crate) fn read(status: u16, content_type: Option<&[u8]>, body: &[u8]) -> Self {
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(status, 200, "{text}");
        assert_eq!(content_type, Some(&b"application/json"[..]), "{text}");
        let json: Value = serde_json::from_str(&text).unwrap();
        let code = json["ErrorCode"].as_u64().unwrap();
        assert_eq!(json["ActionStatus"], if code == 0 { "OK" } else { "FAIL" }, "{json}");
        assert_eq!(json["ErrorInfo"].as_str().unwrap().is_empty(), code == 0, "{json}");
        assert_eq!(json["ErrorDisplay"], "", "{json}");
        Self { text, json }
    }

    /// Takes an answer apart that was read from a socket.
    #[track_caller]
    fn from_bytes(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("not an HTTP answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let (line, headers) = head.split_once("\r\n").unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let content_type = headers
            .lines()
            .filter_map(|header| header.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            .map(|(_, value)| value.as_bytes());
        Self::read(status, content_type, &bytes[end + 4..])
    }
}

/// Sends bytes as they are, and reads until the other side closes: the request must ask for that.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> Answer {
    Answer::from_bytes(&raw_bytes(address, request).await)
}

/// As [`raw`], for answers that are not the API's.
pub(crate) async fn raw_text(address: SocketAddr, request: &[u8]) -> String {
    String::from_utf8(raw_bytes(address, request).await).unwrap()
}

/// As [`raw`], for whatever comes.
pub(crate) async fn raw_bytes(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}
