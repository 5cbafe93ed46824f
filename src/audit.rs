//! The audit trail: what operators change, who they are, and what was before. Its documents are JSON, and hold no secret.

use serde_json::{Map, Value, json};

use crate::domain::{App, Origin, SdkAppId, UserKey, WantedChanges, Webhook, WebhookUrl};

/// [`Operator::origin`] of commands.
pub const COMMAND_LINE: &str = "command line";

/// Who changes something, and from where.
#[derive(Debug, Clone)]
pub struct Operator {
    /// The name of a token, or of a user of the operating system.
    pub name: String,
    /// The address of the client, or [`COMMAND_LINE`].
    pub origin: String,
    pub request_id: Option<String>,
}

/// What an operator does. Named as on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    AppCreate,
    AppSet,
    AppRotateKey,
    AppRetireKey,
    AppAddAdmin,
    AppRemoveAdmin,
    AppNameMarks,
    AppReset,
    AppDelete,
    UserErase,
    WebhookCreate,
    WebhookSet,
    WebhookRotateSecret,
    WebhookDelete,
    WebhookReplay,
    Import,
    EpochBump,
    Migrate,
    Prune,
    TokenCreate,
    TokenRevoke,
}

impl Action {
    pub const ALL: [Self; 21] = [
        Self::AppCreate,
        Self::AppSet,
        Self::AppRotateKey,
        Self::AppRetireKey,
        Self::AppAddAdmin,
        Self::AppRemoveAdmin,
        Self::AppNameMarks,
        Self::AppReset,
        Self::AppDelete,
        Self::UserErase,
        Self::WebhookCreate,
        Self::WebhookSet,
        Self::WebhookRotateSecret,
        Self::WebhookDelete,
        Self::WebhookReplay,
        Self::Import,
        Self::EpochBump,
        Self::Migrate,
        Self::Prune,
        Self::TokenCreate,
        Self::TokenRevoke,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AppCreate => "app create",
            Self::AppSet => "app set",
            Self::AppRotateKey => "app rotate-key",
            Self::AppRetireKey => "app retire-key",
            Self::AppAddAdmin => "app add-admin",
            Self::AppRemoveAdmin => "app remove-admin",
            Self::AppNameMarks => "app name-marks",
            Self::AppReset => "app reset",
            Self::AppDelete => "app delete",
            Self::UserErase => "user erase",
            Self::WebhookCreate => "webhook create",
            Self::WebhookSet => "webhook set",
            Self::WebhookRotateSecret => "webhook rotate-secret",
            Self::WebhookDelete => "webhook delete",
            Self::WebhookReplay => "webhook replay",
            Self::Import => "import",
            Self::EpochBump => "epoch bump",
            Self::Migrate => "migrate",
            Self::Prune => "prune",
            Self::TokenCreate => "token create",
            Self::TokenRevoke => "token revoke",
        }
    }
}

/// An entry to write.
#[derive(Debug, Clone)]
pub struct Entry {
    pub operator: Operator,
    pub action: Action,
    pub app: Option<SdkAppId>,
    /// An admin, a user, the id of a key or of a webhook, the name of a token.
    pub target: Option<String>,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl Operator {
    #[must_use]
    pub fn did(&self, action: Action) -> Entry {
        let (app, target, before, after) = (None, None, None, None);
        Entry { operator: self.clone(), action, app, target, before, after }
    }
}

impl Entry {
    #[must_use]
    pub fn in_app(self, app: SdkAppId) -> Self {
        Self { app: Some(app), ..self }
    }

    #[must_use]
    pub fn about(self, target: &(impl ToString + ?Sized)) -> Self {
        Self { target: Some(target.to_string()), ..self }
    }

    #[must_use]
    pub fn about_user(self, key: &UserKey) -> Self {
        self.in_app(key.sdk_app_id).about(key.user_id.as_str())
    }

    #[must_use]
    pub fn before(self, before: Value) -> Self {
        Self { before: Some(before), ..self }
    }

    #[must_use]
    pub fn after(self, after: Value) -> Self {
        Self { after: Some(after), ..self }
    }

    /// What differs between two documents.
    #[must_use]
    pub fn between(self, before: &Value, after: &Value) -> Self {
        let (before, after) = difference(before, after);
        self.before(before).after(after)
    }
}

/// An entry as it is stored.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub number: i64,
    /// Unix seconds.
    pub at: u64,
    pub operator: String,
    /// The role of the database's session.
    pub role: String,
    pub origin: String,
    pub action: String,
    pub app: Option<i64>,
    pub target: Option<String>,
    /// JSON.
    pub before: Option<String>,
    pub after: Option<String>,
    pub request_id: Option<String>,
}

/// Which entries to read, newest first.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub app: Option<SdkAppId>,
    /// Not older, in Unix seconds.
    pub since: Option<u64>,
    /// Only those with lower numbers.
    pub before: Option<i64>,
    pub limit: u32,
}

/// An app without its secrets: keys are named by their ids.
#[must_use]
pub fn app_document(app: &App) -> Value {
    let mut limits = app.limits;
    let limits = limits.named().into_iter().map(|(name, value)| (name.to_owned(), json!(*value)));
    json!({
        "name": app.name.as_str(),
        "edition": app.edition.name(),
        "directory": app.directory.name(),
        "disabled": app.disabled,
        "feed": app.feed,
        "secret_keys": app.keys().map(|key| key.id).collect::<Vec<_>>(),
        "admins": app.admins,
        "user_access": app.user_access.name(),
        "allowed_origins": app.allowed_origins.iter().map(Origin::as_str).collect::<Vec<_>>(),
        "marks": app.marks.iter().map(|(bit, mark)| format!("{} {}", bit.number(), mark.name.as_str())).collect::<Vec<_>>(),
        "limits": limits.collect::<Map<_, _>>(),
    })
}

/// A webhook without its secret. Of the URL, only the host is shown: the path or the query may be a secret of the receiver.
#[must_use]
pub fn webhook_document(url: &WebhookUrl, wants: WantedChanges, disabled: bool) -> Value {
    let url = url.as_str();
    let host = url.split_inclusive('/').take(3).collect::<String>();
    let host = host.trim_end_matches('/').split('?').next().unwrap_or_default();
    json!({ "host": host, "users": wants.users, "directory": wants.directory, "disabled": disabled })
}

/// What differs between two webhooks.
#[must_use]
pub fn webhook_difference(before: &Webhook, after: &Webhook) -> Option<(Value, Value)> {
    let document =
        |webhook: &Webhook| webhook_document(&webhook.url, webhook.wants, webhook.disabled);
    let (mut old, mut new) = difference(&document(before), &document(after));
    if before.url != after.url {
        old["host"] = document(before)["host"].take();
        new["host"] = document(after)["host"].take();
    }
    (new != json!({})).then_some((old, new))
}

/// The fields that differ, as they were and as they are. Of a list, the items that are only in one of the two. Of an object, its
/// fields that differ.
fn difference(before: &Value, after: &Value) -> (Value, Value) {
    let (mut old, mut new) = (Map::new(), Map::new());
    let only = |one: &[Value], other: &[Value]| -> Value {
        one.iter().filter(|item| !other.contains(item)).cloned().collect()
    };
    for (name, now) in after.as_object().into_iter().flatten() {
        let was = &before[name];
        let (was, now) = match (was, now) {
            _ if was == now => continue,
            (Value::Array(was), Value::Array(now)) => (only(was, now), only(now, was)),
            (Value::Object(_), Value::Object(_)) => difference(was, now),
            _ => (was.clone(), now.clone()),
        };
        old.insert(name.clone(), was);
        new.insert(name.clone(), now);
    }
    (old.into(), new.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SecretKey;

    #[test]
    fn only_what_differs_is_recorded() {
        let before = json!({ "a": 1, "b": [1, 2], "c": { "x": 1, "y": 2 }, "d": true });
        let after = json!({ "a": 2, "b": [2, 3], "c": { "x": 1, "y": 3 }, "d": true });
        let expected = (
            json!({ "a": 1, "b": [1], "c": { "y": 2 } }),
            json!({ "a": 2, "b": [3], "c": { "y": 3 } }),
        );
        assert_eq!(difference(&before, &after), expected);
        assert_eq!(difference(&after, &after), (json!({}), json!({})));
    }

    #[test]
    fn a_document_of_an_app_has_no_secret() {
        let key = SecretKey::parse("the-hidden-word-of-the-app").unwrap();
        let app = App::new(SdkAppId::new(1).unwrap(), key);
        let document = app_document(&app).to_string();
        assert!(!document.contains("hidden-word"), "{document}");
    }

    #[test]
    fn of_the_url_of_a_webhook_only_the_host_is_shown() {
        for (url, host) in [
            ("https://a.example/hidden/word?hidden=1", "https://a.example"),
            ("http://a.example:8080", "http://a.example:8080"),
            ("http://a.example?hidden", "http://a.example"),
            ("https://[::1]/hidden", "https://[::1]"),
        ] {
            let url = WebhookUrl::parse(url).unwrap();
            assert_eq!(webhook_document(&url, WantedChanges::ALL, false)["host"], host);
        }
    }

    #[test]
    fn every_action_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = Action::ALL.map(Action::name).into();
        assert_eq!(names.len(), Action::ALL.len());
    }
}
