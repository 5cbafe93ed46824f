//! Messages in the form of Standard Webhooks (<https://www.standardwebhooks.com>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::domain::{ClaimedWebhook, FeedChange, FeedPosition, WebhookSecret};
use crate::http::v1::{ConversationId, rfc_3339};

/// The kinds of changes.
pub(in crate::http) const USER_CHANGED: &str = "user.changed";
pub(in crate::http) const DIRECTORY_CHANGED: &str = "directory.changed";

/// A message, signed at one attempt.
#[derive(Debug)]
pub(super) struct Message {
    id: String,
    /// Unix seconds of the attempt.
    timestamp: u64,
    signatures: String,
    pub(super) body: String,
}

impl Message {
    /// `position` is what receivers recognise a repeated change by.
    pub(super) fn change(
        webhook: &ClaimedWebhook,
        position: FeedPosition,
        change: &FeedChange,
        now: u64,
    ) -> Self {
        let app = webhook.sdk_app_id.number();
        let (kind, data) = match change {
            FeedChange::User { user_id, revision } => (
                USER_CHANGED,
                json!({ "app": app, "user": user_id.as_str(), "revision": revision }),
            ),
            FeedChange::Directory { member, is_gone, directory_revision } => (
                DIRECTORY_CHANGED,
                json!({
                    "app": app, "directory": ConversationId::from(member),
                    "gone": is_gone, "revision": directory_revision,
                }),
            ),
        };
        let FeedPosition { epoch, number } = position;
        Self::signed(format!("{app}_{epoch}_{number}"), kind, &data, &webhook.secrets, now)
    }

    /// Changes were missed, so the receiver must read all states again.
    pub(super) fn resync(webhook: &ClaimedWebhook, position: FeedPosition, now: u64) -> Self {
        let app = webhook.sdk_app_id.number();
        let id = format!("{app}_{}_{}_resync", position.epoch, position.number);
        Self::signed(id, "feed.resync", &json!({ "app": app }), &webhook.secrets, now)
    }

    fn signed(id: String, kind: &str, data: &Value, secrets: &[WebhookSecret], now: u64) -> Self {
        let body = json!({ "type": kind, "timestamp": rfc_3339(now), "data": data }).to_string();
        let signatures: Vec<_> =
            secrets.iter().map(|secret| signature(&secret.key(), &id, now, &body)).collect();
        Self { id, timestamp: now, signatures: signatures.join(" "), body }
    }

    pub(super) fn headers(&self) -> [(&'static str, String); 3] {
        [
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", self.timestamp.to_string()),
            ("webhook-signature", self.signatures.clone()),
        ]
    }
}

fn signature(key: &[u8], id: &str, timestamp: u64, body: &str) -> String {
    #[expect(clippy::expect_used, reason = "it cannot fail")]
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    let mac = mac.chain_update(format!("{id}.{timestamp}.{body}"));
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in the specification.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(
            &secret.key(),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
