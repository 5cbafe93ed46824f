//! What stands between the service and its database, and does with connections what networks do.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// What is done with bytes, either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Fine,
    /// Everything takes so much longer.
    Delay(Duration),
    /// So many bytes at a time, with a pause after each.
    Throttle(usize),
    /// Nothing arrives any more, and nobody is told.
    Silence,
    /// The connection that carries each so-many-th message to the database ends with it: before it arrives, or after.
    EndAt(usize, Side, End),
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides are told.
    Cut,
    /// Nothing passes any more, and nobody is told, not even that the other side has closed.
    Silent,
}

/// Of the message that a connection ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The database never gets it.
    Before,
    /// The database gets it; its answer does not arrive.
    After,
}

/// A proxy. Its threads end with the process.
#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

struct State {
    weather: Mutex<Weather>,
    changed: Condvar,
    behind: Mutex<SocketAddr>,
    /// Messages to the database since the weather changed.
    messages: AtomicUsize,
    ended: AtomicUsize,
    links: Mutex<Vec<Arc<Link>>>,
}

/// A connection, and how it ended, if it has.
#[derive(Default)]
struct Link(Mutex<Option<End>>);

impl Proxy {
    /// Starts in front of a server on this port.
    pub(crate) fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(State {
            weather: Mutex::new(Weather::Fine),
            changed: Condvar::new(),
            behind: Mutex::new(at(port)),
            messages: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
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

    pub(crate) fn url(&self) -> String {
        crate::postgres::url(self.port)
    }

    pub(crate) fn set(&self, weather: Weather) {
        let mut current = self.state.weather.lock().unwrap();
        self.state.messages.store(0, Ordering::SeqCst);
        *current = weather;
        self.state.changed.notify_all();
    }

    /// Leads new connections elsewhere.
    pub(crate) fn lead_to(&self, port: u16) {
        *self.state.behind.lock().unwrap() = at(port);
    }

    /// All connections that there are fall silent for good. New ones are none of it.
    pub(crate) fn silence_all(&self) {
        for link in self.state.links.lock().unwrap().drain(..) {
            link.end(End::Silent);
        }
    }

    /// How many messages the database was sent since the weather changed.
    pub(crate) fn messages(&self) -> usize {
        self.state.messages.load(Ordering::SeqCst)
    }

    /// How many connections have ended with a message.
    pub(crate) fn ended(&self) -> usize {
        self.state.ended.load(Ordering::SeqCst)
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn serve(client: &TcpStream, state: &Arc<State>) -> io::Result<()> {
    let behind = *state.behind.lock().unwrap();
    let server = TcpStream::connect(behind)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let link = Arc::new(Link::default());
    state.links.lock().unwrap().push(link.clone());
    let back = (server.try_clone()?, client.try_clone()?, state.clone(), link.clone());
    thread::spawn(move || {
        let (server, client, state, link) = back;
        link.carry(&server, &client, |bytes, to| {
            state.endure();
            link.pass(&state, bytes, to)
        });
    });
    link.carry(client, &server, |bytes, to| {
        state.endure();
        if let Some((side, how)) = state.ending() {
            link.end(how);
            if side == Side::After {
                return state.write(to, bytes);
            }
        }
        link.pass(state, bytes, to)
    });
    Ok(())
}

impl Link {
    fn end(&self, how: End) {
        *self.0.lock().unwrap() = Some(how);
    }

    fn ended(&self) -> Option<End> {
        *self.0.lock().unwrap()
    }

    fn pass(&self, state: &State, bytes: &[u8], to: &TcpStream) -> io::Result<()> {
        match self.ended() {
            None => state.write(to, bytes),
            Some(End::Silent) => Ok(()),
            Some(End::Cut) => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    /// Carries bytes one way until either end closes, then ends both.
    fn carry(
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
        if self.ended() != Some(End::Silent) {
            _ = from.shutdown(Shutdown::Both);
            _ = to.shutdown(Shutdown::Both);
        }
    }
}

impl State {
    /// Waits for as long as the weather wants.
    fn endure(&self) {
        let weather = self.weather.lock().unwrap();
        match *weather {
            Weather::Delay(time) => {
                drop(
                    self.changed
                        .wait_timeout_while(weather, time, |now| *now == Weather::Delay(time)),
                );
            }
            Weather::Silence => {
                drop(self.changed.wait_while(weather, |now| *now == Weather::Silence));
            }
            Weather::Fine | Weather::Throttle(_) | Weather::EndAt(..) => {}
        }
    }

    fn write(&self, mut to: &TcpStream, bytes: &[u8]) -> io::Result<()> {
        let weather = *self.weather.lock().unwrap();
        let Weather::Throttle(size) = weather else { return to.write_all(bytes) };
        for piece in bytes.chunks(size) {
            to.write_all(piece)?;
            let weather = self.weather.lock().unwrap();
            let pause = Duration::from_millis(1);
            drop(self.changed.wait_timeout_while(weather, pause, |now| *now != Weather::Fine));
        }
        Ok(())
    }

    /// This message is the one to end with. After that the count begins anew.
    fn ending(&self) -> Option<(Side, End)> {
        let count = self.messages.fetch_add(1, Ordering::SeqCst) + 1;
        let Weather::EndAt(number, side, how) = *self.weather.lock().unwrap() else { return None };
        if !count.is_multiple_of(number) {
            return None;
        }
        self.ended.fetch_add(1, Ordering::SeqCst);
        Some((side, how))
    }
}
