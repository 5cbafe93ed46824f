//! The id of a request: in the `X-Request-Id` header of its answer, in the log, and in the text of an internal error.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use uuid::{NoContext, Timestamp, Uuid};

/// Clients may send an id in this header, and every answer has it.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that we accept from a client, in bytes.
const SENT_BYTES_MAX: usize = 64;

tokio::task_local! {
    /// The id of the request that the task is answering.
    pub static CURRENT: RequestId;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestId {
    Made(Uuid),
    /// Sent by the client.
    Sent(HeaderValue),
}

impl RequestId {
    /// The id that the client sent, or a new one if it sent none or one that could garble a log line.
    pub fn of(request: &HttpRequest) -> Self {
        match request.headers().get(HEADER) {
            Some(sent) if is_safe_in_logs(sent.as_bytes()) => Self::Sent(sent.clone()),
            _ => Self::make(),
        }
    }

    /// A UUID of version 7, so that ids sort by time in a log. Within a millisecond, 74 random bits tell them apart; a
    /// counter would have to be shared by all worker threads.
    #[must_use]
    pub fn make() -> Self {
        Self::Made(Uuid::new_v7(Timestamp::now(NoContext)))
    }

    pub fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::Made(id) => {
                let mut buffer = Uuid::encode_buffer();
                HeaderValue::from_str(id.hyphenated().encode_lower(&mut buffer)).ok()
            }
            Self::Sent(id) => Some(id.clone()),
        }
    }
}

/// Gives an answer the id of its request. The answers of calls have it already.
pub(super) fn ensure<B>(answer: &mut ServiceResponse<B>) {
    if answer.headers().contains_key(HEADER) {
        return;
    }
    if let Some(id) = RequestId::of(answer.request()).header() {
        answer.headers_mut().insert(HEADER, id);
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made(id) => id.fmt(out),
            Self::Sent(id) => out.write_str(id.to_str().unwrap_or_default()),
        }
    }
}

fn is_safe_in_logs(id: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=SENT_BYTES_MAX).contains(&id.len()) && id.iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn made_ids_do_not_repeat() {
        let made: BTreeSet<_> = (0..10_000).map(|_| RequestId::make().to_string()).collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|id| Uuid::try_parse(id).unwrap().get_version_num() == 7));
    }

    #[test]
    fn the_header_and_the_log_show_the_same_id() {
        let sent = TestRequest::get().insert_header((HEADER, "mine-1.A_b")).to_http_request();
        for id in [RequestId::make(), RequestId::of(&sent)] {
            assert_eq!(id.header().unwrap().to_str().unwrap(), id.to_string());
        }
    }

    #[test]
    fn a_client_may_send_an_id_that_is_safe_in_logs() {
        for good in ["a", "0f8fad5b-d9cb-469f-a165-70867728950e", "A_b.9", &"x".repeat(64)] {
            assert!(is_safe_in_logs(good.as_bytes()), "{good}");
        }
        for bad in ["", &"x".repeat(65), "a b", "a\tb", "a\"b", "é", "a=b", "{}"] {
            assert!(!is_safe_in_logs(bad.as_bytes()), "{bad}");
        }
    }
}
