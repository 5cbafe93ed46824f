//! A client's connection: what it may make us hold, how long we wait for it, and how it ends when the service stops.
//!
//! actix reads as much as it can, has a time limit for the first head only, and has none for writes. So [`Connection`]
//! stands between actix and the socket.

mod progress;

use std::fmt;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use progress::Phase;
pub(super) use progress::{
    IsWhole, Progress, Streaming, announces_body, cut, follow, read_body, read_no_body, stream,
    takes_the_connection,
};

/// Time limit for a head, from its first byte.
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest head, in bytes. Also the most that we read while a request is being handled.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Time limit for what a client sends of a body that was refused.
const REFUSED_BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// How long an idle connection stays open when the service stops. A request that has arrived is handled: tokio learns of it
/// before this time has passed.
const STOP_GRACE: Duration = Duration::from_millis(100);
/// Time limit for a client to take an answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// actix parses all requests that it has read before it stops at 16 that wait. So it gets a head in pieces of this size.
const HEAD_PIECE: usize = 2 * 1024;
/// actix's buffer for what it has read has 8 KiB, and grows if more arrives at once.
const BODY_PIECE: usize = 4 * 1024;

/// How long we read on after an answer that closes the connection, if a body is unread. If we closed it at once, the kernel
/// would reset the connection, and a client that still sends would not see the answer.
const LINGER: Duration = Duration::from_secs(5);
/// How many pieces are read of what has arrived when a connection ends: as much as the kernel buffers.
const UNREAD_PIECES_MAX: usize = 64;

const HEAD_TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const HEAD_TOO_LONG: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// TCP, or TLS over TCP.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// When the service stops.
enum Stop {
    Awaited(Pin<Box<dyn Future<Output = ()>>>),
    Since(Instant),
}

/// A connection as actix reads and writes it.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    progress: Rc<Progress>,
    /// How long the connection may be idle.
    keep_alive: Duration,
    stop: Stop,
    /// Bytes that actix has got since it was last told to wait.
    piece: usize,
    /// Since when the client does not take an answer.
    blocked_since: Option<Instant>,
    /// Since when the client has our end of the stream.
    shut_since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Connection {
    pub(super) fn new(
        stream: Box<dyn Stream>,
        keep_alive: Duration,
        stop: impl Future<Output = ()> + 'static,
    ) -> Self {
        Self {
            stream,
            progress: Rc::new(Progress::new()),
            keep_alive,
            stop: Stop::Awaited(Box::pin(stop)),
            piece: 0,
            blocked_since: None,
            shut_since: None,
            timer: Box::pin(sleep(keep_alive)),
        }
    }

    pub(super) fn progress(&self) -> Rc<Progress> {
        self.progress.clone()
    }

    /// Whether `at` has come. Otherwise the task is woken then.
    ///
    /// To move a timer costs more than to look at it, and each request would move it. So an earlier wake-up is left in
    /// place, and moves the timer when it comes.
    fn is_due(&mut self, at: Instant, context: &mut Context<'_>) -> bool {
        if self.timer.deadline() > at {
            self.timer.as_mut().reset(at);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= at {
                return true;
            }
            self.timer.as_mut().reset(at);
        }
        false
    }

    /// When the service stopped.
    fn stopped_at(&mut self, context: &mut Context<'_>) -> Option<Instant> {
        match &mut self.stop {
            Stop::Since(at) => Some(*at),
            Stop::Awaited(stop) => stop.as_mut().poll(context).is_ready().then(|| {
                let now = Instant::now();
                self.stop = Stop::Since(now);
                now
            }),
        }
    }

    /// Ends the connection. Sends the answer if the socket takes it at once.
    fn end(&mut self, answer: &[u8], context: &mut Context<'_>) -> Poll<io::Result<()>> {
        drop(Pin::new(&mut self.stream).poll_write(context, answer));
        drop(Pin::new(&mut self.stream).poll_flush(context));
        Poll::Ready(Err(ErrorKind::ConnectionAborted.into()))
    }

    /// Reads what has arrived, and forgets it. Returns whether the stream has ended; `false` if more may have arrived.
    fn skip(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        let mut bytes = [0; HEAD_PIECE];
        for _ in 0..UNREAD_PIECES_MAX {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(true),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(false)
    }

    /// Waits until a client that may still send a body has closed the connection.
    fn linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let since = self.shut_since.filter(|_| self.progress.phase.get() == Phase::HeadBehindBody);
        let Some(since) = since else { return Poll::Ready(Ok(())) };
        if self.is_due(since + LINGER, context) {
            return Poll::Ready(Ok(()));
        }
        match self.skip(context) {
            Poll::Ready(true) => Poll::Ready(Ok(())),
            Poll::Ready(false) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Nothing has arrived.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (phase, since) = (self.progress.phase.get(), self.progress.since.get());
        let stopped_at = self.stopped_at(context);
        let is_idle = self.progress.read.get() == 0;
        match phase {
            // actix takes the end of the stream for that of the client, and closes the connection.
            Phase::Head | Phase::HeadBehindBody if is_idle => {
                let kept = since + self.keep_alive;
                let until = stopped_at.map_or(kept, |at| kept.min(at.max(since) + STOP_GRACE));
                if self.is_due(until, context) {
                    return Poll::Ready(Ok(()));
                }
            }
            Phase::Head if self.is_due(since + HEAD_TIME_MAX, context) => {
                return self.end(HEAD_TOO_SLOW, context);
            }
            Phase::HeadBehindBody if self.is_due(since + REFUSED_BODY_TIME_MAX, context) => {
                return self.end(b"", context);
            }
            Phase::Head | Phase::HeadBehindBody => {}
            Phase::Handler | Phase::Body | Phase::Stream => {
                // actix does not read again when the connection becomes idle, so the timer is set before.
                self.is_due(Instant::now() + self.keep_alive, context);
                if stopped_at.is_some() {
                    self.progress.wake_at_next_phase(context);
                }
            }
        }
        Poll::Pending
    }

    /// The socket does not take more of an answer.
    fn block<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let since = *self.blocked_since.get_or_insert_with(Instant::now);
        self.progress.is_blocked.set(true);
        if self.is_due(since + ANSWER_TIME_MAX, context) {
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }

    /// The socket has taken all of an answer so far.
    fn unblock(&mut self, context: &mut Context<'_>) {
        if self.blocked_since.take().is_some() {
            self.progress.is_blocked.set(false);
            // Reads were held back, and the next part of a stream.
            context.waker().wake_by_ref();
        }
    }
}

/// If the kernel has bytes that we did not read when a socket is closed, it resets the connection, and the client may lose
/// the answer. So this reads what has arrived.
impl Drop for Connection {
    fn drop(&mut self) {
        let _: Poll<bool> = self.skip(&mut Context::from_waker(Waker::noop()));
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (phase, before) = (this.progress.phase.get(), this.progress.read.get());
        if phase == Phase::Head && before > HEAD_BYTES_MAX {
            return this.end(HEAD_TOO_LONG, context);
        }
        let is_held_back = match phase {
            Phase::Handler | Phase::Stream => before >= HEAD_BYTES_MAX,
            // The client sends more requests, and does not take the answers.
            Phase::Head => this.blocked_since.is_some(),
            Phase::HeadBehindBody | Phase::Body => false,
        };
        if is_held_back {
            this.progress.wake_at_next_phase(context);
            return Poll::Pending;
        }
        let piece = if phase == Phase::Head { HEAD_PIECE } else { BODY_PIECE };
        if this.piece >= piece {
            // actix handles what it has read before it reads on.
            this.piece = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let start = buffer.filled().len();
        // Not a part that we initialize: of the buffer of an idle connection, only what has arrived should take memory.
        let mut part = AsyncReadExt::take(&mut this.stream, (piece - this.piece) as u64);
        let Poll::Ready(read) = Pin::new(&mut part).poll_read(context, buffer) else {
            this.piece = 0;
            return this.wait(context);
        };
        let length = buffer.filled().len() - start;
        if length == 0 && phase == Phase::Stream {
            // actix would go on to answer a client that only reads. One that reads events keeps its side open.
            return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
        }
        this.piece += length;
        this.progress.read.set(before + length);
        if before == 0 {
            this.progress.since.set(Instant::now());
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.progress.is_cut.get() {
            return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
        }
        let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write(context, bytes) else {
            return this.block(context);
        };
        // A client that takes a few bytes from time to time has no more time than others.
        if written.as_ref().is_ok_and(|written| *written == bytes.len()) {
            this.unblock(context);
        }
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_flush(context) {
            Poll::Ready(done) => {
                this.unblock(context);
                Poll::Ready(done)
            }
            Poll::Pending => this.block(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.shut_since.is_none() {
            match Pin::new(&mut this.stream).poll_shutdown(context) {
                Poll::Ready(Ok(())) => this.shut_since = Some(Instant::now()),
                Poll::Ready(failed) => return Poll::Ready(failed),
                Poll::Pending => return this.block(context),
            }
        }
        this.linger(context)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Connection").field("progress", &self.progress).finish_non_exhaustive()
    }
}
