//! Who calls: the query string and its UserSig.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use sha2::{Digest, Sha256};

use crate::domain::{App, Flaw, SdkAppId, SecretKey, UserSig};
use crate::error::Error;
use crate::metrics::CacheLookups;

/// Verified UserSigs that are remembered at once, and for how long without a call.
const VERIFIED_MAX: u64 = 10_000;
const VERIFIED_IDLE_MAX: Duration = Duration::from_mins(10);

/// What the query says of the caller. Nothing of it has been checked against an app yet. It holds a UserSig, so it is not
/// `Debug`.
pub struct Credentials<'q> {
    pub sdk_app_id: SdkAppId,
    pub identifier: Cow<'q, str>,
    user_sig: Cow<'q, str>,
}

impl<'q> Credentials<'q> {
    /// Reads the query as forms are: `+` is a space, `%2A` is `*`. The first of several equal names counts.
    pub fn parse(query: &'q str) -> Result<Self, Error> {
        let value = |wanted| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value)
        };
        let sdk_app_id = value("sdkappid").ok_or(Error::SdkAppIdMissing)?;
        let sdk_app_id = sdk_app_id.parse().map_err(|_| Error::SdkAppIdInvalid)?;
        let identifier = value("identifier").filter(|identifier| !identifier.is_empty());
        let identifier = identifier.ok_or(Error::CallerMissing("identifier"))?;
        let user_sig = value("usersig").ok_or(Error::CallerMissing("usersig"))?;
        if user_sig.is_empty() {
            return Err(Error::UserSigEmpty);
        }
        Ok(Self { sdk_app_id, identifier, user_sig })
    }

    /// What a verified UserSig is remembered by: a digest, so that no UserSig stays in memory.
    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.sdk_app_id.number().to_be_bytes());
        digest.update((self.identifier.len() as u64).to_be_bytes());
        digest.update(self.identifier.as_bytes());
        digest.update(self.user_sig.as_bytes());
        digest.finalize().into()
    }
}

/// A UserSig that was good: until when, and by which key.
#[derive(Debug)]
struct Verified {
    expires_at: u64,
    key: SecretKey,
}

/// UserSigs that were found good, so that the same one is not inflated and hashed for every call.
#[derive(Debug, Clone)]
pub struct VerifiedSigs(Cache<[u8; 32], Arc<Verified>>);

impl VerifiedSigs {
    pub fn new() -> Self {
        Self(Cache::builder().max_capacity(VERIFIED_MAX).time_to_idle(VERIFIED_IDLE_MAX).build())
    }

    /// Checks that the app vouches for the caller at `now`. A remembered UserSig counts only while its key does.
    pub fn check(
        &self,
        who: &Credentials<'_>,
        app: &App,
        now: u64,
        lookups: &CacheLookups,
    ) -> Result<(), Error> {
        let digest = who.digest();
        if let Some(known) = self.0.get(&digest)
            && app.secret_keys().any(|key| *key == known.key)
        {
            lookups.hits.inc();
            return if now < known.expires_at {
                Ok(())
            } else {
                Err(Error::UserSig(Flaw::Expired))
            };
        }
        lookups.misses.inc();
        let sig = UserSig::decode(&who.user_sig).map_err(Error::UserSig)?;
        let (expires_at, key) = sig.verify(app, &who.identifier, now).map_err(Error::UserSig)?;
        self.0.insert(digest, Arc::new(Verified { expires_at, key: key.clone() }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &str) {
        let outcome = match Credentials::parse(query) {
            Ok(who) => format!("{} {} {}", who.sdk_app_id, who.identifier, who.user_sig),
            Err(error) => error.to_string(),
        };
        assert_eq!(outcome, expected);
    }

    #[test]
    fn a_query_is_read_as_a_form_in_any_order() {
        check("sdkappid=1&identifier=a&usersig=x&random=9&contenttype=json", "1 a x");
        check(
            "random=179538456976457760000&usersig=e%2Af*-_&sdkappid=1&identifier=a+b%2Bc",
            "1 a b+c e*f*-_",
        );
    }

    #[test]
    fn what_is_missing_is_named_in_the_order_of_the_front_door() {
        check("", "sdkappid: missing from the query");
        for number in ["", "x", "0", "-1", "1.5", "99999999999999999999", "+", " 1"] {
            check(&format!("sdkappid={number}"), "sdkappid: must be a positive integer");
        }
        check("sdkappid=1", "identifier: missing from the query");
        check("sdkappid=1&identifier=&usersig=x", "identifier: missing from the query");
        check("sdkappid=1&identifier=a", "usersig: missing from the query");
        check("sdkappid=1&identifier=a&usersig=", "usersig: empty");
    }
}
