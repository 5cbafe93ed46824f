//! Forwards connections from one unix socket to another, and delays every byte in each direction. So the benchmark can put a
//! distance between a client and PostgreSQL. Bytes keep their order and are not limited in number.
//!
//! One thread works in ticks: at each tick it reads what has come, and writes what is due. A program that wakes up for each
//! message would cost the contender with more messages too much, as all of them share the processors.
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
/// A message is read at the next tick after it was sent, which is half a tick later on average. It is written so many ticks
/// after that.
const TICKS: u32 = 2;

/// Bytes that were read, and when to write them. When the last reference to `to` is dropped, the direction ends: it is not
/// read any more, and all that was read has been written.
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

/// What was read and not yet written, in the order in which it was read.
struct Line {
    tick: Duration,
    /// When there was a tick. The others are a multiple of `tick` later.
    first_tick: Cell<Instant>,
    /// Nothing is on its way, and no tick comes until something is read.
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

    /// When to write what is read now: at the second tick from now on. The quarters of a tick allow for ticks that come early
    /// or late. What wakes the line up was read when it was sent, so it counts as read in the middle between two ticks.
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

    /// How long it is until the next tick.
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

    /// Writes what is due at each tick. Between two ticks the whole program sleeps.
    async fn write(self: Rc<Self>) {
        loop {
            if self.parcels.borrow().is_empty() {
                self.is_idle.set(true);
                self.wakes.notified().await;
            }
            thread::sleep(self.until_tick());
            while let Some(parcel) = self.take_due() {
                // A receiver that has closed its connection needs no more bytes. The sender learns it from the other
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
