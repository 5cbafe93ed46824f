//! Forwards connections from one unix socket to another, and delays every byte in each direction. With it, the benchmark puts
//! a network distance between a client and PostgreSQL. The bandwidth is not limited.
//!
//! One thread works in ticks. At each tick it reads the bytes that have arrived, and writes the bytes that are due. All programs
//! of the benchmark share the processors, so a program that wakes up for each message would slow down the contender that sends
//! more messages.
//!
//! `bench/run` starts it: `delay LISTEN TARGET MICROSECONDS`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use anyhow::{Context as _, bail};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local, yield_now};

/// PostgreSQL and libpq send 8 KiB at a time.
const READ_BYTES: usize = 16 * 1024;
/// The thread reads a message at the next tick, on average half a tick after it was sent. It writes the message this many ticks
/// later.
const TICKS: u32 = 2;

/// Bytes that were read, and when to write them. The last reference to `to` is dropped when the direction has ended and all its
/// bytes are written. That closes the direction.
struct Parcel {
    due: Instant,
    to: Rc<OwnedWriteHalf>,
    bytes: Vec<u8>,
}

impl Parcel {
    async fn write(&self) -> io::Result<()> {
        let mut rest = &self.bytes[..];
        while !rest.is_empty() {
            match self.to.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.to.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The parcels that are not written yet, oldest first.
struct Line {
    tick: Duration,
    /// All ticks are a multiple of `tick` later than this one.
    first_tick: Cell<Instant>,
    /// There are no parcels, so there are no ticks until the next read.
    is_idle: Cell<bool>,
    wakes: Notify,
    parcels: RefCell<VecDeque<Parcel>>,
}

impl Line {
    fn new(delay: Duration) -> Self {
        Self {
            tick: delay * 2 / (2 * TICKS + 1),
            first_tick: Cell::new(Instant::now()),
            is_idle: Cell::new(true),
            wakes: Notify::new(),
            parcels: RefCell::default(),
        }
    }

    /// When to write bytes that are read now: at the second tick from now. The quarters of a tick allow for early and late ticks.
    /// The bytes that end the idle time were read as soon as they were sent, so they count as read half-way between two ticks.
    fn due(&self) -> Instant {
        let now = Instant::now();
        if self.is_idle.replace(false) {
            self.first_tick.set(now + self.tick / 2);
            self.wakes.notify_one();
            now + self.tick * (4 * TICKS + 1) / 4
        } else {
            now + self.tick * (4 * TICKS - 1) / 4
        }
    }

    /// Reads one direction until its end.
    async fn read(self: Rc<Self>, mut from: OwnedReadHalf, to: OwnedWriteHalf) {
        let (to, mut buffer) = (Rc::new(to), vec![0; READ_BYTES]);
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let bytes = buffer[..length].to_vec();
            let parcel = Parcel { due: self.due(), to: Rc::clone(&to), bytes };
            self.parcels.borrow_mut().push_back(parcel);
        }
    }

    fn take_due(&self) -> Option<Parcel> {
        self.parcels.borrow_mut().pop_front_if(|parcel| parcel.due <= Instant::now())
    }

    fn until_tick(&self) -> Duration {
        let now = Instant::now();
        let until_first = self.first_tick.get().saturating_duration_since(now);
        if !until_first.is_zero() {
            return until_first;
        }
        let since_first = now.saturating_duration_since(self.first_tick.get());
        let since_tick = since_first.as_nanos() % self.tick.as_nanos().max(1);
        self.tick.saturating_sub(Duration::from_nanos(u64::try_from(since_tick).unwrap_or(0)))
    }

    /// Writes the due parcels at each tick. Between two ticks the whole program sleeps.
    async fn write(self: Rc<Self>) {
        loop {
            if self.parcels.borrow().is_empty() {
                self.is_idle.set(true);
                self.wakes.notified().await;
            }
            thread::sleep(self.until_tick());
            while let Some(parcel) = self.take_due() {
                // An error means that the receiver has closed its connection. The sender learns this from the other
                // direction.
                parcel.write().await.ok();
            }
            yield_now().await;
        }
    }
}

async fn serve(listen: &str, target: &str, delay: Duration) -> anyhow::Result<()> {
    fs::remove_file(listen).ok();
    let listener = UnixListener::bind(listen).with_context(|| listen.to_owned())?;
    let line = Rc::new(Line::new(delay));
    spawn_local(Rc::clone(&line).write());
    loop {
        let (client, _) = listener.accept().await.context("accept")?;
        let server = UnixStream::connect(target).await.with_context(|| target.to_owned())?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        spawn_local(Rc::clone(&line).read(from_client, to_server));
        spawn_local(Rc::clone(&line).read(from_server, to_client));
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [listen, target, micros] = &arguments[..] else {
        bail!("usage: delay LISTEN TARGET MICROSECONDS")
    };
    let delay = Duration::from_micros(micros.parse().context("MICROSECONDS is not a number")?);
    let runtime = Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(LocalSet::new().run_until(serve(listen, target, delay)))
}
