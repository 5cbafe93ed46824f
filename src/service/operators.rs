//! The named tokens of operators.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;
use serde_json::json;

use super::{Service, random_bytes};
use crate::audit::{Action, Operator};
use crate::deadline::Deadline;
use crate::domain::{NamedToken, Scope, TokenDigest, TokenName, TokenSecret};
use crate::error::{Error, Queue};
use crate::store::operators::{self, SentToken};
use crate::store::{self, Partitions, Store, Tx};

/// Look-ups per second, for the whole process, of tokens that were not found before.
const UNKNOWN_PER_SECOND: NonZeroU32 = NonZeroU32::new(50).unwrap();
/// Tokens that the process remembers to have found.
const FOUND_MAX: u64 = 10_000;

/// Anybody can send any token, so look-ups of tokens that were not found before share a rate.
#[derive(Debug)]
pub(super) struct TokenLookups {
    found: Cache<TokenDigest, ()>,
    unknown: DefaultDirectRateLimiter,
}

impl Default for TokenLookups {
    fn default() -> Self {
        Self {
            found: Cache::builder().max_capacity(FOUND_MAX).build(),
            unknown: RateLimiter::direct(Quota::per_second(UNKNOWN_PER_SECOND)),
        }
    }
}

impl Service {
    /// The token that a client has sent, as it is stored now: a revoked one is not found at once. Notes its use.
    pub async fn operator_token(&self, digest: TokenDigest) -> Result<Option<SentToken>, Error> {
        let lookups = &self.shared.tokens;
        if !lookups.found.contains_key(&digest) && lookups.unknown.check().is_err() {
            return Err(Error::Overloaded(Queue::UnknownTokens));
        }
        let (deadline, store) = (Deadline::of_a_request(), self.partitions.shared().clone());
        let find = store.read(deadline, async move |reader| operators::find(reader, &digest).await);
        let found = self.within(deadline, Error::late_read, find).await?;
        match &found {
            None => lookups.found.invalidate(&digest),
            Some(token) => {
                lookups.found.insert(digest, ());
                if token.is_use_due {
                    // No request waits for it.
                    self.runtime.spawn(note_use(self.partitions.shared().clone(), digest));
                }
            }
        }
        Ok(found)
    }
}

async fn note_use(store: Store, digest: TokenDigest) {
    let deadline = Deadline::of_a_request();
    let note = async |tx: &mut Tx<'_>| operators::note_use(tx, &digest).await;
    let noted = deadline.limit(store.write(deadline, note)).await;
    if let Err(error) = noted.unwrap_or_else(|late| Err(Error::late_write(late))) {
        let cause = error.with_causes();
        tracing::warn!(cause, "the last use of an operator's token was not stored");
    }
}

/// Returns the token, which cannot be read later. `None` if the name is taken.
pub async fn create_token(
    partitions: &Partitions,
    name: &TokenName,
    scopes: &[Scope],
    operator: &Operator,
) -> Result<Option<TokenSecret>, Error> {
    let secret = TokenSecret::of_random_bytes(random_bytes()?);
    let create = partitions.shared().clone().write(Deadline::of_a_request(), async |tx| {
        let is_new = operators::insert(tx, name, scopes, &secret).await?;
        if is_new {
            let entry = operator.did(Action::TokenCreate).about(name.as_str());
            store::audit::add(tx, &entry.after(scopes_document(scopes))).await?;
        }
        Ok(is_new)
    });
    let is_new = create.await?;
    Ok(is_new.then_some(secret))
}

/// Returns whether there was a token of this name.
pub async fn revoke_token(
    partitions: &Partitions,
    name: &str,
    operator: &Operator,
) -> Result<bool, Error> {
    let revoke = partitions.shared().clone().write(Deadline::of_a_request(), async |tx| {
        let Some(scopes) = operators::delete(tx, name).await? else { return Ok(false) };
        let entry = operator.did(Action::TokenRevoke).about(name);
        store::audit::add(tx, &entry.before(scopes_document(&scopes))).await?;
        Ok(true)
    });
    revoke.await
}

/// All tokens, by name.
pub async fn list_tokens(partitions: &Partitions) -> Result<Vec<NamedToken>, Error> {
    let read = partitions.shared().clone();
    read.read(Deadline::of_a_request(), async |reader| operators::load_all(reader).await).await
}

fn scopes_document(scopes: &[Scope]) -> serde_json::Value {
    json!({ "scopes": scopes.iter().copied().map(Scope::name).collect::<Vec<_>>() })
}
