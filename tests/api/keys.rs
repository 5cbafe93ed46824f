//! An operator's change of an app takes effect within five seconds, without a restart.

use std::time::{Duration, Instant};

use earmark::domain::SecretKey;
use earmark::service::AppChange;

use crate::support::*;

const NEW_KEY: &str = "another-secret-key-0123456789abcdef";

impl TestApp {
    /// The code of one call.
    async fn code(&self, query: &str) -> Code {
        let body = mark_contact("user0", [custom("user1", "x")]);
        self.call_as(MARK_CONTACT, query, body).await.code()
    }

    /// Calls until the service answers with this code. Panics if that takes longer than the documented five seconds.
    async fn wait_for_code(&self, query: &str, code: Code) {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            // A call that starts in time may end a little later.
            let in_time = Instant::now() < deadline;
            let found = self.code(query).await;
            if found == code {
                return;
            }
            assert!(in_time, "{found:?} instead of {code:?}");
        }
    }
}

fn query_with(key: &str) -> String {
    query_of(APP, ADMIN, &user_sig(key, APP, ADMIN))
}

async fn start() -> TestApp {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    assert_eq!(app.code(&query_with(KEY)).await, Ok, "the service caches the app from here on");
    app
}

#[actix_web::test]
async fn both_keys_are_valid_until_the_previous_one_is_retired() {
    let app = start().await;
    let (old, new) = (query_with(KEY), query_with(NEW_KEY));
    assert_eq!(app.code(&new).await, UserSigForged);
    app.change(AppChange::RotateKey(SecretKey::parse(NEW_KEY).unwrap())).await;
    app.wait_for_code(&new, Ok).await;
    assert_eq!(app.code(&old).await, Ok, "both keys are valid");
    app.change(AppChange::RetireKey).await;
    app.wait_for_code(&old, UserSigForged).await;
    assert_eq!(app.code(&new).await, Ok);
}

#[actix_web::test]
async fn the_second_rotation_invalidates_the_first_key() {
    let app = start().await;
    let third = "a-third-secret-key-0123456789abcdef";
    for key in [NEW_KEY, third] {
        app.change(AppChange::RotateKey(SecretKey::parse(key).unwrap())).await;
    }
    app.wait_for_code(&query_with(KEY), UserSigForged).await;
    assert_eq!(app.code(&query_with(NEW_KEY)).await, Ok);
    assert_eq!(app.code(&query_with(third)).await, Ok);
}

#[actix_web::test]
async fn an_admin_who_was_removed_may_not_call() {
    let app = start().await;
    let second = query_of(APP, "second", &user_sig(KEY, APP, "second"));
    assert_eq!(app.code(&second).await, NotAdmin);
    app.change(AppChange::AddAdmin("second".to_owned())).await;
    app.wait_for_code(&second, Ok).await;
    app.change(AppChange::RemoveAdmin("second".to_owned())).await;
    app.wait_for_code(&second, NotAdmin).await;
    assert_eq!(app.code(&query_with(KEY)).await, Ok, "the other admin may still call");
}

#[actix_web::test]
async fn an_app_can_be_disabled_and_enabled_again() {
    let app = start().await;
    for (is_disabled, code) in [(true, AppDisabled), (false, Ok)] {
        app.change(set_disabled(is_disabled)).await;
        app.wait_for_code(&query_with(KEY), code).await;
    }
}

#[actix_web::test]
async fn a_new_app_is_served_without_a_restart() {
    let app = start().await;
    let new_app = query_of(APP + 1, ADMIN, &user_sig(KEY, APP + 1, ADMIN));
    assert_eq!(app.code(&new_app).await, UnknownApp);
    app.add_app(APP + 1, KEY).await;
    app.wait_for_code(&new_app, Ok).await;
}
