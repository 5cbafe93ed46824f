//! A proxy between the service and its database that delays, throttles, silences and closes connections. It also balances
//! the connections of clients among services.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// The state of the network, in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Normal,
    /// Each packet is delayed.
    Delay(Duration),
    /// This many bytes pass in a millisecond.
    Throttle(usize),
    /// Nothing passes, and connections stay open.
    Silent,
    /// Every so-many-th message to the database ends its connection.
    BreakAt(usize, Side, Break),
    /// Each connection that is opened falls silent at its so-many-th message, which reaches the database.
    SilenceNewAt(usize),
    /// The first message that commits a write closes its connection. Afterwards the network is normal.
    CloseAtCommit(Side),
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// The proxy closes both sides.
    Close,
    /// Nothing passes any more. Neither side learns of it, not even when the other side closes.
    Silence,
}

/// Whether the last message of a connection reaches the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The database does not receive the message.
    Before,
    /// The database receives the message, but the service does not receive the answer.
    After,
}

/// A proxy on a port of its own. Its threads end with the process.
#[derive(Clone)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

struct State {
    network: Mutex<Network>,
    changed: Condvar,
    targets: Mutex<Vec<SocketAddr>>,
    connections: AtomicUsize,
    /// Messages to the database since the network changed.
    messages: AtomicUsize,
    broken: AtomicUsize,
    links: Mutex<Vec<Arc<Link>>>,
}

/// A connection, and how it was broken, if it was.
#[derive(Default)]
struct Link(Mutex<Option<Break>>);

impl Proxy {
    /// Starts a proxy that forwards to this port.
    pub fn start(port: u16) -> Self {
        Self::start_at("127.0.0.1:0", port)
    }

    /// As [`Self::start`], at this address.
    pub fn start_at(address: impl ToSocketAddrs, port: u16) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let state = Arc::new(State {
            network: Mutex::new(Network::Normal),
            changed: Condvar::new(),
            targets: Mutex::new(vec![local(port)]),
            connections: AtomicUsize::new(0),
            messages: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            links: Mutex::default(),
        });
        let proxy = Self { port: listener.local_addr().unwrap().port(), state };
        let state = proxy.state.clone();
        thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                let state = state.clone();
                thread::spawn(move || _ = serve(&client, &state));
            }
        });
        proxy
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> SocketAddr {
        local(self.port)
    }

    /// The URL of the database `earmark` through the proxy.
    pub fn url(&self) -> String {
        crate::postgres::url(self.port)
    }

    /// Changes the network, and sets the count of messages to 0.
    pub fn set(&self, network: Network) {
        let mut current = self.state.network.lock().unwrap();
        self.state.messages.store(0, Ordering::SeqCst);
        *current = network;
        self.state.changed.notify_all();
    }

    /// Forwards new connections to another port.
    pub fn forward_to(&self, port: u16) {
        self.balance(&[port]);
    }

    /// Forwards new connections to these ports in turn.
    pub fn balance(&self, ports: &[u16]) {
        *self.state.targets.lock().unwrap() = ports.iter().copied().map(local).collect();
    }

    /// Silences all open connections for good. New connections work.
    pub fn silence_open_connections(&self) {
        for link in self.state.links.lock().unwrap().drain(..) {
            link.break_off(Break::Silence);
        }
    }

    /// How many messages were sent to the database since the network changed.
    pub fn messages(&self) -> usize {
        self.state.messages.load(Ordering::SeqCst)
    }

    /// How many connections [`Network::BreakAt`] and [`Network::CloseAtCommit`] have ended.
    pub fn broken(&self) -> usize {
        self.state.broken.load(Ordering::SeqCst)
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn serve(client: &TcpStream, state: &Arc<State>) -> io::Result<()> {
    let server = TcpStream::connect(state.next_target())?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let link = Arc::new(Link::default());
    state.links.lock().unwrap().push(link.clone());
    let back = (server.try_clone()?, client.try_clone()?, state.clone(), link.clone());
    thread::spawn(move || {
        let (server, client, state, link) = back;
        link.forward(&server, &client, |bytes, to| {
            state.wait();
            link.pass(&state, bytes, to)
        });
    });
    let network = *state.network.lock().unwrap();
    let silent_at = if let Network::SilenceNewAt(number) = network { Some(number) } else { None };
    let (mut sent, mut messages) = (Sent::default(), 0);
    link.forward(client, &server, |bytes, to| {
        state.wait();
        messages += 1;
        if silent_at == Some(messages) {
            link.break_off(Break::Silence);
            return state.write(to, bytes);
        }
        if let Some((side, how)) = state.break_at_this_message(sent.commits_with(bytes)) {
            link.break_off(how);
            if side == Side::After {
                return state.write(to, bytes);
            }
        }
        link.pass(state, bytes, to)
    });
    Ok(())
}

/// What a connection has sent to the database.
#[derive(Default)]
struct Sent {
    begin: bool,
    write: bool,
}

impl Sent {
    /// Notes a message. Returns whether it commits a write.
    fn commits_with(&mut self, message: &[u8]) -> bool {
        let has = |word: &[u8]| message.windows(word.len()).any(|window| window == word);
        // Outside of a transaction, the statement that writes commits as well. The client first prepares it, and then
        // executes it.
        let commits = self.write && (has(b"COMMIT") || !self.begin);
        self.begin |= has(b"BEGIN");
        self.write |= has(b"INSERT INTO conversations");
        commits
    }
}

impl Link {
    fn break_off(&self, how: Break) {
        *self.0.lock().unwrap() = Some(how);
    }

    fn broken(&self) -> Option<Break> {
        *self.0.lock().unwrap()
    }

    fn pass(&self, state: &State, bytes: &[u8], to: &TcpStream) -> io::Result<()> {
        match self.broken() {
            None => state.write(to, bytes),
            Some(Break::Silence) => Ok(()),
            Some(Break::Close) => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    /// Forwards bytes in one direction until either side closes, then closes both.
    fn forward(
        &self,
        mut from: &TcpStream,
        to: &TcpStream,
        mut pass: impl FnMut(&[u8], &TcpStream) -> io::Result<()>,
    ) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if pass(&buffer[..length], to).is_err() {
                break;
            }
        }
        if self.broken() != Some(Break::Silence) {
            _ = from.shutdown(Shutdown::Both);
            _ = to.shutdown(Shutdown::Both);
        }
    }
}

impl State {
    fn next_target(&self) -> SocketAddr {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let targets = self.targets.lock().unwrap();
        targets[number % targets.len()]
    }

    /// Waits as the network demands, but no longer than it stays the same.
    fn wait(&self) {
        let network = self.network.lock().unwrap();
        match *network {
            Network::Delay(time) => {
                drop(
                    self.changed
                        .wait_timeout_while(network, time, |now| *now == Network::Delay(time)),
                );
            }
            Network::Silent => {
                drop(self.changed.wait_while(network, |now| *now == Network::Silent));
            }
            Network::Normal
            | Network::SilenceNewAt(_)
            | Network::Throttle(_)
            | Network::BreakAt(..)
            | Network::CloseAtCommit(_) => {}
        }
    }

    fn write(&self, mut to: &TcpStream, bytes: &[u8]) -> io::Result<()> {
        let network = *self.network.lock().unwrap();
        let Network::Throttle(size) = network else { return to.write_all(bytes) };
        for piece in bytes.chunks(size) {
            to.write_all(piece)?;
            let network = self.network.lock().unwrap();
            let pause = Duration::from_millis(1);
            drop(self.changed.wait_timeout_while(network, pause, |now| *now != Network::Normal));
        }
        Ok(())
    }

    /// Counts a message. If its connection has to end with it, returns how.
    fn break_at_this_message(&self, commits: bool) -> Option<(Side, Break)> {
        let count = self.messages.fetch_add(1, Ordering::SeqCst) + 1;
        let mut network = self.network.lock().unwrap();
        let broken = match *network {
            Network::BreakAt(number, side, how) if count.is_multiple_of(number) => (side, how),
            Network::CloseAtCommit(side) if commits => {
                *network = Network::Normal;
                (side, Break::Close)
            }
            Network::Normal
            | Network::Delay(_)
            | Network::Throttle(_)
            | Network::Silent
            | Network::SilenceNewAt(_)
            | Network::BreakAt(..)
            | Network::CloseAtCommit(_) => return None,
        };
        self.broken.fetch_add(1, Ordering::SeqCst);
        Some(broken)
    }
}
