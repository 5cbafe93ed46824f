//! Request smuggling: requests that two HTTP implementations could read differently, so that the body for one is a second
//! request for the other. And clients that send too much, too slowly, or not to the end.

use std::future::pending;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::{join_all, join3};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use crate::support::*;

fn body_for(owner: &str) -> String {
    mark_contact(owner, [set("peer", 0)]).to_string()
}

fn start() -> String {
    format!("POST /v4/{MARK_CONTACT}?{} HTTP/1.1\r\nhost: x\r\n", query())
}

/// A correct request.
fn post(owner: &str) -> String {
    let body = body_for(owner);
    format!("{}content-length: {}\r\n\r\n{body}", start(), body.len())
}

/// Sends the bytes, closes the sending side, and reads until the service closes the connection.
async fn send(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The service may close the connection before it has read everything.
    drop(stream.write_all(bytes).await);
    drop(stream.shutdown().await);
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the service neither answered nor closed the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// What the service did with two requests on one connection.
#[derive(Debug, PartialEq, Eq)]
struct Served {
    answers: usize,
    /// The status of the first answer, or 0 without an answer.
    status: u16,
    own_marks: usize,
    victim_marks: usize,
}

/// The service answered status 400 to the first request, and executed none.
const BAD_REQUEST: Served = Served { answers: 1, status: 400, own_marks: 0, victim_marks: 0 };

impl TestApp {
    /// Sends a request of user `own`, and on the same connection a correct request of user `victim`.
    async fn smuggle(&self, framed: &str) -> Served {
        let both = format!("{framed}{}", post("victim"));
        let answer = send(self.addresses.api, both.as_bytes()).await;
        let served = Served {
            answers: answer.matches("HTTP/1.1 ").count(),
            status: answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default(),
            own_marks: self.marks("own").await.len(),
            victim_marks: self.marks("victim").await.len(),
        };
        sqlx::raw_sql("DELETE FROM conversations; DELETE FROM users")
            .execute(&self.db)
            .await
            .unwrap();
        served
    }
}

#[actix_web::test]
async fn an_ambiguous_request_is_refused() {
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
        let served = app.smuggle(&format!("{start}{headers}\r\n\r\n{chunk}")).await;
        assert_eq!(served, BAD_REQUEST, "{headers:?}");
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
        let served = app.smuggle(&format!("{start}{headers}\r\n\r\n{own}")).await;
        assert_eq!(served, BAD_REQUEST, "{headers:?}");
    }
    for line in [
        start.replace("HTTP/1.1", "HTTP/1.0") + "transfer-encoding: chunked\r\n\r\n" + &chunk,
        start.replace("HTTP/1.1", "http/1.1") + &format!("content-length: {length}\r\n\r\n{own}"),
        start.replace("host: x\r\n", "") + &format!("content-length: {length}\r\n\r\n{own}"),
        start.replace(" HTTP/1.1\r\nhost: x\r\n", "\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        assert_eq!(app.smuggle(&line).await, BAD_REQUEST, "{line:?}");
    }
}

/// Sends the bytes, keeps the sending side open, and reads until the service closes the connection.
async fn send_and_stay(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the service neither answered nor closed the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

#[actix_web::test]
async fn a_connection_cannot_be_upgraded() {
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
        (upgrade, BadRequest, ",\"ErrorInfo\":\"Upgrade: the connection stays HTTP"),
        (elsewhere, UnknownCommand, ","),
        (connect, UnknownCommand, ","),
    ];
    for (request, code, rest) in cases {
        let answer = send_and_stay(app.addresses.api, (request + &post("victim")).as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        let code = code.number();
        assert!(answer.contains(&format!("\"ErrorCode\":{code}{rest}")), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    assert!(app.marks("own").await.is_empty() && app.marks("victim").await.is_empty());
}

#[actix_web::test]
async fn bytes_after_a_malformed_body_are_not_a_request() {
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
        let framed = format!("{}transfer-encoding: chunked\r\n\r\n{chunks}", start());
        let served = app.smuggle(&framed).await;
        // If the caller is still being checked, actix closes the connection without an answer.
        let Served { answers, status, .. } = served;
        assert_eq!(served, Served { answers, status, ..BAD_REQUEST }, "{chunks:?}");
        assert!(answers <= 1, "{answers} answers to {chunks:?}");
    }
}

#[actix_web::test]
async fn unambiguous_requests_on_one_connection_are_served_in_order() {
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
        let both = Served { answers: 2, status: 200, own_marks: 1, victim_marks: 1 };
        assert_eq!(app.smuggle(&framed).await, both, "{framed:?}");
    }
    // Many requests in one packet, some of them bad, are answered in order.
    let wrong = post("own").replace("MarkItem", "MarkNone");
    let many = [post("a"), wrong.clone(), post("b"), wrong, post("c")].concat();
    let answers = send(app.addresses.api, many.as_bytes()).await;
    let codes = answers.split("\"ErrorCode\":").skip(1);
    let codes: Vec<_> = codes.map(|rest| rest.split([',', '}']).next().unwrap()).collect();
    let expected = [Ok, BadParameter, Ok, BadParameter, Ok];
    assert_eq!(codes, expected.map(|code| code.number().to_string()));
}

#[actix_web::test]
async fn bytes_after_the_last_request_are_not_a_request() {
    let app = TestApp::start().await;
    let close = post("own").replace("host: x\r\n", "host: x\r\nconnection: close\r\n");
    let old = post("own").replace("HTTP/1.1", "HTTP/1.0");
    let elsewhere = close.replace(MARK_CONTACT, "nothing");
    for (last, own) in [(close, 1), (old, 1), (elsewhere, 0)] {
        let served = app.smuggle(&last).await;
        let (status, marks) = (served.status, [served.own_marks, served.victim_marks]);
        assert_eq!((status, marks), (200, [own, 0]), "{last:?}");
    }
}

#[actix_web::test]
async fn requests_that_are_too_large_or_break_off_are_not_executed() {
    let app = TestApp::start().await;
    let whole = post("own");
    for cut in [1, start().len(), whole.find("\r\n\r\n").unwrap() + 4, whole.len() - 1] {
        let answer = send(app.addresses.api, &whole.as_bytes()[..cut]).await;
        assert!(!answer.contains("\"ErrorCode\":0"), "{cut} of {}: {answer}", whole.len());
    }
    let many = (0..200).map(|nr| format!("x-{nr}: a\r\n")).collect::<Vec<_>>().concat();
    for headers in [format!("x: {}\r\n", "a".repeat(200_000)), many] {
        let answer = send(
            app.addresses.api,
            whole.replace("host: x\r\n", &format!("host: x\r\n{headers}")).as_bytes(),
        )
        .await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let path = format!("/v4/{MARK_CONTACT}?x={}&", "a".repeat(200_000));
    let answer =
        send(app.addresses.api, whole.replace(&format!("/v4/{MARK_CONTACT}?"), &path).as_bytes())
            .await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert_eq!(app.state_rows().await, 0);
    // Other clients are still served.
    app.mark("own", [set("peer", 0)]).await.assert_ok();
}

/// Sends ten bytes per second until the service closes the connection. Returns the answer and the elapsed time.
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
        read = listen => drop(read.expect("the service neither answered nor closed the connection")),
        () = send => {}
    }
    (String::from_utf8_lossy(&answer).into_owned(), begun.elapsed())
}

#[actix_web::test]
async fn slow_clients_time_out_and_do_not_delay_others() {
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
            let answer = app.mark(&format!("u{nr}"), [set("p", 0)]).await;
            served += usize::from(answer.code() == Ok);
        }
        served
    };
    let (heads, bodies, served) =
        join3(join_all((0..20).map(|_| drip(at, head.as_bytes()))), in_body, others).await;
    for (answer, after) in heads {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(
            (4.0..8.0).contains(&after.as_secs_f64()),
            "the service waited {after:?} for a head"
        );
    }
    let (answer, after) = bodies;
    assert!(answer.contains(&format!("\"ErrorCode\":{},", BadRequest.number())), "{answer}");
    assert!((9.0..13.0).contains(&after.as_secs_f64()), "the service waited {after:?} for a body");
    assert_eq!(served, 20, "other clients are served in the meantime");
}

#[actix_web::test]
async fn the_service_stops_reading_from_a_client_that_reads_no_answers() {
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.addresses.api).await.unwrap();
    let many = "POST /nothing HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1000);
    let mut sent = 0;
    // The kernel buffers some megabytes for each side. Then the client's writes must block.
    while let Result::Ok(written) =
        timeout(Duration::from_secs(3), stream.write(many.as_bytes())).await
    {
        sent += written.unwrap();
        assert!(sent < 64 << 20, "the service goes on reading");
    }
    assert!(sent > many.len(), "only {sent} bytes were read");
    // Other clients are still served.
    app.mark("own", [set("peer", 0)]).await.assert_ok();
}
