//! Request bodies: how much of them the process holds, and what happens to a body that nothing reads.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Payload;
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::failure::Failure;
use crate::error::{Error, Queue};
use crate::http::connection::{self, IsWhole};
use crate::limits::{BODIES_BYTES_MAX, BODY_BYTES_MAX};

/// Time limit for receiving a body.
pub(in crate::http) const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// The memory for the bodies of all requests of the process: one permit per byte.
#[derive(Debug, Clone)]
pub(super) struct Bodies(Arc<Semaphore>);

/// A whole body. Its memory counts until this is dropped.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    room: OwnedSemaphorePermit,
}

impl Bodies {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BODIES_BYTES_MAX)))
    }

    /// Reads a body to its end. Refuses it before it is read if the process holds too many.
    pub(super) async fn read(
        &self,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Body, Failure> {
        let announced = announced_length(request).unwrap_or_default();
        let body = match self.room(announced) {
            Ok(room) => Body { bytes: Vec::with_capacity(announced), room },
            Err(full) => {
                discard(request, payload).await;
                return Err(full);
            }
        };
        let read = async {
            let read = timeout(BODY_TIME_MAX, self.collect(body, payload)).await;
            let read = read.unwrap_or(Err(Failure::BodyUnreadable));
            let is_whole = if read.is_ok() { IsWhole::Yes } else { IsWhole::No };
            (read, is_whole)
        };
        connection::read_body(request, read).await
    }

    fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Failure> {
        let permits = u32::try_from(bytes).map_err(|_| Failure::BodyTooLarge)?;
        let room = self.0.clone().try_acquire_many_owned(permits);
        room.map_err(|_| Error::Overloaded(Queue::Bodies).into())
    }

    /// A chunked body has no announced length, so it takes its room as it grows.
    async fn collect(&self, mut body: Body, mut payload: Payload) -> Result<Body, Failure> {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Failure::BodyUnreadable)?;
            let length = body.bytes.len() + chunk.len();
            if length > BODY_BYTES_MAX {
                return Err(Failure::BodyTooLarge);
            }
            let missing = length.saturating_sub(body.room.num_permits());
            if missing > 0 {
                body.room.merge(self.room(missing)?);
            }
            body.bytes.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// The length in the head; `None` if the body is chunked or if there is none.
fn announced_length(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Fails if the head announces a body that is too large. A length that is no number is actix's to refuse.
pub(super) fn check_announced(request: &HttpRequest) -> Result<(), Failure> {
    if announced_length(request).is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(Failure::BodyTooLarge);
    }
    Ok(())
}

/// Reads a refused body without keeping it, so that the connection can take the next request. Of a body that is too large
/// or too slow, the rest stays unread, and actix closes the connection after the answer.
pub(super) async fn discard(request: &HttpRequest, mut payload: Payload) {
    // The body that follows an upgrade never ends.
    if connection::takes_the_connection(request)
        || !connection::announces_body(request)
        || check_announced(request).is_err()
    {
        return;
    }
    let read = async {
        let mut length = 0;
        while let Some(chunk) = payload.next().await {
            length += chunk.map_or(usize::MAX, |chunk| chunk.len());
            if length > BODY_BYTES_MAX {
                return IsWhole::No;
            }
        }
        IsWhole::Yes
    };
    let read = async {
        let is_whole = timeout(BODY_TIME_MAX, read).await;
        ((), is_whole.unwrap_or(IsWhole::No))
    };
    connection::read_body(request, read).await;
}
