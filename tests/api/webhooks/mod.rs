//! Webhooks: the changes of a feed are sent to real receivers, good ones and bad ones.

mod failing;
mod receiver;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use earmark::http::{OperatorToken, Operators};
use earmark::service::{AppChange, AppSettings, WebhookHosts};
use hmac::{Hmac, KeyInit, Mac};
use receiver::{Receiver, Reply};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::*;

const TOKEN: &str = "the-token-of-operators";

/// A service that delivers, with the feed on.
struct Stand {
    app: TestApp,
    admin: SocketAddr,
    api: SocketAddr,
}

impl Stand {
    async fn start(hosts: WebhookHosts) -> Self {
        let mut app = TestApp::start().await;
        let feed = AppSettings { feed: Some(true), ..AppSettings::default() };
        app.change(AppChange::Set(feed)).await;
        let stand = "UPDATE feed_head SET on_since = on_since - INTERVAL '1 minute'";
        sqlx::raw_sql(stand).execute(&app.db).await.unwrap();
        let operators = Operators::WithToken(OperatorToken::parse(TOKEN).unwrap());
        let front = Front { operators, webhooks: Some(hosts), ..Front::default() };
        let addresses = app.start_front(front).await;
        Self { admin: addresses.admin.unwrap(), api: addresses.api, app }
    }

    /// Calls the admin API below the app's webhooks.
    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://{}/admin/v1/apps/{APP}/webhooks{path}", self.admin);
        let request = self.app.client.request(method, url).bearer_auth(TOKEN);
        let mut answer = if body.is_null() {
            request.send().await.unwrap()
        } else {
            request.send_json(&body).await.unwrap()
        };
        let bytes = answer.body().await.unwrap();
        let json =
            if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        (answer.status().as_u16(), json)
    }

    /// Creates a webhook, and returns its id as a path, and its secret.
    async fn create(&self, body: Value) -> (String, String) {
        let (status, made) = self.ask(Method::POST, "", body).await;
        assert_eq!(status, 201, "{made}");
        (format!("/{}", made["id"]), made["secret"].as_str().unwrap().to_owned())
    }

    async fn show(&self, hook: &str) -> Value {
        let (status, shown) = self.ask(Method::GET, hook, Value::Null).await;
        assert_eq!(status, 200, "{shown}");
        shown
    }

    async fn mark(&self, user: &str, bit: u8) {
        self.app.mark_at(self.api, user, [set("a", bit)]).await.assert_ok();
    }

    async fn run_sql(&self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&self.app.db).await.unwrap();
    }

    /// As if the pauses between attempts were over.
    async fn try_now(&self) {
        self.run_sql(
            "UPDATE webhooks SET next_try_at = '-infinity';
             UPDATE webhook_deliveries SET next_try_at = now() WHERE next_try_at < 'infinity'",
        )
        .await;
    }
}

#[track_caller]
fn assert_signed(received: &receiver::Received, secrets: &[&str]) {
    let header = |name: &str| received.headers[name].as_str();
    let signature = |secret: &&str| {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let signed =
            format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), received.text);
        format!("v1,{}", STANDARD.encode(mac.chain_update(signed).finalize().into_bytes()))
    };
    let expected: Vec<_> = secrets.iter().map(signature).collect();
    assert_eq!(header("webhook-signature"), expected.join(" "));
}

#[actix_web::test]
async fn changes_are_delivered_and_signed() {
    let stand = Stand::start(WebhookHosts::Any).await;
    let receiver = Receiver::start().await;
    let (hook, secret) = stand.create(json!({ "url": receiver.url() })).await;
    stand.mark("user0", 0).await;
    until(async || receiver.users().len() == 1).await;
    let (_, rotated) = stand.ask(Method::POST, &format!("{hook}/rotate-secret"), json!({})).await;
    let new = rotated["secret"].as_str().unwrap().to_owned();
    stand.mark("user0", 1).await;
    until(async || receiver.users().len() == 2).await;
    stand.app.destroy_after_create("room").await;
    until(async || receiver.received().len() == 3).await;

    let received = receiver.received();
    assert_signed(&received[0], &[&secret]);
    assert_signed(&received[1], &[&new, &secret]);
    let mut first = received[0].body.clone();
    assert!(first["timestamp"].take().as_str().unwrap().ends_with('Z'));
    let data = json!({ "app": APP, "user": "user0", "revision": 1 });
    assert_eq!(first, json!({ "type": "user.changed", "timestamp": null, "data": data }));
    assert_eq!(received[0].headers["webhook-id"], format!("{APP}_1_1"));
    let gone = json!({
        "app": APP, "directory": { "type": "group", "id": "room" }, "gone": true, "revision": 1,
    });
    assert_eq!(
        (&received[2].body["type"], &received[2].body["data"]),
        (&json!("directory.changed"), &gone)
    );
    let shown = stand.show(&hook).await;
    assert!(shown.get("secret").is_none() && shown["last_error"].is_null(), "{shown}");
}

impl TestApp {
    async fn destroy_after_create(&self, id: &str) {
        self.create_chat_group(id).await;
        self.destroy_chat_group(id).await;
    }
}

#[actix_web::test]
async fn a_webhook_gets_the_kinds_that_it_wants_until_it_is_disabled_or_deleted() {
    let stand = Stand::start(WebhookHosts::Any).await;
    let (some, all) = (Receiver::start().await, Receiver::start().await);
    let kinds = json!({ "url": some.url(), "kinds": ["directory.changed"] });
    let (hook, _) = stand.create(kinds).await;
    stand.create(json!({ "url": all.url() })).await;
    stand.mark("user0", 0).await;
    stand.app.destroy_after_create("room").await;
    until(async || all.received().len() == 2 && some.received().len() == 1).await;
    assert_eq!(some.received()[0].body["type"], "directory.changed");

    let (status, changed) = stand
        .ask(Method::PATCH, &hook, json!({ "disabled": true, "kinds": ["user.changed"] }))
        .await;
    assert_eq!((status, &changed["disabled"]), (200, &json!(true)), "{changed}");
    stand.mark("user0", 1).await;
    until(async || all.received().len() == 3).await;
    stand.ask(Method::PATCH, &hook, json!({ "disabled": false })).await;
    until(async || some.users() == [("user0".to_owned(), 2)]).await;
    assert_eq!(stand.ask(Method::DELETE, &hook, Value::Null).await.0, 204);
    assert_eq!(stand.ask(Method::DELETE, &hook, Value::Null).await.0, 404);
    stand.mark("user0", 2).await;
    until(async || all.received().len() == 4).await;
    assert_eq!(some.received().len(), 2);
}

#[actix_web::test]
async fn the_admin_api_refuses_wrong_webhooks() {
    let stand = Stand::start(WebhookHosts::Any).await;
    for (body, field) in [
        (json!({}), "url"),
        (json!({ "url": "ftp://a" }), "url"),
        (json!({ "url": "https://user@a" }), "url"),
        (json!({ "url": "https://a", "kinds": ["x"] }), "kinds[0]"),
        (json!({ "url": "https://a", "secret": "x" }), "secret"),
    ] {
        let (status, answer) = stand.ask(Method::POST, "", body).await;
        assert_eq!((status, &answer["field"]), (400, &json!(field)), "{answer}");
    }
    for _ in 0..20 {
        stand.create(json!({ "url": "https://a.example" })).await;
    }
    let (status, _) = stand.ask(Method::POST, "", json!({ "url": "https://a.example" })).await;
    assert_eq!(status, 409);
    let (_, listed) = stand.ask(Method::GET, "", Value::Null).await;
    assert_eq!(listed["webhooks"].as_array().unwrap().len(), 20);
    for (method, path) in
        [(Method::GET, "/0"), (Method::GET, "/x"), (Method::POST, "/0/rotate-secret")]
    {
        let body = if method == Method::POST { json!({}) } else { Value::Null };
        assert_eq!(stand.ask(method, path, body).await.0, 404, "{path}");
    }
    for query in ["before=x", "before=9223372036854775808", "before=1&before=2"] {
        let path = format!("/1/deliveries?{query}");
        let (status, answer) = stand.ask(Method::GET, &path, Value::Null).await;
        assert_eq!((status, &answer["field"]), (400, &json!("before")), "{query}: {answer}");
    }
}

#[actix_web::test]
async fn a_receiver_that_is_silent_delays_no_write_and_no_other_receiver() {
    let stand = Stand::start(WebhookHosts::Any).await;
    let (silent, good) = (Receiver::start().await, Receiver::start().await);
    silent.answers(|_| Reply::Silence);
    stand.create(json!({ "url": silent.url() })).await;
    stand.create(json!({ "url": good.url() })).await;
    let begun = Instant::now();
    for bit in 0..5 {
        stand.mark("user0", bit).await;
    }
    until(async || good.users().len() == 5).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[actix_web::test]
async fn addresses_that_are_not_public_are_not_called() {
    let stand = Stand::start(WebhookHosts::Public).await;
    let receiver = Receiver::start().await;
    let port = receiver.address.port();
    for (url, words) in [
        (receiver.url(), "must be https"),
        (format!("https://127.0.0.1:{port}/"), "127.0.0.1 is not a public address"),
        // The name is resolved.
        (format!("https://localhost:{port}/"), "is not a public address"),
        (
            "https://169.254.169.254/latest/meta-data".to_owned(),
            "169.254.169.254 is not a public address",
        ),
        (format!("https://[::ffff:127.0.0.1]:{port}/"), "is not a public address"),
        // 127.0.0.1 in another spelling.
        (format!("https://2130706433:{port}/"), ""),
    ] {
        let (hook, _) = stand.create(json!({ "url": url })).await;
        stand.mark("user0", 0).await;
        stand.app.mark_at(stand.api, "user0", [clear("a", 0)]).await.assert_ok();
        until(async || stand.show(&hook).await["last_error"].is_string()).await;
        let error = stand.show(&hook).await["last_error"].take();
        assert!(error.as_str().unwrap().contains(words), "{url}: {error}");
    }
    assert!(receiver.received().is_empty());
}

impl TestApp {
    async fn metrics_of(&self, admin: SocketAddr) -> String {
        let ask = "GET /metrics HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
        raw_text(admin, ask.as_bytes()).await
    }
}

#[actix_web::test]
async fn a_receiver_is_told_when_changes_were_missed() {
    let stand = Stand::start(WebhookHosts::Any).await;
    let receiver = Receiver::start().await;
    stand.create(json!({ "url": receiver.url() })).await;
    stand.mark("user0", 0).await;
    until(async || receiver.users().len() == 1).await;
    stand.run_sql("UPDATE database_epoch SET epoch = epoch + 1").await;
    until(async || receiver.received().len() == 2).await;
    assert_eq!(receiver.received()[1].body["type"], "feed.resync");
    stand.mark("user0", 1).await;
    until(async || receiver.users().len() == 2).await;
}
