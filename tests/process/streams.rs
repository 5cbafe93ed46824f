//! Streams of a running program: they live long, and a stop does not wait for them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use testkit::postgres::Database;
use testkit::{APP, Service};

use crate::EARMARK;

const STREAMS: usize = 50;

/// Opens a stream of a user, and reads up to its first event.
fn open(service: &Service, user: &str) -> BufReader<TcpStream> {
    let sig = &service.client().user_sig;
    let socket = TcpStream::connect(service.api).unwrap();
    socket.set_read_timeout(Some(testkit::TIMEOUT)).unwrap();
    let ask = format!(
        "GET /v1/apps/{APP}/users/{user}/events HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {sig}\r\n\r\n"
    );
    std::io::Write::write_all(&mut &socket, ask.as_bytes()).unwrap();
    let mut stream = BufReader::new(socket);
    let event = event(&mut stream);
    assert!(event.contains("\"conversations\":[]"), "{event}");
    stream
}

/// The data of the next event.
fn event(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    while !line.starts_with("data: ") {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream has ended");
    }
    line
}

#[test]
fn a_stop_does_not_wait_for_streams() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let mut streams: Vec<_> = (0..STREAMS).map(|nr| open(&service, &format!("user{nr}"))).collect();
    service.wait_until_ready();
    let asked = Instant::now();
    service.process.stop();
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    for stream in &mut streams {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("0\r\n\r\n"), "an end that clients can tell from a fault: {rest:?}");
    }
}

/// An idle connection would be closed after a second.
#[test]
fn a_stream_is_not_an_idle_connection() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let serve = EARMARK.serve(&database.url).args(["--keep-alive-s", "1"]);
    let service = EARMARK.start(serve);
    let mut stream = open(&service, "user");
    // The first comment comes after 15 seconds.
    let mut line = String::new();
    while line.trim_end() != ":" {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream has ended");
    }
    service.client().must_mark("user", "friend");
    let event = event(&mut stream);
    assert!(event.contains("friend"), "{event}");
}
