//! An operator's change of an app takes effect within five seconds, without a restart.

use std::time::{Duration, Instant};

use earmark::deadline::Deadline;
use earmark::domain::{KeyRefusal, Refusal, SdkAppId, SecretKey};
use earmark::error::Error;
use earmark::service::{AppChange, update_app};

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

fn rotate(key: &str) -> AppChange {
    AppChange::RotateKey { key: SecretKey::parse(key).unwrap(), force: false }
}

/// The last use of each key, newest first.
async fn last_uses(app: &TestApp) -> Vec<Option<u64>> {
    app.app().await.keys().map(|key| key.last_used_at).collect()
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
    app.change(rotate(NEW_KEY)).await;
    app.wait_for_code(&new, Ok).await;
    assert_eq!(app.code(&old).await, Ok, "both keys are valid");
    let id = app.app().await.previous_key.unwrap().id;
    app.change(AppChange::RetireKey { id }).await;
    app.wait_for_code(&old, UserSigForged).await;
    assert_eq!(app.code(&new).await, Ok);
}

#[actix_web::test]
async fn the_newest_key_can_be_retired_too() {
    let app = start().await;
    app.change(rotate(NEW_KEY)).await;
    let id = app.app().await.key.id;
    app.wait_for_code(&query_with(NEW_KEY), Ok).await;
    app.change(AppChange::RetireKey { id }).await;
    app.wait_for_code(&query_with(NEW_KEY), UserSigForged).await;
    assert_eq!(app.code(&query_with(KEY)).await, Ok);
    assert_eq!(app.app().await.keys().count(), 1);
}

#[actix_web::test]
async fn the_second_rotation_invalidates_the_first_key_only_if_forced() {
    let app = start().await;
    let third = "a-third-secret-key-0123456789abcdef";
    app.change(rotate(NEW_KEY)).await;
    let older = app.app().await.previous_key.unwrap().id;

    let (partitions, number) = (app.partitions.clone(), SdkAppId::new(APP).unwrap());
    let refused = on_runtime(async move {
        update_app(&partitions, number, rotate(third), None, Deadline::of_a_request()).await
    });
    let refused = refused.await.unwrap_err();
    let expected = Refusal::Key(KeyRefusal::TwoKeysValid { older });
    assert!(matches!(refused, Error::Refused(refusal) if refusal == expected), "{refused:?}");
    assert_eq!(app.app().await.previous_key.unwrap().id, older, "nothing changed");

    app.change(AppChange::RotateKey { key: SecretKey::parse(third).unwrap(), force: true }).await;
    app.wait_for_code(&query_with(KEY), UserSigForged).await;
    assert_eq!(app.code(&query_with(NEW_KEY)).await, Ok);
    assert_eq!(app.code(&query_with(third)).await, Ok);
}

#[actix_web::test]
async fn the_last_use_of_each_key_is_stored_once() {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    assert_eq!(last_uses(&app).await, [None]);
    let begun = unix_now();
    let forged = query_of(APP, ADMIN, &user_sig(NEW_KEY, APP, ADMIN));
    assert_eq!(app.code(&forged).await, UserSigForged);
    let other_user = query_of(APP, "user", &user_sig(KEY, APP, ADMIN));
    assert_eq!(app.code(&other_user).await, UserSigOfOtherUser);
    assert_eq!(app.code(&query_with(KEY)).await, Ok);
    until(async || last_uses(&app).await[0].is_some()).await;
    let stored = last_uses(&app).await[0].unwrap();
    assert!((begun..=unix_now()).contains(&stored), "{stored}");

    // A rotation keeps the time, and the new key has not been used.
    app.change(rotate(NEW_KEY)).await;
    assert_eq!(last_uses(&app).await, [None, Some(stored)]);
    let version = "SELECT xmin::text FROM app_keys WHERE last_used_at IS NOT NULL";
    let version = async || sqlx::query_scalar::<_, String>(version).fetch_one(&app.db).await;
    let before = version().await.unwrap();
    for _ in 0..20 {
        assert_eq!(app.code(&query_with(KEY)).await, Ok);
    }
    assert_eq!(version().await.unwrap(), before, "the use was stored a moment ago");
    app.wait_for_code(&query_with(NEW_KEY), Ok).await;
    until(async || last_uses(&app).await[0].is_some()).await;
}

#[actix_web::test]
async fn a_use_is_stored_again_after_five_minutes() {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let long_ago = "UPDATE app_keys SET last_used_at = now() - interval '301 seconds'";
    sqlx::raw_sql(long_ago).execute(&app.db).await.unwrap();
    let before = last_uses(&app).await[0].unwrap();
    assert_eq!(app.code(&query_with(KEY)).await, Ok);
    let is_newer = async || last_uses(&app).await[0].unwrap() >= before + 300;
    until(is_newer).await;
}

/// During an upgrade, a binary of the first schema changes only these two columns.
#[actix_web::test]
async fn keys_that_an_older_binary_rotates_and_retires_keep_their_ids() {
    let app = TestApp::start().await;
    let set = async |key: &str, previous: Option<&str>| {
        let set = "UPDATE apps SET secret_key = $1, previous_secret_key = $2";
        sqlx::query(set).bind(key).bind(previous).execute(&app.db).await.unwrap();
        app.app().await.keys().map(|key| key.id).collect::<Vec<_>>()
    };
    let first = app.app().await.key.id;
    let rotated = set(NEW_KEY, Some(KEY)).await;
    assert_eq!(rotated[1..], [first]);
    assert!(rotated[0] > first, "{rotated:?}");
    assert_eq!(set(NEW_KEY, Some(KEY)).await, rotated, "the binary changed something else");
    let third = "a-third-secret-key-0123456789abcdef";
    let rotated_again = set(third, Some(NEW_KEY)).await;
    assert_eq!(rotated_again[1..], rotated[..1]);
    assert_eq!(set(third, None).await, rotated_again[..1]);
    assert_eq!(set(third, Some(third)).await, rotated_again[..1], "it rotated to the same key");
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
