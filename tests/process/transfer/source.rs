//! A service that speaks the original's API as a test wants it, and is not ours.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

/// How a call is answered.
pub(super) enum Reply {
    /// The connection closes instead.
    Cut,
    Status(u16),
    Body(String),
}

pub(super) struct Source {
    pub(super) url: String,
    pub(super) calls: Arc<AtomicUsize>,
}

impl Source {
    /// `reply` gets the command and the body of each call.
    pub(super) fn start(reply: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let (reply, counted) = (Arc::new(reply), calls.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (reply, counted) = (reply.clone(), counted.clone());
                thread::spawn(move || {
                    let stream = stream.unwrap();
                    let mut reader = BufReader::new(&stream);
                    while let Some((command, body)) = request(&mut reader) {
                        counted.fetch_add(1, Ordering::SeqCst);
                        if !answer(&stream, reply(&command, &body)) {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, calls }
    }
}

fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, Value)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let command = first.split("/v4/").nth(1)?.split('?').next()?.to_owned();
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((command, serde_json::from_slice(&body).unwrap()))
}

/// Returns whether the connection stays open.
fn answer(mut stream: &TcpStream, reply: Reply) -> bool {
    let (status, body) = match reply {
        Reply::Cut => return false,
        Reply::Status(status) => (status, "<html>".to_owned()),
        Reply::Body(body) => (200, body),
    };
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).is_ok()
}

/// What a service answers about a user who has marked `peer`.
pub(super) fn marked(command: &str) -> Reply {
    Reply::Body(match command {
        "recentcontact/get_contact_group" => r#"{"ContactItem":[{"Type":1,"To_Account":"peer","StandardMark":"1","Timestamp":1700000000}],"GroupItem":[],"CompleteFlag":1,"NextStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#.to_owned(),
        "recentcontact/get_list" => r#"{"SessionItem":[],"CompleteFlag":1,"TimeStamp":0,"StartIndex":0,"TopTimeStamp":0,"TopStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}"#.to_owned(),
        _ => panic!("{command}"),
    })
}

pub(super) fn failed(code: u32, info: &str) -> Reply {
    Reply::Body(format!(r#"{{"ActionStatus":"FAIL","ErrorCode":{code},"ErrorInfo":"{info}"}}"#))
}
