//! Sends one message. Everything has a time limit.

use std::net::IpAddr;
use std::time::Duration;

use hyper::Uri;
use tokio::time::{Instant, timeout};

use super::address::is_public;
use super::message::Message;
use crate::domain::WebhookUrl;
use crate::http::outgoing::{Outgoing, OutgoingError, is_secure, read_body};
use crate::service::WebhookHosts;

/// For the look-up, the connection and the TLS handshake together.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// From the begin to the end of the answer.
const TIME_MAX: Duration = Duration::from_secs(15);
/// Of an answer's body, this much is read to see that the answer is whole.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Why a message was not delivered. Operators read it.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("{0} is not a public address (--webhooks)")]
    NotPublic(IpAddr),
    #[error(transparent)]
    Outgoing(OutgoingError),
    #[error("the answer was {0}")]
    Status(u16),
}

impl From<OutgoingError> for SendError {
    fn from(error: OutgoingError) -> Self {
        if let OutgoingError::Forbidden(address) = error {
            Self::NotPublic(address)
        } else {
            Self::Outgoing(error)
        }
    }
}

/// Delivered means that the whole answer was received, with a status of 2xx.
pub(super) async fn send(
    hosts: WebhookHosts,
    url: &WebhookUrl,
    message: &Message,
) -> Result<(), SendError> {
    let late = Err(SendError::Outgoing(OutgoingError::Late));
    timeout(TIME_MAX, attempt(hosts, url, message)).await.unwrap_or(late)
}

async fn attempt(
    hosts: WebhookHosts,
    url: &WebhookUrl,
    message: &Message,
) -> Result<(), SendError> {
    let url: Uri = url.as_str().parse().map_err(|_| OutgoingError::Url("it is not a URI"))?;
    let takes_any = hosts == WebhookHosts::Any;
    if !is_secure(&url) && !takes_any {
        return Err(OutgoingError::Url("it must be https (--webhooks)").into());
    }
    let until = Instant::now() + CONNECT_TIME_MAX;
    let allows = |address| takes_any || is_public(address);
    let mut connection = Outgoing::open(&url, until, allows).await?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let body = message.body.clone().into_bytes();
    let answer = connection.post(path, &message.headers(), body).await?;
    if !answer.status().is_success() {
        return Err(SendError::Status(answer.status().as_u16()));
    }
    read_body(answer, BODY_BYTES_MAX).await?;
    Ok(())
}
