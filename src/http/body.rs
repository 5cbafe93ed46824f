//! Request bodies: how they are encoded, how much of them the process holds, and what happens to a body that nothing reads.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Payload;
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::failure::Failure;
use crate::error::{Error, Queue};
use crate::http::connection::{self, IsWhole};
use crate::limits::{BODIES_BYTES_MAX, BODY_BYTES_MAX};

/// Time limit for receiving a body.
pub(in crate::http) const BODY_TIME_MAX: Duration = Duration::from_secs(10);

/// How much of a body is inflated at once, in bytes.
const PIECE: usize = 64 * 1024;
/// How much of an unknown coding's name an answer repeats.
const CODING_CHARS_MAX: usize = 32;

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
        let begun = coding(request).and_then(|coding| Ok((coding, self.room(announced)?)));
        let (coding, body) = match begun {
            Ok((coding, room)) => (coding, Body { bytes: Vec::with_capacity(announced), room }),
            Err(refusal) => {
                discard(request, payload).await;
                return Err(refusal);
            }
        };
        let read = async {
            let read = timeout(BODY_TIME_MAX, self.collect(body, payload)).await;
            let read = read.unwrap_or(Err(Failure::BodyUnreadable));
            let is_whole = if read.is_ok() { IsWhole::Yes } else { IsWhole::No };
            (read, is_whole)
        };
        self.inflated(connection::read_body(request, read).await?, coding)
    }

    /// The body without its coding. It takes its room as it grows, and has the same limit as one that came without.
    fn inflated(&self, sent: Body, coding: Coding) -> Result<Body, Failure> {
        let bytes = sent.bytes.as_slice();
        let mut reader: Box<dyn Read + '_> = match coding {
            Coding::None => return Ok(sent),
            Coding::Gzip => Box::new(GzDecoder::new(bytes)),
            Coding::Deflate if has_zlib_head(bytes) => Box::new(ZlibDecoder::new(bytes)),
            // Some clients leave the head out.
            Coding::Deflate => Box::new(DeflateDecoder::new(bytes)),
        };
        let mut body = Body { bytes: Vec::new(), room: self.room(0)? };
        loop {
            let length = body.bytes.len();
            let step = PIECE.min(BODY_BYTES_MAX + 1 - length);
            body.room.merge(self.room(step)?);
            let read = reader.by_ref().take(step as u64).read_to_end(&mut body.bytes);
            match read.map_err(|_| Failure::NotInflatable)? {
                0 if length <= BODY_BYTES_MAX => return Ok(body),
                _ if body.bytes.len() > BODY_BYTES_MAX => return Err(Failure::BodyTooLarge),
                _ => {}
            }
        }
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

/// How a body is encoded.
#[derive(Clone, Copy)]
enum Coding {
    None,
    Gzip,
    Deflate,
}

fn coding(request: &HttpRequest) -> Result<Coding, Failure> {
    let Some(name) = request.headers().get(header::CONTENT_ENCODING) else {
        return Ok(Coding::None);
    };
    let name = String::from_utf8_lossy(name.as_bytes()).trim().to_ascii_lowercase();
    match name.as_str() {
        "" | "identity" => Ok(Coding::None),
        "gzip" | "x-gzip" => Ok(Coding::Gzip),
        "deflate" => Ok(Coding::Deflate),
        _ => Err(Failure::UnknownCoding(name.chars().take(CODING_CHARS_MAX).collect())),
    }
}

/// See RFC 1950, section 2.2.
fn has_zlib_head(bytes: &[u8]) -> bool {
    matches!(bytes, [method, flags, ..]
        if method & 15 == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0)
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
