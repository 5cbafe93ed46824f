//! Bodies that are refused, and the memory for bodies.

use std::net::SocketAddr;

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
