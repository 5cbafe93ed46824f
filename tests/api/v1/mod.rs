//! The native API.

mod access;
mod batch;
mod changes;
mod changes_model;
mod conflicts;
mod cors;
mod cursors;
mod document;
mod erasing;
mod event_stream;
mod events;
mod feed;
mod feed_readers;
mod groups;
mod list;
mod long_poll;
mod many_streams;
mod marks;
mod openapi;
mod patch;
mod plans;
mod reading;
mod state_model;

use std::net::SocketAddr;

use actix_web::HttpMessage;
use actix_web::http::Method;
use earmark::domain::UserAccess;
use earmark::service::{AppChange, AppSettings};
use serde_json::Value;

use crate::support::*;

/// An answer of the native API.
#[derive(Debug)]
struct Reply {
    status: u16,
    /// The revision in the header `ETag`.
    revision: Option<u64>,
    /// `null` if there is no body.
    json: Value,
}

impl Reply {
    #[track_caller]
    fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.json
    }

    /// Checks that it is this problem, with the code that the original's API has for it.
    #[track_caller]
    fn assert_refused(&self, status: u16, kind: &str, code: Code) {
        self.assert_problem(status, kind, None);
        assert_eq!(self.json["code"], code.number(), "{}", self.json);
    }

    /// Checks that it is a problem of this status and kind, which is about this field.
    #[track_caller]
    fn assert_problem(&self, status: u16, kind: &str, field: Option<&str>) {
        let Self { json, .. } = self;
        assert_eq!(self.status, status, "{json}");
        assert_eq!(json["status"], status, "{json}");
        assert_eq!(json["type"], format!("urn:earmark:problem:{kind}"), "{json}");
        assert_eq!(json["field"].as_str(), field, "{json}");
        for text in ["title", "detail"] {
            assert!(json[text].as_str().is_some_and(|text| !text.is_empty()), "{json}");
        }
    }
}

/// A request of the native API, by default one of the admin.
#[derive(Clone)]
struct Ask {
    method: Method,
    /// Below `/v1/apps/{app}`.
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Ask {
    fn new(method: Method, path: impl Into<String>) -> Self {
        let bearer = format!("Bearer {}", user_sig(KEY, APP, ADMIN));
        Self { method, path: path.into(), headers: vec![("Authorization", bearer)], body: None }
    }

    fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    fn patch(path: impl Into<String>, body: Value) -> Self {
        Self::new(Method::PATCH, path).body(body)
    }

    fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// A batch of a user's changes.
    fn batch(user: &str, changes: impl Into<Value>) -> Self {
        let body = serde_json::json!({ "changes": changes.into() });
        Self::new(Method::POST, format!("/users/{user}/batch")).body(body)
    }

    fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn if_match(self, revision: u64) -> Self {
        self.with("If-Match", format!("\"{revision}\""))
    }

    /// Calls with this user's own UserSig.
    fn by(mut self, identifier: &str) -> Self {
        self.headers[0].1 = format!("Bearer {}", user_sig(KEY, APP, identifier));
        self
    }

    /// Replaces the header, or adds it.
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self
    }

    async fn send(self, app: &TestApp) -> Reply {
        self.send_at(app, app.addresses.api).await
    }

    /// Sends to the service that listens on this address, and compares the answer with the OpenAPI document.
    async fn send_at(self, app: &TestApp, address: SocketAddr) -> Reply {
        let url = format!("http://{address}/v1/apps/{APP}{}", self.path);
        let mut request = app.client.request(self.method.clone(), url);
        for (name, value) in self.headers {
            request = request.insert_header((name, value));
        }
        let body = self.body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let mut response = request.send_body(body).await.unwrap();
        let bytes = response.body().limit(64 << 20).await.unwrap();
        let etag = response.headers().get("etag").map(|etag| etag.to_str().unwrap());
        let revision = etag.map(|etag| etag.trim_matches('"').parse().unwrap());
        let json =
            if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        let status = response.status().as_u16();
        document::check_answer(&self.method, &self.path, status, response.content_type(), &json);
        Reply { status, revision, json }
    }
}

fn set_user_access(access: UserAccess) -> AppChange {
    AppChange::Set(AppSettings { user_access: Some(access), ..AppSettings::default() })
}

/// The cursor of this moment.
async fn cursor(app: &TestApp, user: &str) -> String {
    let shown = Ask::get(format!("/users/{user}")).send(app).await.ok();
    shown["cursor"].as_str().unwrap().to_owned()
}

/// What is different for a user since a cursor.
async fn changes(app: &TestApp, user: &str, since: &str) -> Reply {
    Ask::get(format!("/users/{user}/changes?since={since}")).send(app).await
}

/// Ids of conversations, in their order.
fn ids(conversations: &Value) -> Vec<&str> {
    let ids = conversations.as_array().unwrap().iter();
    ids.map(|conversation| conversation["id"].as_str().unwrap()).collect()
}

impl TestApp {
    /// How many clients wait for changes, by `kind`.
    async fn listeners(&self, kind: &str) -> u32 {
        let metrics = self.metrics().await;
        let series = format!("earmark_listeners{{kind=\"{kind}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap().parse().unwrap()
    }

    /// Runs a statement of a test on the database.
    async fn sql(&self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&self.db).await.unwrap();
    }
}
