//! What the store and the service fail with.

use std::fmt;

use crate::deadline::Late;
use crate::domain::Refusal;

/// Why something was not done. The causes are for the log, not for the client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules refuse it. Nothing was written.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// Too much waits already. Nothing was written.
    #[error("queue full: {0}, nothing was written, safe to send again")]
    Overloaded(Queue),
    /// PostgreSQL did not answer, or gave the transaction up. Nothing was written.
    #[error("the database did not answer in time: not begun, safe to send again")]
    Unavailable(#[source] Option<anyhow::Error>),
    /// PostgreSQL did not answer a commit. Either all of it was written or none.
    #[error("the database did not answer in time: in doubt, look before you send again")]
    InDoubt(#[source] Option<anyhow::Error>),
    /// A fault of ours, or of what is stored.
    #[error("internal error, try again")]
    Internal(#[source] anyhow::Error),
}

/// What is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// The lane of a thread, or the part of it for one app.
    Writes,
    /// The memory for the bodies of requests.
    Bodies,
    /// Look-ups of apps that may not exist.
    UnknownApps,
    /// Look-ups of operators' tokens that may not exist.
    UnknownTokens,
}

impl fmt::Display for Queue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Writes => "too many writes wait",
            Self::Bodies => "too many large bodies are being received",
            Self::UnknownApps => "too many calls name an sdkappid that was not seen before",
            Self::UnknownTokens => {
                "too many requests send an operator token that was not seen before"
            }
        })
    }
}

impl Error {
    #[must_use]
    pub fn internal(cause: &'static str) -> Self {
        Self::Internal(anyhow::Error::msg(cause))
    }

    /// The deadline passed before a read ended.
    #[must_use]
    pub fn late_read(late: Late) -> Self {
        Self::Unavailable(Some(late.into()))
    }

    /// The deadline passed before a write ended. It may still be committed.
    #[must_use]
    pub fn late_write(late: Late) -> Self {
        Self::InDoubt(Some(late.into()))
    }

    /// The error of a request that has committed before something else failed.
    #[must_use]
    pub fn after_commit(self) -> Self {
        Self::InDoubt(Some(self.into()))
    }

    /// The same for one of several parts of a request. The cause stays with the first.
    #[must_use]
    pub fn of_part(&self) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(*refusal),
            Self::Overloaded(queue) => Self::Overloaded(*queue),
            Self::Unavailable(_) => Self::Unavailable(None),
            Self::InDoubt(_) => Self::InDoubt(None),
            Self::Internal(cause) => Self::Internal(anyhow::anyhow!("{cause:#}")),
        }
    }

    /// The error with its causes, in one line for a log.
    #[must_use]
    pub fn with_causes(self) -> String {
        format!("{:#}", anyhow::Error::from(self))
    }

    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::InDoubt(_))
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        if refusal == Refusal::NumbersUsedUp {
            Self::internal("a user has used up 2^31 numbers")
        } else if refusal == Refusal::NotLoaded {
            Self::internal("a conversation was changed that had not been loaded")
        } else {
            Self::Refused(refusal)
        }
    }
}
