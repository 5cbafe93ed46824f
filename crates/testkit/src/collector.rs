//! A minimal OpenTelemetry collector that keeps what it receives.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A collector. Its threads end with the process.
#[derive(Debug)]
pub struct Collector {
    pub url: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Collector {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<u8>>>::default();
        let keep = received.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let keep = keep.clone();
                std::thread::spawn(move || receive(&stream, &keep));
            }
        });
        Self { url, received }
    }

    /// The bodies of all requests, one after the other. OTLP's protobuf has names and texts as plain bytes.
    pub fn received(&self) -> Vec<u8> {
        self.received.lock().unwrap().clone()
    }
}

/// Answers each request of a connection, and keeps its body.
fn receive(mut stream: &TcpStream, keep: &Mutex<Vec<u8>>) {
    let mut from = BufReader::new(stream);
    loop {
        let (mut length, mut line, mut first) = (0, String::new(), String::new());
        loop {
            line.clear();
            if from.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if first.is_empty() {
                first.clone_from(&line);
            }
            let header = line.trim_end().to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if header.is_empty() {
                break;
            }
        }
        assert!(first.starts_with("POST /v1/traces "), "{first}");
        let mut body = vec![0; length];
        from.read_exact(&mut body).unwrap();
        keep.lock().unwrap().extend_from_slice(&body);
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
