//! A receiver of webhooks on a real socket.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::on_runtime;

/// A message that has arrived.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) headers: BTreeMap<String, String>,
    pub(super) text: String,
    pub(super) body: Value,
}

impl Received {
    /// The user and the revision, in a message about a user.
    pub(super) fn user(&self) -> Option<(&str, u64)> {
        let data = &self.body["data"];
        Some((data["user"].as_str()?, data["revision"].as_u64()?))
    }
}

/// How a message is answered.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Ok,
    Status(u16),
    Redirect(String),
    /// 200, and then less of the body than announced.
    Cut,
    /// Nothing, and the connection stays open.
    Silence,
}

type Behaviour = Arc<Mutex<Box<dyn Fn(&Received) -> Reply + Send>>>;

#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    behaviour: Behaviour,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(super) async fn start_at(address: SocketAddr) -> Self {
        let listener = on_runtime(TcpListener::bind(address)).await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
            behaviour: Arc::new(Mutex::new(Box::new(|_| Reply::Ok))),
        };
        let own = receiver.clone();
        on_runtime(async move {
            tokio::spawn(async move {
                while let Result::Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(own.clone().answer(stream));
                }
            });
        })
        .await;
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook?x=1", self.address)
    }

    pub(super) fn answers(&self, reply: impl Fn(&Received) -> Reply + Send + 'static) {
        *self.behaviour.lock().unwrap() = Box::new(reply);
    }

    /// What was answered with 200, in order.
    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(super) fn users(&self) -> Vec<(String, u64)> {
        let received = self.received();
        let users = received.iter().filter_map(Received::user);
        users.map(|(user, revision)| (user.to_owned(), revision)).collect()
    }

    async fn answer(self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        let message = loop {
            if let Some(message) = parse(&bytes) {
                break message;
            }
            let mut piece = [0; 4096];
            match stream.read(&mut piece).await {
                Result::Ok(length @ 1..) => bytes.extend(&piece[..length]),
                _ => return,
            }
        };
        let reply = (self.behaviour.lock().unwrap())(&message);
        let answer = match reply {
            Reply::Ok => {
                self.received.lock().unwrap().push(message);
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()
            }
            Reply::Status(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"),
            Reply::Redirect(to) => {
                format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
            }
            Reply::Cut => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok".to_owned(),
            Reply::Silence => std::future::pending().await,
        };
        // The sender may have gone.
        drop(stream.write_all(answer.as_bytes()).await);
    }
}

/// The message, if it is complete.
fn parse(bytes: &[u8]) -> Option<Received> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<String, String> =
        lines.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let is_whole = body.len() == length;
    is_whole.then(|| Received {
        headers,
        text: body.to_owned(),
        body: serde_json::from_str(body).unwrap(),
    })
}
