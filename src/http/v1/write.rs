//! What all writes of a user's state have in common.

use serde::Serialize;

use crate::domain::Refusal;
use crate::error::Error;
use crate::http::failure::Failure;
use crate::service::{Service, Write, Written};

/// Writes. If the state has another revision than the write expects, the failure shows what `current` then reads.
pub(super) async fn write<A: Serialize>(
    service: &Service,
    write: Write,
    current: impl Future<Output = Result<(u64, A), Error>>,
) -> Result<Written, Failure> {
    match service.write(write).await {
        Err(Error::Refused(Refusal::RevisionChanged)) => {
            let (revision, current) = current.await?;
            let current =
                serde_json::to_value(current).map_err(|why| Error::Internal(why.into()))?;
            Err(Failure::Conflict { revision, current })
        }
        done => Ok(done?),
    }
}

/// The failure of a read that follows a committed write. The client must not hear that nothing was written.
pub(super) fn after_commit(failure: Error) -> Error {
    match failure {
        Error::Refused(refusal) => Error::Refused(refusal),
        Error::Unavailable(cause) => Error::InDoubt(cause),
        other @ (Error::Overloaded(_) | Error::InDoubt(_) | Error::Internal(_)) => {
            Error::InDoubt(Some(other.into()))
        }
    }
}
