//! What an operator changes about an app takes effect within five seconds, without a restart.

use std::time::{Duration, Instant};

use earmark::domain::SecretKey;
use earmark::service::AppChange;

use crate::support::*;

const NEW_KEY: &str = "another-secret-key-0123456789abcdef";

impl TestApp {
    /// What a call says at once.
    async fn code(&self, query: &str) -> u64 {
        let body = mark_contact("user0", [custom("user1", "x")]);
        self.ask(MARK_CONTACT, query, body).await["ErrorCode"].as_u64().unwrap()
    }

    /// Calls until the code is this one, which must come to pass within the promised time.
    async fn becomes(&self, query: &str, code: u64) {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            // Before the call: what was asked in time may be answered a little later.
            let in_time = Instant::now() < deadline;
            let found = self.code(query).await;
            if found == code {
                return;
            }
            assert!(in_time, "{found} instead of {code}");
        }
    }
}

fn query_with(key: &str) -> String {
    query_of(APP, ADMIN, &user_sig(key, APP, ADMIN))
}

async fn start() -> TestApp {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    assert_eq!(app.code(&query_with(KEY)).await, 0, "the app is known from here on");
    app
}

#[actix_web::test]
async fn two_keys_are_good_until_the_older_one_is_retired() {
    let app = start().await;
    let (old, new) = (query_with(KEY), query_with(NEW_KEY));
    assert_eq!(app.code(&new).await, 70009);
    app.change(AppChange::RotateKey(SecretKey::parse(NEW_KEY).unwrap())).await;
    app.becomes(&new, 0).await;
    assert_eq!(app.code(&old).await, 0, "both");
    app.change(AppChange::RetireKey).await;
    app.becomes(&old, 70009).await;
    assert_eq!(app.code(&new).await, 0);
}

#[actix_web::test]
async fn a_key_is_pushed_out_by_the_second_rotation() {
    let app = start().await;
    let third = "a-third-secret-key-0123456789abcdef";
    for key in [NEW_KEY, third] {
        app.change(AppChange::RotateKey(SecretKey::parse(key).unwrap())).await;
    }
    app.becomes(&query_with(KEY), 70009).await;
    assert_eq!(app.code(&query_with(NEW_KEY)).await, 0);
    assert_eq!(app.code(&query_with(third)).await, 0);
}

#[actix_web::test]
async fn an_admin_who_was_removed_may_not_call() {
    let app = start().await;
    let second = query_of(APP, "second", &user_sig(KEY, APP, "second"));
    assert_eq!(app.code(&second).await, 50003);
    app.change(AppChange::AddAdmin("second".to_owned())).await;
    app.becomes(&second, 0).await;
    app.change(AppChange::RemoveAdmin("second".to_owned())).await;
    app.becomes(&second, 50003).await;
    assert_eq!(app.code(&query_with(KEY)).await, 0, "the other admin may");
}

#[actix_web::test]
async fn an_app_can_be_disabled_and_enabled_again() {
    let app = start().await;
    for (is_disabled, code) in [(true, 60016), (false, 0)] {
        app.change(disabled(is_disabled)).await;
        app.becomes(&query_with(KEY), code).await;
    }
}

#[actix_web::test]
async fn an_app_that_was_not_there_can_come_to_be() {
    let app = start().await;
    let newcomer = query_of(APP + 1, ADMIN, &user_sig(KEY, APP + 1, ADMIN));
    assert_eq!(app.code(&newcomer).await, 70020);
    app.add_app(APP + 1, KEY).await;
    app.becomes(&newcomer, 0).await;
}
