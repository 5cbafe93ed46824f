//! Requests that two readers could read in two ways: what one takes for a body, another takes for a second request. And
//! clients that send too much, or leave.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::*;

fn body_for(owner: &str) -> String {
    mark_contact(owner, vec![set("peer", 0)]).to_string()
}

fn start() -> String {
    format!("POST /v4/{MARK_CONTACT}?{} HTTP/1.1\r\nhost: x\r\n", query())
}

/// A request as it should be.
fn post(owner: &str) -> String {
    let body = body_for(owner);
    format!("{}content-length: {}\r\n\r\n{body}", start(), body.len())
}

/// Sends all of it and no more, and reads until the other side closes.
async fn say(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other side may have closed before it has read everything.
    drop(stream.write_all(bytes).await);
    drop(stream.shutdown().await);
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "it was neither answered nor closed");
    String::from_utf8_lossy(&answer).into_owned()
}

impl TestApp {
    /// Sends a request of `own`, framed in some way, with one of `victim` behind it. Says how many answers came, the status
    /// of the first one, and whose mark was set.
    async fn smuggle(&self, framed: &str) -> (usize, String, [usize; 2]) {
        let answer =
            say(self.addresses.api, format!("{framed}{}", post("victim")).as_bytes()).await;
        let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        let marks = [self.marks("own").await.len(), self.marks("victim").await.len()];
        sqlx::raw_sql("DELETE FROM conversations; DELETE FROM users")
            .execute(&self.db)
            .await
            .unwrap();
        (answer.matches("HTTP/1.1 ").count(), status, marks)
    }
}

#[actix_web::test]
async fn what_could_be_read_in_two_ways_is_not_read() {
    let app = TestApp::start().await;
    let (start, own) = (start(), body_for("own"));
    let length = own.len();
    let chunk = format!("{length:x}\r\n{own}\r\n0\r\n\r\n");
    let all = chunk.len() + post("victim").len();
    let longer = length + post("victim").len();
    for headers in [
        &format!("content-length: {all}\r\ntransfer-encoding: chunked"),
        &format!("transfer-encoding: chunked\r\ncontent-length: {all}"),
        "content-length: 0\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding: identity, chunked",
        "transfer-encoding: xchunked",
        "transfer-encoding: \u{b}chunked",
        "x: a\r\n transfer-encoding: chunked",
    ] {
        let read = app.smuggle(&format!("{start}{headers}\r\n\r\n{chunk}")).await;
        assert_eq!(read, (1, "400".into(), [0, 0]), "{headers:?}");
    }
    for headers in [
        &format!("content-length: {length}\r\ncontent-length: {longer}"),
        &format!("content-length: {length}\r\ncontent-length: {length}"),
        &format!("content-length: {length}, {length}"),
        &format!("content-length: +{length}"),
        &format!("content-length: -{length}"),
        &format!("content-length: 0x{length:x}"),
        "content-length: 18446744073709551616",
        &format!("transfer-encoding : chunked\r\ncontent-length: {length}"),
        &format!("x: a\r\n content-length: 0\r\ncontent-length: {length}"),
        &format!("x: a\rcontent-length: 0\r\ncontent-length: {length}"),
        &format!("x: a\0\r\ncontent-length: {length}"),
        &format!("host: y\r\ncontent-length: {length}"),
    ] {
        let read = app.smuggle(&format!("{start}{headers}\r\n\r\n{own}")).await;
        assert_eq!(read, (1, "400".into(), [0, 0]), "{headers:?}");
    }
    for line in [
        start.replace("HTTP/1.1", "HTTP/1.0") + "transfer-encoding: chunked\r\n\r\n" + &chunk,
        start.replace("HTTP/1.1", "http/1.1") + &format!("content-length: {length}\r\n\r\n{own}"),
        start.replace("host: x\r\n", "") + &format!("content-length: {length}\r\n\r\n{own}"),
        start.replace(" HTTP/1.1\r\nhost: x\r\n", "\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        assert_eq!(app.smuggle(&line).await, (1, "400".into(), [0, 0]), "{line:?}");
    }
}

#[actix_web::test]
async fn what_is_behind_a_broken_body_is_no_request() {
    let app = TestApp::start().await;
    let own = body_for("own");
    let length = own.len();
    for chunks in [
        &format!("zz\r\n{own}\r\n0\r\n\r\n"),
        &format!("-1\r\n{own}\r\n0\r\n\r\n"),
        &format!("fffffffffffffffff\r\n{own}\r\n0\r\n\r\n"),
        &format!("{length:x}\r\n{own}0\r\n\r\n"),
        &format!("{length:x};a\nb\r\n{own}\r\n0\r\n\r\n"),
    ] {
        let (answers, _, marks) =
            app.smuggle(&format!("{}transfer-encoding: chunked\r\n\r\n{chunks}", start())).await;
        assert_eq!((answers, marks), (1, [0, 0]), "{chunks:?}");
    }
}

#[actix_web::test]
async fn what_can_be_read_in_one_way_only_is_served_in_its_order() {
    let app = TestApp::start().await;
    let own = body_for("own");
    let length = own.len();
    let framed = [
        post("own"),
        post("own").replace("\r\n", "\n"),
        format!(
            "{}transfer-encoding:\tchunked\r\n\r\n{length:X};a=b\r\n{own}\r\n0\r\n\r\n",
            start()
        ),
        format!(
            "{}connection: upgrade\r\nupgrade: h2c\r\ncontent-length: {length}\r\n\r\n{own}",
            start()
        ),
        post("own").replace("POST /", "POST http://other/"),
    ];
    for framed in framed {
        assert_eq!(app.smuggle(&framed).await, (2, "200".into(), [1, 1]), "{framed:?}");
    }
    // Many in one piece, some of them wrong, are answered one after the other.
    let wrong = post("own").replace("MarkItem", "MarkNone");
    let many = [post("a"), wrong.clone(), post("b"), wrong, post("c")].concat();
    let answers = say(app.addresses.api, many.as_bytes()).await;
    let codes = answers.split("\"ErrorCode\":").skip(1);
    let codes: Vec<_> = codes.map(|rest| rest.split([',', '}']).next().unwrap()).collect();
    assert_eq!(codes, ["0", "50002", "0", "50002", "0"]);
}

#[actix_web::test]
async fn whoever_sends_too_much_or_leaves_has_done_nothing() {
    let app = TestApp::start().await;
    let whole = post("own");
    for cut in [1, start().len(), whole.find("\r\n\r\n").unwrap() + 4, whole.len() - 1] {
        let answer = say(app.addresses.api, &whole.as_bytes()[..cut]).await;
        assert!(!answer.contains("\"ErrorCode\":0"), "{cut} of {}: {answer}", whole.len());
    }
    let many = (0..200).map(|nr| format!("x-{nr}: a\r\n")).collect::<Vec<_>>().concat();
    for headers in [format!("x: {}\r\n", "a".repeat(200_000)), many] {
        let answer = say(
            app.addresses.api,
            whole.replace("host: x\r\n", &format!("host: x\r\n{headers}")).as_bytes(),
        )
        .await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let path = format!("/v4/{MARK_CONTACT}?x={}&", "a".repeat(200_000));
    let answer =
        say(app.addresses.api, whole.replace(&format!("/v4/{MARK_CONTACT}?"), &path).as_bytes())
            .await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(app.state_rows().await, 0);
    assert_eq!(app.mark("own", vec![set("peer", 0)]).await, (0, vec![0]), "and others are served");
}
