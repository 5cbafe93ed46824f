//! The body of a stream of Server-Sent Events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;
use tokio::time::Instant;

use super::ShownChanges;
use super::follower::{Event, Follower};
use crate::error::Error;
use crate::http::connection::Streaming;
use crate::http::failure::Failure;
use crate::http::v1::problem;

/// Without an event for so long, a comment tells the client and the proxies between that the stream is alive, and tells us
/// that the client is.
const COMMENT_EVERY: Duration = Duration::from_secs(15);
const COMMENT: &[u8] = b":\n\n";
/// A stream outlives an outage of the database. It asks again after this pause.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The events, one at a time: the next one is made when the client has taken the one before. So a slow client costs one event
/// of memory, and the time limit of `http/connection/` ends it.
pub(super) struct Events {
    state: State,
    connection: Option<Streaming>,
    /// A part was handed to actix, which sends it when it is told that there is no more.
    has_sent: bool,
}

enum State {
    First(Bytes, Box<Follower>),
    Next(LocalBoxFuture<'static, Option<(Bytes, Option<Box<Follower>>)>>),
    End,
}

impl Events {
    pub(super) fn new(
        follower: Follower,
        first: Option<&ShownChanges>,
        connection: Option<Streaming>,
    ) -> Self {
        let follower = Box::new(follower);
        let state = match first {
            Some(changes) => State::First(event(changes), follower),
            None => State::Next(Box::pin(next(follower))),
        };
        Self { state, connection, has_sent: false }
    }

    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let (part, follower) = match &mut self.state {
            State::Next(next) => match ready!(next.as_mut().poll(context)) {
                Some(part) => part,
                None => return Poll::Ready(None),
            },
            State::First(..) | State::End => match std::mem::replace(&mut self.state, State::End) {
                State::First(part, follower) => (part, Some(follower)),
                State::Next(_) | State::End => return Poll::Ready(None),
            },
        };
        self.state = match follower {
            Some(follower) => State::Next(Box::pin(next(follower))),
            None => State::End,
        };
        Poll::Ready(Some(part))
    }
}

impl MessageBody for Events {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.has_sent) {
            // actix asks for more before it sends. It sends now, and then we see whether the client takes it.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.connection.as_ref().is_some_and(Streaming::is_blocked) {
            // The connection wakes the task.
            return Poll::Pending;
        }
        let part = ready!(this.poll_part(context));
        this.has_sent = part.is_some();
        Poll::Ready(part.map(Ok))
    }
}

/// The next part, and the follower unless it is the last one. `None` ends the stream.
async fn next(mut follower: Box<Follower>) -> Option<(Bytes, Option<Box<Follower>>)> {
    let comment_at = Instant::now() + COMMENT_EVERY;
    loop {
        let read = match follower.wait(comment_at).await {
            Event::Stopping => return None,
            // Boxed: a stream that waits must not carry the size of a read.
            Event::Late => match Box::pin(follower.check_again()).await {
                Ok(_) => return Some((Bytes::from_static(COMMENT), Some(follower))),
                Err(failure) => Err(failure),
            },
            Event::Changed => Box::pin(follower.read_again()).await,
        };
        match read {
            Ok((_, changes)) if changes.is_empty() => {}
            Ok((app, changes)) => {
                let event = event(&ShownChanges::new(&changes, follower.key(), &app));
                return Some((event, Some(follower)));
            }
            Err(Failure::CursorUnknown) => return Some((resync(), None)),
            Err(Failure::Service(Error::Unavailable(_) | Error::Overloaded(_))) => {
                if follower.is_stopping_before(Instant::now() + RETRY_PAUSE).await {
                    return None;
                }
            }
            Err(failure) => {
                problem::log(&failure);
                return None;
            }
        }
    }
}

fn event(changes: &ShownChanges) -> Bytes {
    // A struct of texts and numbers can always be written as JSON, which has no line break.
    let data = serde_json::to_string(changes).unwrap_or_default();
    format!("id: {}\nevent: changes\ndata: {data}\n\n", changes.cursor).into()
}

/// The last event of a client whose cursor is not known any more.
fn resync() -> Bytes {
    format!("event: resync\ndata: {}\n\n", problem::text(&Failure::CursorUnknown)).into()
}
