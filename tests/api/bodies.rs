//! Bodies that are refused, and the memory for bodies.

use std::net::SocketAddr;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

const MIB: usize = 1024 * 1024;

fn head(path: &str, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: here\r\n{headers}\r\n\r\n")
}

fn mark_path(query: &str) -> String {
    format!("/v4/{MARK_CONTACT}?{query}")
}

/// Reads one answer of a connection that stays open.
async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let length = stream.read_buf(&mut answer).await.unwrap();
        assert!(length > 0, "the service closed the connection after {answer:?}");
    }
    String::from_utf8(answer).unwrap()
}

#[track_caller]
fn assert_code(answer: &str, code: Code) {
    assert!(answer.contains(&format!("\"ErrorCode\":{},", code.number())), "{answer}");
}

/// A connection on which a caller has announced a body of 1 MiB, and waits.
async fn announce(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = head(&mark_path(&query()), &format!("content-length: {MIB}"));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[actix_web::test]
async fn the_credentials_are_checked_before_a_body_that_turns_out_too_long() {
    // given
    let app = TestApp::start().await;
    let too_long = format!("{:x}\r\n{}\r\n0\r\n\r\n", MIB + 1, " ".repeat(MIB + 1));
    for (query, code) in [(query(), BadRequest), (query_of(APP, ADMIN, "x"), UserSigUnreadable)] {
        let headers = "transfer-encoding: chunked\r\nconnection: close";
        // when
        let request = head(&mark_path(&query), headers) + &too_long;
        let answer = raw(app.addresses.api, request.as_bytes()).await;
        // then
        answer.assert_code(code);
    }
}

/// A call as the admin, whose body is encoded.
async fn encoded(app: &TestApp, coding: &str, body: &[u8]) -> Answer {
    let length = body.len();
    let headers =
        format!("content-encoding: {coding}\r\ncontent-length: {length}\r\nconnection: close");
    let request = [head(&mark_path(&query()), &headers).as_bytes(), body].concat();
    raw(app.addresses.api, &request).await
}

#[actix_web::test]
async fn a_body_may_be_compressed() {
    let app = TestApp::start().await;
    let body = mark_contact("user0", [set("peer", 0)]).to_string().into_bytes();
    let best = Compression::best();
    let gzip = finished(GzEncoder::new(Vec::new(), best), &body, GzEncoder::finish);
    let zlib = finished(ZlibEncoder::new(Vec::new(), best), &body, ZlibEncoder::finish);
    let raw_deflate =
        finished(DeflateEncoder::new(Vec::new(), best), &body, DeflateEncoder::finish);
    for (coding, sent) in [
        ("gzip", &gzip),
        ("x-gzip", &gzip),
        ("GZIP", &gzip),
        ("deflate", &zlib),
        ("deflate", &raw_deflate),
        ("identity", &body),
    ] {
        encoded(&app, coding, sent).await.assert_items([Ok]);
    }
    let wrong = "Content-Encoding: the body is not encoded so";
    for (coding, sent) in [("gzip", &body), ("gzip", &zlib), ("deflate", &body)] {
        encoded(&app, coding, sent).await.assert_refused(BadRequest, wrong);
    }
    encoded(&app, "gzip", &gzip[..gzip.len() / 2]).await.assert_refused(BadRequest, wrong);
    let unknown = "Content-Encoding: must be gzip or deflate, got br";
    encoded(&app, "br", &body).await.assert_refused(BadRequest, unknown);
}

#[actix_web::test]
async fn a_compressed_body_is_inflated_up_to_the_limit_of_any_body() {
    let app = TestApp::start().await;
    let gzip = |length: usize| {
        let mut body = mark_contact("user0", [set("peer", 0)]).to_string();
        body.push_str(&" ".repeat(length - body.len()));
        let encoder = GzEncoder::new(Vec::new(), Compression::best());
        finished(encoder, body.as_bytes(), GzEncoder::finish)
    };
    encoded(&app, "gzip", &gzip(MIB)).await.assert_items([Ok]);
    let too_long = "the body must be at most 1048576 bytes";
    for length in [MIB + 1, 64 * MIB] {
        encoded(&app, "gzip", &gzip(length)).await.assert_refused(BadRequest, too_long);
    }
}

fn finished<W: std::io::Write>(
    mut encoder: W,
    body: &[u8],
    finish: impl FnOnce(W) -> std::io::Result<Vec<u8>>,
) -> Vec<u8> {
    encoder.write_all(body).unwrap();
    finish(encoder).unwrap()
}

#[actix_web::test]
async fn a_byte_order_mark_is_skipped_and_other_encodings_are_named() {
    let app = TestApp::start().await;
    let body = mark_contact("user0", [set("peer", 0)]).to_string();
    app.call(MARK_CONTACT, format!("\u{FEFF}{body}")).await.assert_items([Ok]);
    let utf_16 =
        |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> { body.encode_utf16().flat_map(bytes).collect() };
    let utf_32: Vec<u8> = body.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    for (bytes, name) in [
        (utf_16(u16::to_le_bytes), "UTF-16"),
        (utf_16(u16::to_be_bytes), "UTF-16"),
        ([&[0xFF, 0xFE][..], &utf_16(u16::to_le_bytes)].concat(), "UTF-16"),
        ([&[0xFE, 0xFF][..], &utf_16(u16::to_be_bytes)].concat(), "UTF-16"),
        (utf_32, "UTF-32"),
    ] {
        let info = format!("the body is not JSON: its encoding is {name}, must be UTF-8");
        encoded(&app, "identity", &bytes).await.assert_refused(BodyNotJson, &info);
    }
    let gbk = b"{\"From_Account\":\"\xD6\xD0\"}";
    let answer = encoded(&app, "identity", gbk).await;
    answer.assert_code(BodyNotJson);
    assert!(answer.info().contains("its encoding is not UTF-8"), "{answer}");
}

#[actix_web::test]
async fn an_announced_length_over_the_limit_is_refused_before_the_body_arrives() {
    // given
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.addresses.api).await.unwrap();
    let head = head(&mark_path(""), &format!("content-length: {}", MIB + 1));
    // when
    stream.write_all(head.as_bytes()).await.unwrap();
    // then
    assert_code(&answer(&mut stream).await, BadRequest);
}

#[actix_web::test]
async fn a_refused_request_with_a_body_leaves_its_connection_open() {
    // given
    let app = TestApp::with_limits(&["calls-per-second=1"]).await;
    let body = mark_contact("user0", [set("peer", 0)]).to_string();
    let length = format!("content-length: {}", body.len());
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let wrong = mark_path(&query_of(APP, ADMIN, "x"));
    let mut stream = TcpStream::connect(app.addresses.api).await.unwrap();
    let put = head(&mark_path(&query()), &length).replace("POST", "PUT") + &body;
    stream.write_all(put.as_bytes()).await.unwrap();
    let answer_to_put = answer(&mut stream).await;
    assert_code(&answer_to_put, BadRequest);
    assert!(!answer_to_put.contains("connection: close"), "{answer_to_put}");
    for (path, code) in [("/nowhere", UnknownCommand), (&wrong, UserSigUnreadable)] {
        for request in [
            head(path, &length) + &body,
            head(path, "transfer-encoding: chunked") + &chunked,
            head(path, &length) + &body,
        ] {
            // when
            stream.write_all(request.as_bytes()).await.unwrap();
            // then
            let answer = answer(&mut stream).await;
            assert_code(&answer, code);
            assert!(!answer.contains("connection: close"), "{answer}");
        }
    }
    loop {
        // when
        let request = head(&mark_path(&query()), &length) + &body;
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = answer(&mut stream).await;
        // then
        if answer.contains("\"ErrorCode\":60007") {
            assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
            assert!(!answer.contains("connection: close"), "{answer}");
            break;
        }
        assert!(answer.contains("\"ErrorCode\":0"), "{answer}");
    }
}

#[actix_web::test]
async fn the_memory_for_bodies_is_bounded_and_comes_back() {
    // given
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let address = app.addresses.api;
    let full = "queue full: too many large bodies are being received, nothing was written, safe to send again";
    let mut waiting = Vec::new();
    // 64 fill the memory. Some may be refused before the others have arrived.
    for _ in 0..80 {
        waiting.push(announce(address).await);
    }
    // when
    until(async || app.mark("user0", [set("peer", 0)]).await.code() == TooManyCalls).await;
    // then
    let refused = app.mark("user0", [set("peer", 0)]).await;
    refused.assert_refused(TooManyCalls, full);
    let request = head(&mark_path(&query()), "transfer-encoding: chunked\r\nconnection: close");
    let chunked = raw(address, (request + "2\r\n{}\r\n0\r\n\r\n").as_bytes()).await;
    chunked.assert_refused(TooManyCalls, full);
    // when
    drop(waiting);
    // then
    until(async || app.mark("user0", [set("peer", 0)]).await.code() == Ok).await;
}
