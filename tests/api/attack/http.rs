//! Requests that two readers could read in two ways: what one takes for a body, another takes for a second request. And
//! clients that send too much, or leave.

use std::future::pending;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, join3};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

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

/// Sends all of it, keeps its side open, and reads until the other side closes.
async fn say_and_stay(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "it was neither answered nor closed");
    String::from_utf8_lossy(&answer).into_owned()
}

#[actix_web::test]
async fn a_connection_stays_http() {
    let app = TestApp::start().await;
    let own = body_for("own");
    let upgrade = format!(
        "{}connection: upgrade\r\nupgrade: WebSocket\r\ncontent-length: {}\r\n\r\n{own}",
        start(),
        own.len()
    );
    let elsewhere = upgrade.replace(MARK_CONTACT, "nothing");
    let connect = "CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\n\r\n".to_owned();
    let cases = [
        (upgrade, "60002,\"ErrorInfo\":\"Upgrade: the connection stays HTTP"),
        (elsewhere, "60009,"),
        (connect, "60009,"),
    ];
    for (request, code) in cases {
        let answer = say_and_stay(app.addresses.api, (request + &post("victim")).as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(answer.contains(&format!("\"ErrorCode\":{code}")), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    assert!(app.marks("own").await.is_empty() && app.marks("victim").await.is_empty());
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
async fn what_is_behind_the_last_request_is_no_request() {
    let app = TestApp::start().await;
    let close = post("own").replace("host: x\r\n", "host: x\r\nconnection: close\r\n");
    let old = post("own").replace("HTTP/1.1", "HTTP/1.0");
    let elsewhere = close.replace(MARK_CONTACT, "nothing");
    for (last, own) in [(close, 1), (old, 1), (elsewhere, 0)] {
        let (_, status, marks) = app.smuggle(&last).await;
        assert_eq!((status, marks), ("200".into(), [own, 0]), "{last:?}");
    }
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

/// Sends the bytes one by one, ten a second, until the other side closes: what it said, and when.
async fn drip(address: SocketAddr, bytes: &[u8]) -> (String, Duration) {
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let begun = Instant::now();
    let mut every = interval(Duration::from_millis(100));
    let send = async {
        for byte in bytes {
            every.tick().await;
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        pending::<()>().await;
    };
    let mut answer = Vec::new();
    let listen = timeout(Duration::from_secs(30), read.read_to_end(&mut answer));
    tokio::select! {
        read = listen => drop(read.expect("it was neither answered nor closed")),
        () = send => {}
    }
    (String::from_utf8_lossy(&answer).into_owned(), begun.elapsed())
}

#[actix_web::test]
async fn whoever_sends_byte_by_byte_is_not_waited_for() {
    let app = TestApp::start().await;
    let at = app.addresses.api;
    let head = format!("{}{}", start(), "x: y\r\n".repeat(1000));
    let body = format!("{}content-length: 1000\r\n\r\n", start());
    let in_body = async {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut every = interval(Duration::from_millis(100));
        let begun = Instant::now();
        let mut answer = [0; 4096];
        loop {
            tokio::select! {
                length = stream.read(&mut answer) => {
                    let text = String::from_utf8_lossy(&answer[..length.unwrap()]).into_owned();
                    break (text, begun.elapsed());
                }
                _ = every.tick() => drop(stream.write_all(b" ").await),
            }
        }
    };
    let others = async {
        let mut served = 0;
        let mut every = interval(Duration::from_millis(500));
        for nr in 0..20 {
            every.tick().await;
            served += usize::from(app.mark(&format!("u{nr}"), vec![set("p", 0)]).await.0 == 0);
        }
        served
    };
    let (heads, bodies, served) =
        join3(join_all((0..20).map(|_| drip(at, head.as_bytes()))), in_body, others).await;
    for (answer, after) in heads {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!((4.0..8.0).contains(&after.as_secs_f64()), "a head is waited for {after:?}");
    }
    let (answer, after) = bodies;
    assert!(answer.contains("\"ErrorCode\":60002,"), "{answer}");
    assert!((9.0..13.0).contains(&after.as_secs_f64()), "a body is waited for {after:?}");
    assert_eq!(served, 20, "others are served meanwhile");
}

/// Who sends on and on without reading an answer is not read on and on.
#[actix_web::test]
async fn whoever_never_reads_is_not_read_either() {
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.addresses.api).await.unwrap();
    let many = "POST /nothing HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    let mut sent = 0;
    // The kernel takes some megabytes for either side; then it has to stand still.
    while let Ok(written) = timeout(Duration::from_secs(3), stream.write(many.as_bytes())).await {
        sent += written.unwrap();
        assert!(sent < 64 << 20, "it reads on though nobody takes its answers");
    }
    assert!(sent > many.len(), "only {sent} bytes were read");
    assert_eq!(app.mark("own", vec![set("peer", 0)]).await, (0, vec![0]), "others are served");
}
