//! Webhooks: addresses to which the changes of an app's feed are sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::{FeedChange, FeedPosition, Problem, SdkAppId};

const URL_BYTES_MAX: usize = 2048;
/// What Standard Webhooks allows for a key.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const SECRET_PREFIX: &str = "whsec_";

/// A webhook, as operators see it.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub id: i64,
    pub url: WebhookUrl,
    pub wants: WantedChanges,
    pub disabled: bool,
    /// `None` if the last attempt succeeded. Unix seconds.
    pub failing_since: Option<u64>,
    pub last_error: Option<String>,
    /// Changes that wait for another attempt while later ones were delivered.
    pub waiting: u64,
    pub dead_letters: u64,
}

impl Webhook {
    /// Adds what is known of it in the schema of another feed.
    pub fn add_feed(&mut self, other: Self) {
        self.failing_since = [self.failing_since, other.failing_since].into_iter().flatten().min();
        self.last_error = self.last_error.take().or(other.last_error);
        self.waiting += other.waiting;
        self.dead_letters += other.dead_letters;
    }
}

/// Which changes a webhook gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedChanges {
    pub users: bool,
    pub directory: bool,
}

impl WantedChanges {
    pub const ALL: Self = Self { users: true, directory: true };

    #[must_use]
    pub fn includes(self, change: &FeedChange) -> bool {
        match change {
            FeedChange::User { .. } => self.users,
            FeedChange::Directory { .. } => self.directory,
        }
    }
}

/// An `http` or `https` URL. Whether its host may be called is checked when it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl(String);

impl WebhookUrl {
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let authority = rest.and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
        let is_fit = text.len() <= URL_BYTES_MAX
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && !authority.is_empty()
            && !authority.contains('@')
            && !text.contains('#');
        if is_fit {
            return Ok(Self(text.to_owned()));
        }
        Err(Problem::new(format!(
            "must be an http or https URL of at most {URL_BYTES_MAX} ASCII characters, without a user and a fragment"
        )))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key that signs a webhook's messages. `Debug` does not print it.
#[derive(Debug, Clone)]
pub struct WebhookSecret(SecretString);

impl WebhookSecret {
    /// Accepts `whsec_` and the base64 of 24 to 64 bytes.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let key = text.strip_prefix(SECRET_PREFIX).and_then(|key| STANDARD.decode(key).ok());
        if key.is_some_and(|key| SECRET_BYTES.contains(&key.len())) {
            return Ok(Self(text.into()));
        }
        Err(Problem::new("must be whsec_ and the base64 of 24 to 64 bytes"))
    }

    #[must_use]
    pub fn of_random_bytes(bytes: [u8; 32]) -> Self {
        Self(format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes)).into())
    }

    /// As text: to store, and to show a new secret to the operator.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// The bytes of the key.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        let key = self.reveal().strip_prefix(SECRET_PREFIX).unwrap_or_default();
        STANDARD.decode(key).unwrap_or_default()
    }
}

/// A webhook that this process delivers to, until its claim ends.
#[derive(Debug, Clone)]
pub struct ClaimedWebhook {
    pub sdk_app_id: SdkAppId,
    /// The index of the schema whose feed is delivered.
    pub feed: usize,
    pub id: i64,
    pub url: WebhookUrl,
    pub wants: WantedChanges,
    /// One, or two during a rotation.
    pub secrets: Vec<WebhookSecret>,
    pub position: FeedPosition,
    /// All attempts have failed for so long that changes are given up.
    pub gives_up: bool,
}

/// A change to deliver.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub position: FeedPosition,
    pub change: FeedChange,
    /// It is in the table of failed deliveries. `None` if it comes from the feed.
    pub attempts: Option<u32>,
}

/// What to deliver next.
#[derive(Debug, Clone)]
pub enum WebhookPage {
    /// The position is no longer known: the receiver must read all states again. Deliveries go on at this position.
    Resync(FeedPosition),
    Changes {
        /// Those that failed before come first.
        deliveries: Vec<Delivery>,
        /// Changes from the feed that must wait for a failed one of the same user.
        blocked: Vec<Delivery>,
        /// Where the feed's changes on this page end.
        end: FeedPosition,
    },
}

/// What became of a page.
#[derive(Debug, Clone, Default)]
pub struct PageOutcome {
    /// The new position; `None` stays where it is, because every attempt failed.
    pub position: Option<FeedPosition>,
    /// Attempts failed with this error, and none succeeded.
    pub failure: Option<String>,
    /// An attempt succeeded.
    pub is_alive: bool,
    pub delivered: Vec<Delivery>,
    /// Each with the error.
    pub failed: Vec<(Delivery, String)>,
    /// Behind a failed one of the same user.
    pub behind: Vec<Delivery>,
}

/// A failed delivery, as operators see it.
#[derive(Debug, Clone)]
pub struct FailedDelivery {
    pub position: FeedPosition,
    pub change: FeedChange,
    pub attempts: u32,
    /// Unix seconds.
    pub failed_at: u64,
    pub last_error: Option<String>,
    pub is_dead: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_host_and_no_user() {
        for text in ["https://a.example/x?y=1", "http://127.0.0.1:8080", "https://[::1]/"] {
            assert_eq!(WebhookUrl::parse(text).unwrap().as_str(), text);
        }
        let long = format!("https://a/{}", "x".repeat(URL_BYTES_MAX));
        for text in [
            "",
            "a.example",
            "ftp://a",
            "https://",
            "https:///x",
            "https://u@a/",
            "https://a/#b",
            "https://a b",
            &long,
        ] {
            assert!(WebhookUrl::parse(text).is_err(), "{text:.40}");
        }
    }

    #[test]
    fn a_secret_is_read_back() {
        let secret = WebhookSecret::of_random_bytes([7; 32]);
        assert_eq!(WebhookSecret::parse(secret.reveal()).unwrap().key(), [7; 32]);
        assert!(!format!("{secret:?}").contains(secret.reveal()));
        for bytes in [23, 65] {
            let text = format!("whsec_{}", STANDARD.encode(vec![1; bytes]));
            assert!(WebhookSecret::parse(&text).is_err(), "{bytes}");
        }
        for text in ["", "whsec_", "whsec_!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(WebhookSecret::parse(text).is_err(), "{text}");
        }
    }
}
