//! Answers of the API: the status is always 200, the body is always JSON, and the truth is in `ErrorCode`.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::net::SocketAddr;
use std::ops::Deref;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Code;

/// An answer, as text and as JSON. It remembers its request, so that a failed assertion can show both.
#[derive(Debug)]
pub(crate) struct Answer {
    request: String,
    pub(crate) text: String,
    json: Value,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The call was refused as a whole.
    Refused(Code),
    /// The call succeeded; its items have these codes.
    Done(Vec<Code>),
}

impl Answer {
    /// Reads an answer. Panics unless it has status 200, is JSON, and has the envelope that every client needs.
    #[track_caller]
    pub(crate) fn read(status: u16, content_type: Option<&[u8]>, body: &[u8]) -> Self {
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(status, 200, "{text}");
        assert_eq!(content_type, Some(&b"application/json; charset=utf-8"[..]), "{text}");
        let json: Value = serde_json::from_str(&text).unwrap();
        let code = json["ErrorCode"].as_u64().unwrap();
        assert_eq!(json["ActionStatus"], if code == 0 { "OK" } else { "FAIL" }, "{json}");
        assert_eq!(json["ErrorInfo"].as_str().unwrap().is_empty(), code == 0, "{json}");
        assert_eq!(json["ErrorDisplay"], "", "{json}");
        if code != 0 {
            let names: Vec<_> = json.as_object().unwrap().keys().collect();
            let envelope = ["ActionStatus", "ErrorCode", "ErrorInfo", "ErrorDisplay"];
            assert_eq!(names, envelope, "a refusal has no other fields: {json}");
        }
        Self { request: String::new(), text, json }
    }

    /// Reads an answer with its head, as it came from a socket.
    #[track_caller]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
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

    /// Adds the request, for the messages of failed assertions.
    pub(crate) fn with_request(self, request: String) -> Self {
        Self { request, ..self }
    }

    #[track_caller]
    pub(crate) fn code(&self) -> Code {
        Code::read(&self["ErrorCode"])
    }

    pub(crate) fn info(&self) -> &str {
        self["ErrorInfo"].as_str().unwrap()
    }

    /// The items, wherever the call puts them. Calls without items have none.
    pub(crate) fn items(&self) -> &[Value] {
        let places = [
            "/ResultItem",
            "/GroupResultItem/0/ResultItem",
            "/UpdateGroupResult/ContactResultItem",
        ];
        let items = places.into_iter().find_map(|place| self.pointer(place)?.as_array());
        items.map_or(&[], Vec::as_slice)
    }

    /// The `ResultCode` of each item.
    #[track_caller]
    pub(crate) fn item_codes(&self) -> Vec<Code> {
        let mut codes = Vec::new();
        for item in self.items() {
            codes.push(Code::read(&item["ResultCode"]));
        }
        codes
    }

    #[track_caller]
    pub(crate) fn outcome(&self) -> Outcome {
        let code = self.code();
        if code == Code::Ok { Outcome::Done(self.item_codes()) } else { Outcome::Refused(code) }
    }

    /// The call succeeded, and so did each of its items.
    #[track_caller]
    pub(crate) fn assert_ok(&self) {
        assert_eq!(self.code(), Code::Ok, "{self}");
        assert!(self.item_codes().iter().all(|code| *code == Code::Ok), "{self}");
    }

    /// The call succeeded. Its items have exactly these codes.
    #[track_caller]
    pub(crate) fn assert_items(&self, expected: impl AsRef<[Code]>) {
        assert_eq!(self.outcome(), Outcome::Done(expected.as_ref().to_vec()), "{self}");
    }

    /// The call was refused as a whole, for exactly this reason.
    #[track_caller]
    pub(crate) fn assert_refused(&self, code: Code, info: &str) {
        assert_ne!(code, Code::Ok, "a refusal has another code");
        assert_eq!((self.code(), self.info()), (code, info), "{self}");
    }

    /// The call has one of these codes.
    #[track_caller]
    pub(crate) fn assert_one_of(&self, codes: &[Code]) {
        assert!(codes.contains(&self.code()), "not one of {codes:?}: {self}");
    }

    /// The call has this code. Its items may have any.
    #[track_caller]
    pub(crate) fn assert_code(&self, code: Code) {
        assert_eq!(self.code(), code, "{self}");
    }
}

impl Deref for Answer {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.json
    }
}

impl PartialEq<Value> for Answer {
    fn eq(&self, json: &Value) -> bool {
        self.json == *json
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "the request {:.1000}\nwas answered {:.5000}", self.request, self.text)
    }
}

/// Among the answers, each of these codes stands so often, and no other code does.
#[track_caller]
pub(crate) fn assert_codes<const N: usize>(answers: &[Answer], expected: [(Code, usize); N]) {
    let texts: Vec<_> = answers.iter().map(|answer| &answer.text).collect();
    assert_eq!(count(answers.iter().map(Answer::code)), BTreeMap::from(expected), "{texts:#?}");
}

/// Every call succeeded. Among their items, each of these codes stands so often, and no other code does.
#[track_caller]
pub(crate) fn assert_item_codes<const N: usize>(answers: &[Answer], expected: [(Code, usize); N]) {
    for answer in answers {
        answer.assert_code(Code::Ok);
    }
    let codes = answers.iter().flat_map(Answer::item_codes);
    let texts: Vec<_> = answers.iter().map(|answer| &answer.text).collect();
    assert_eq!(count(codes), BTreeMap::from(expected), "{texts:#?}");
}

fn count(codes: impl Iterator<Item = Code>) -> BTreeMap<Code, usize> {
    let mut counts = BTreeMap::new();
    for code in codes {
        *counts.entry(code).or_default() += 1;
    }
    counts
}

/// Sends bytes as they are, and reads until the service closes the connection: the request must ask for that.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> Answer {
    let answer = Answer::from_bytes(&raw_bytes(address, request).await);
    answer.with_request(String::from_utf8_lossy(&request[..request.len().min(1000)]).into_owned())
}

/// Like [`raw`], for answers that are text but not the API's.
pub(crate) async fn raw_text(address: SocketAddr, request: &[u8]) -> String {
    String::from_utf8(raw_bytes(address, request).await).unwrap()
}

/// Like [`raw`], for answers of any kind.
pub(crate) async fn raw_bytes(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}
