//! What a connection's handlers tell it: when a request begins, reads its body, and ends.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use actix_web::HttpRequest;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use tokio::time::Instant;

use crate::http::request_id;

/// What the connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The next head. If nothing of it has arrived, the connection is idle.
    Head,
    /// The next head, behind what is left of a body that was not read.
    HeadBehindBody,
    /// The handler: we read a little, to notice that the client disconnects.
    Handler,
    /// The body, which the handler reads.
    Body,
    /// The end of an answer that is a stream: we read a little, to notice that the client disconnects.
    Stream,
}

/// The state of a connection, which its handlers change.
#[derive(Debug)]
pub(in crate::http) struct Progress {
    pub(super) phase: Cell<Phase>,
    /// Bytes read in this phase.
    pub(super) read: Cell<usize>,
    /// Whether the request has a body of which something is unread.
    has_unread_body: Cell<bool>,
    /// When the phase began. In phase `Head`, when its first byte arrived.
    pub(super) since: Cell<Instant>,
    /// The socket does not take more of an answer.
    pub(super) is_blocked: Cell<bool>,
    /// Nothing more is written.
    pub(super) is_cut: Cell<bool>,
    /// Set if the next phase must be told to the task of the connection.
    wakes: Cell<bool>,
    task: RefCell<Option<Waker>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            phase: Cell::new(Phase::Head),
            read: Cell::default(),
            has_unread_body: Cell::default(),
            since: Cell::new(Instant::now()),
            is_blocked: Cell::default(),
            is_cut: Cell::default(),
            wakes: Cell::default(),
            task: RefCell::default(),
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.read.set(0);
        self.since.set(Instant::now());
        if self.wakes.replace(false)
            && let Some(task) = &*self.task.borrow()
        {
            task.wake_by_ref();
        }
    }

    fn end_request(&self) {
        let is_behind_body = self.has_unread_body.get();
        self.enter(if is_behind_body { Phase::HeadBehindBody } else { Phase::Head });
    }

    /// Wakes the task when the next phase begins.
    pub(super) fn wake_at_next_phase(&self, context: &Context<'_>) {
        self.wakes.set(true);
        self.task.borrow_mut().get_or_insert_with(|| context.waker().clone());
    }

    fn of(request: &HttpRequest) -> Option<Rc<Self>> {
        request.conn_data::<Rc<Self>>().cloned()
    }
}

/// A middleware that tells the connection when a request begins and ends.
pub(in crate::http) async fn follow(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let has_body = announces_body(request.request()) || takes_the_connection(request.request());
    let _request = Progress::of(request.request()).map(|progress| {
        progress.has_unread_body.set(has_body);
        progress.enter(if has_body { Phase::Body } else { Phase::Handler });
        Handling(progress)
    });
    let mut answer = next.call(request).await?;
    request_id::ensure(&mut answer);
    Ok(answer)
}

/// A request that is being handled.
struct Handling(Rc<Progress>);

impl Drop for Handling {
    fn drop(&mut self) {
        // The handler has returned, and the answer goes on.
        if self.0.phase.get() != Phase::Stream {
            self.0.end_request();
        }
    }
}

/// An answer that is a stream. It ends when this is dropped. Until then the connection is in use, and closes if the client
/// disconnects.
#[derive(Debug)]
pub(in crate::http) struct Streaming(Rc<Progress>);

impl Streaming {
    /// Whether the client has not taken all that was sent. The task is woken when it has, and the connection ends if that takes
    /// too long.
    pub(in crate::http) fn is_blocked(&self) -> bool {
        self.0.is_blocked.get()
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.end_request();
    }
}

/// Begins an answer that is a stream. `None` only in tests without a connection.
pub(in crate::http) fn stream(request: &HttpRequest) -> Option<Streaming> {
    let progress = Progress::of(request)?;
    progress.enter(Phase::Stream);
    Some(Streaming(progress))
}

/// Closes the connection in place of an answer.
pub(in crate::http) fn cut(request: &HttpRequest) {
    if let Some(progress) = Progress::of(request) {
        progress.is_cut.set(true);
    }
}

/// Whether the head announces a body.
pub(in crate::http) fn announces_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// After a CONNECT or an upgrade, actix treats everything on the connection as that request's body and ignores
/// Content-Length. We close the connection, so that no pipelined request is swallowed.
pub(in crate::http) fn takes_the_connection(request: &HttpRequest) -> bool {
    let protocols = request.headers().get_all(header::UPGRADE);
    request.method() == Method::CONNECT
        || protocols.into_iter().any(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Reads no more of the connection than is needed to notice its end, until [`read_body`].
pub(in crate::http) fn read_no_body(request: &HttpRequest) {
    if let Some(progress) = Progress::of(request) {
        progress.enter(Phase::Handler);
    }
}

/// Reads the body while `read` runs, which returns whether it was read to its end.
pub(in crate::http) async fn read_body<T>(
    request: &HttpRequest,
    read: impl Future<Output = (T, IsWhole)>,
) -> T {
    let Some(progress) = Progress::of(request) else { return read.await.0 };
    progress.enter(Phase::Body);
    let (result, is_whole) = read.await;
    progress.has_unread_body.set(is_whole == IsWhole::No);
    progress.enter(Phase::Handler);
    result
}

/// Whether a body was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum IsWhole {
    Yes,
    No,
}
