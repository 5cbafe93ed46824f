//! A client of the original's API: rate, tries, and what its codes mean for a move.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::Uri;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::domain::{Problem, SdkAppId, SecretKey};
use crate::http::outgoing::{Outgoing, OutgoingError, is_secure, read_body};
use crate::http::user_sig::UserSig;

/// The original gives up after 3 s, and says that its callers should wait longer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// A page of 100 conversations has about 100 KiB.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// How often a call is tried that gets no answer of use.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Items of a call that count as one call. earmark counts so; how the original counts is not known.
const ITEMS_PER_CALL: usize = 25;
/// A UserSig is made once for a run.
const SIG_LIFETIME_S: u64 = 7 * 24 * 3600;

/// Where the service is, and how it is called.
#[derive(Debug)]
pub struct Access {
    pub url: Uri,
    pub sdk_app_id: SdkAppId,
    pub admin: String,
    pub key: SecretKey,
    /// Calls per second, of all commands together.
    pub rate: u32,
    /// How long a call goes on while the service answers that there are too many.
    pub patience: Duration,
}

/// Why a call has not done what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    #[error("the service does not know this user (50001)")]
    UnknownUser,
    /// It would refuse the call for every user.
    #[error("{0}")]
    Refused(String),
    /// It refuses this body.
    #[error("refused with {code}: {info}")]
    Rejected { code: i64, info: String },
    /// It did not answer, or nothing of use, as often as it was asked.
    #[error("{0}")]
    Failed(String),
}

/// The service.
#[derive(Debug)]
pub struct Original {
    url: Uri,
    /// It has the UserSig.
    query: SecretString,
    pace: Pace,
    patience: Duration,
    /// Connections that are open and not in use.
    idle: Mutex<Vec<Outgoing>>,
}

impl Original {
    /// `now` is in Unix seconds.
    #[must_use]
    pub fn new(access: Access, now: u64) -> Self {
        let Access { url, sdk_app_id, admin, key, rate, patience } = access;
        let sig = UserSig::sign(&key, sdk_app_id, &admin, now, SIG_LIFETIME_S);
        let identifier = utf8_percent_encode(&admin, NON_ALPHANUMERIC);
        let sig = utf8_percent_encode(&sig, NON_ALPHANUMERIC);
        let query = format!("sdkappid={sdk_app_id}&identifier={identifier}&usersig={sig}").into();
        Self { url, query, pace: Pace::new(rate), patience, idle: Mutex::default() }
    }

    /// Accepts https, and http only on this machine: the UserSig is a password.
    pub fn parse_url(text: &str) -> Result<Uri, Problem> {
        let url = text.parse::<Uri>().ok().filter(|url| {
            url.host().is_some()
                && ["https", "http"].contains(&url.scheme_str().unwrap_or_default())
                && ["", "/"].contains(&url.path())
                && url.query().is_none()
        });
        url.ok_or_else(|| {
            Problem::new("must be an https URL without a path, such as https://console.tim.qq.com")
        })
    }

    /// Calls a command as often as it takes. `items` is how many items the body has.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        command: &str,
        body: &Value,
        items: usize,
    ) -> Result<T, CallError> {
        let (mut tries, mut wait) = (1, FIRST_WAIT);
        loop {
            match self.call_once(command, body, items).await {
                Err(CallError::Failed(cause)) if tries < TRIES => {
                    tracing::debug!(command, cause, "a call is tried again");
                    sleep(wait).await;
                    (tries, wait) = (tries + 1, wait * 2);
                }
                done => return done,
            }
        }
    }

    /// As [`Self::call`], for a call that must not be repeated: if it fails, it may have been done.
    pub(super) async fn call_once<T: DeserializeOwned>(
        &self,
        command: &str,
        body: &Value,
        items: usize,
    ) -> Result<T, CallError> {
        let (begun, mut wait) = (Instant::now(), FIRST_WAIT);
        loop {
            self.pace.turn(items.div_ceil(ITEMS_PER_CALL)).await;
            let until = Instant::now() + ANSWER_TIME_MAX;
            let answer = timeout_at(until, self.answer(command, body)).await;
            let answer = answer.unwrap_or_else(|_| Err(OutgoingError::Late.to_string()));
            let answer =
                answer.map_err(|cause| CallError::Failed(format!("{command}: {cause}")))?;
            let code = answer.get("ErrorCode").and_then(Value::as_i64);
            let info = answer.get("ErrorInfo").and_then(Value::as_str).unwrap_or_default();
            let told = |code: i64| format!("{command} was answered with {code}: {info:.300}");
            match code {
                None => {
                    let cause = format!("{command}: the answer has no ErrorCode");
                    return Err(CallError::Failed(cause));
                }
                Some(0) => {
                    return serde_json::from_value(answer).map_err(|error| {
                        CallError::Failed(format!("{command}: the answer cannot be read: {error}"))
                    });
                }
                // Too many calls.
                Some(code @ (60007 | 60011 | 60018 | 60019)) => {
                    if begun.elapsed() >= self.patience {
                        let most = self.patience.as_secs();
                        return Err(CallError::Refused(format!("{} for {most} s", told(code))));
                    }
                    tracing::debug!(command, code, "the service has enough, all calls wait");
                    self.pace.pause(wait);
                    wait = (wait * 2).min(WAIT_MAX);
                }
                Some(50001) => return Err(CallError::UnknownUser),
                // The service had no time.
                Some(code @ (50004 | 50005 | 60008 | 60022 | 70169 | 70202 | 70500)) => {
                    return Err(CallError::Failed(told(code)));
                }
                Some(
                    code @ (50002 | 51000..=51012 | 40000..=40999 | 70107 | 70398 | 70399 | 70402),
                ) => {
                    return Err(CallError::Rejected { code, info: format!("{info:.300}") });
                }
                Some(code) => return Err(CallError::Refused(told(code))),
            }
        }
    }

    /// One answer. The error is for people.
    async fn answer(&self, command: &str, body: &Value) -> Result<Value, String> {
        let random = getrandom::u32().map_err(|error| format!("no random number: {error}"))?;
        let query = self.query.expose_secret();
        let path = format!("/v4/{command}?{query}&random={random}&contenttype=json");
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let open = idle().pop().filter(Outgoing::is_open);
        let mut connection = match open {
            Some(open) => open,
            None => self.connect().await.map_err(|error| error.to_string())?,
        };
        let body = serde_json::to_vec(body).map_err(|error| error.to_string())?;
        let answer = connection.post(&path, &[], body).await.map_err(|it| it.to_string())?;
        if answer.status().as_u16() != 200 {
            return Err(format!("HTTP status {}", answer.status().as_u16()));
        }
        let bytes = read_body(answer, ANSWER_BYTES_MAX).await.map_err(|it| it.to_string())?;
        idle().push(connection);
        serde_json::from_slice(&bytes).map_err(|_| "the answer is not JSON".to_owned())
    }

    async fn connect(&self) -> Result<Outgoing, OutgoingError> {
        let is_secure = is_secure(&self.url);
        let allows = |address: IpAddr| is_secure || address.is_loopback();
        Outgoing::open(&self.url, Instant::now() + CONNECT_TIME_MAX, allows).await
    }
}

/// Spreads calls evenly over time, so that no second has more than the rate.
#[derive(Debug)]
struct Pace {
    gap: Duration,
    /// When the next call may begin.
    next: Mutex<Instant>,
}

impl Pace {
    fn new(rate: u32) -> Self {
        Self { gap: Duration::from_secs(1) / rate.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Waits until a call may begin that counts as so many.
    async fn turn(&self, calls: usize) {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX).max(1);
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(Instant::now());
            *next = at + self.gap * calls;
            at
        };
        sleep_until(at).await;
    }

    /// No call begins for so long.
    fn pause(&self, time: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now() + time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_are_spread_by_their_items_and_pauses_hold_for_all() {
        let (pace, begun) = (Pace::new(10), Instant::now());
        let at = || begun.elapsed().as_millis();
        pace.turn(1).await;
        assert_eq!(at(), 0);
        pace.turn(4).await;
        assert_eq!(at(), 100);
        pace.turn(1).await;
        assert_eq!(at(), 500);
        pace.pause(Duration::from_secs(2));
        pace.turn(0).await;
        assert_eq!(at(), 2500);
        pace.turn(1).await;
        assert_eq!(at(), 2600);
    }

    #[test]
    fn a_url_has_a_host_and_nothing_behind_it() {
        for good in ["https://console.tim.qq.com", "http://127.0.0.1:8080/", "https://[::1]:1"] {
            assert!(Original::parse_url(good).is_ok(), "{good}");
        }
        for bad in ["", "console.tim.qq.com", "ftp://a", "https://a/v4", "https://a/?b", "https://"]
        {
            assert!(Original::parse_url(bad).is_err(), "{bad}");
        }
    }
}
