//! The caller: query string and UserSig.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::failure::Failure;
use super::user_sig::{Flaw, UserSig};
use crate::domain::{App, AppKey, SdkAppId, SecretKey};
use crate::metrics::CacheLookups;

/// Capacity of the cache of verified UserSigs, and how long an entry stays without a call.
const VERIFIED_MAX: u64 = 10_000;
const VERIFIED_IDLE_MAX: Duration = Duration::from_mins(10);

/// The caller according to the query. Not checked yet. Not `Debug`, because it holds a UserSig.
pub struct Credentials<'q> {
    pub sdk_app_id: SdkAppId,
    pub identifier: Cow<'q, str>,
    user_sig: Cow<'q, str>,
}

impl<'q> Credentials<'q> {
    #[must_use]
    pub fn new(sdk_app_id: SdkAppId, identifier: String, user_sig: &'q str) -> Self {
        Self { sdk_app_id, identifier: identifier.into(), user_sig: user_sig.into() }
    }

    /// Credentials that outlive their request.
    #[must_use]
    pub fn into_owned(self) -> Credentials<'static> {
        Credentials {
            sdk_app_id: self.sdk_app_id,
            identifier: self.identifier.into_owned().into(),
            user_sig: self.user_sig.into_owned().into(),
        }
    }

    /// Decodes the query like a form: `+` is a space, `%2A` is `*`. If a name occurs twice, the first value counts.
    pub fn parse(query: &'q str) -> Result<Self, Failure> {
        let value = |wanted| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value)
        };
        let sdk_app_id = value("sdkappid").ok_or(Failure::SdkAppIdMissing)?;
        let sdk_app_id = sdk_app_id.parse().map_err(|_| Failure::SdkAppIdInvalid)?;
        let identifier = value("identifier").filter(|identifier| !identifier.is_empty());
        let identifier = identifier.ok_or(Failure::CallerMissing("identifier"))?;
        let user_sig = value("usersig").ok_or(Failure::CallerMissing("usersig"))?;
        if user_sig.is_empty() {
            return Err(Failure::UserSigEmpty);
        }
        Ok(Self { sdk_app_id, identifier, user_sig })
    }

    /// The cache key of a verified UserSig. It is a digest, so that no UserSig stays in memory.
    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.sdk_app_id.number().to_be_bytes());
        digest.update((self.identifier.len() as u64).to_be_bytes());
        digest.update(self.identifier.as_bytes());
        digest.update(self.user_sig.as_bytes());
        digest.finalize().into()
    }
}

/// A valid UserSig: its expiry in Unix seconds, and the key that signed it.
#[derive(Debug)]
struct Verified {
    expires_at: u64,
    key: SecretKey,
}

/// Cache of valid UserSigs, which saves inflating and hashing them for every call.
#[derive(Debug, Clone)]
pub struct VerifiedSigs(Cache<[u8; 32], Arc<Verified>>);

impl Default for VerifiedSigs {
    fn default() -> Self {
        Self::new()
    }
}

impl VerifiedSigs {
    #[must_use]
    pub fn new() -> Self {
        Self(Cache::builder().max_capacity(VERIFIED_MAX).time_to_idle(VERIFIED_IDLE_MAX).build())
    }

    /// Checks the caller's UserSig at `now` (Unix seconds). A cached UserSig counts only while the app still has its
    /// key. Returns the key that signed it.
    pub fn check<'a>(
        &self,
        who: &Credentials<'_>,
        app: &'a App,
        now: u64,
        lookups: &CacheLookups,
    ) -> Result<&'a AppKey, Failure> {
        let digest = who.digest();
        if let Some(known) = self.0.get(&digest)
            && let Some(key) = app.keys().find(|key| key.secret == known.key)
        {
            lookups.hits.inc();
            return if now < known.expires_at {
                Ok(key)
            } else {
                Err(Failure::UserSig(Flaw::Expired))
            };
        }
        lookups.misses.inc();
        let sig = UserSig::decode(&who.user_sig).map_err(Failure::UserSig)?;
        let (expires_at, key) = sig.verify(app, &who.identifier, now).map_err(Failure::UserSig)?;
        self.0.insert(digest, Arc::new(Verified { expires_at, key: key.secret.clone() }));
        Ok(key)
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
    fn the_first_missing_parameter_is_named() {
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
