//! Receivers that fail: what is tried again, when, and what is given up.

use std::sync::{Arc, Mutex};

use actix_web::http::Method;
use earmark::service::WebhookHosts;
use serde_json::{Value, json};

use super::receiver::{Receiver, Reply};
use super::{Stand, assert_signed};
use crate::support::*;

/// Nothing listens, then a receiver that answers 500, lies, or redirects. Writes go on, and afterwards nothing is lost.
#[actix_web::test]
async fn a_receiver_that_fails_gets_everything_when_it_works_again() {
    let stand = Stand::start(WebhookHosts::Any).await;
    let (elsewhere, good) = (Receiver::start().await, Receiver::start().await);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let (hook, _) = stand.create(json!({ "url": format!("http://{address}/") })).await;
    stand.create(json!({ "url": good.url() })).await;
    for bit in 0..3 {
        stand.mark("user0", bit).await;
        stand.mark("user1", bit).await;
    }
    let fails = async |words: &str| {
        until(async || {
            let shown = stand.show(&hook).await;
            let error = shown["last_error"].as_str().unwrap_or_default().to_owned();
            error.contains(words) && shown["failing_since"].is_u64()
        })
        .await;
    };
    fails("no connection").await;
    until(async || good.users().len() == 6).await;
    let receiver = Receiver::start_at(address).await;
    for (reply, words) in [
        (Reply::Status(500), "the answer was 500"),
        (Reply::Cut, "broke off"),
        (Reply::Redirect(elsewhere.url()), "the answer was 302"),
    ] {
        receiver.answers(move |_| reply.clone());
        stand.try_now().await;
        fails(words).await;
    }
    receiver.answers(|_| Reply::Ok);
    stand.try_now().await;
    until(async || receiver.users().len() == 6).await;
    for user in ["user0", "user1"] {
        let revisions: Vec<_> = receiver
            .users()
            .into_iter()
            .filter(|(other, _)| other == user)
            .map(|(_, nr)| nr)
            .collect();
        assert_eq!(revisions, [1, 2, 3], "{user}");
    }
    assert!(elsewhere.received().is_empty(), "a redirect was followed");
    until(async || stand.show(&hook).await["failing_since"].is_null()).await;
}

#[actix_web::test]
async fn a_change_that_fails_holds_up_only_its_own_user() {
    let stand = Stand::start(WebhookHosts::Any).await;
    let receiver = Receiver::start().await;
    let is_bad = |user: Option<(&str, u64)>| user.is_some_and(|(user, _)| user == "bad");
    receiver.answers(move |got| if is_bad(got.user()) { Reply::Status(400) } else { Reply::Ok });
    let (hook, _) = stand.create(json!({ "url": receiver.url() })).await;
    // In one page.
    stand.ask(Method::PATCH, &hook, json!({ "disabled": true })).await;
    for bit in 0..3 {
        stand.mark("bad", bit).await;
        stand.mark("good", bit).await;
    }
    stand.ask(Method::PATCH, &hook, json!({ "disabled": false })).await;
    until(async || stand.show(&hook).await["waiting"] == 3).await;
    stand.mark("good", 3).await;
    stand.mark("bad", 3).await;
    until(async || receiver.users().len() == 4 && stand.show(&hook).await["waiting"] == 4).await;
    let shown = stand.show(&hook).await;
    assert!(shown["failing_since"].is_null(), "{shown}");
    let (_, listed) = stand.ask(Method::GET, &format!("{hook}/deliveries"), Value::Null).await;
    let last = listed["deliveries"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["user"], &last["last_error"]), (&json!("bad"), &json!("the answer was 400")));

    receiver.answers(|_| Reply::Ok);
    stand.try_now().await;
    until(async || receiver.users().len() == 8).await;
    let bad: Vec<_> =
        receiver.users().into_iter().filter(|(user, _)| user == "bad").map(|(_, nr)| nr).collect();
    assert_eq!(bad, [1, 2, 3, 4]);
    until(async || stand.show(&hook).await["waiting"] == 0).await;
}

#[actix_web::test]
async fn after_three_days_changes_become_dead_letters_that_can_be_replayed() {
    let stand = Stand::start(WebhookHosts::Any).await;
    let receiver = Receiver::start().await;
    receiver.answers(|_| Reply::Status(503));
    let (hook, _) = stand.create(json!({ "url": receiver.url() })).await;
    stand.mark("user0", 0).await;
    until(async || stand.show(&hook).await["failing_since"].is_u64()).await;
    assert_eq!(stand.show(&hook).await["dead_letters"], 0);
    stand.mark("user1", 0).await;
    stand.run_sql("UPDATE webhooks SET failing_since = failing_since - INTERVAL '3 days'").await;
    stand.try_now().await;
    until(async || stand.show(&hook).await["dead_letters"] == 2).await;

    receiver.answers(|_| Reply::Ok);
    let (_, listed) = stand.ask(Method::GET, &format!("{hook}/deliveries"), Value::Null).await;
    let listed = listed["deliveries"].as_array().unwrap().clone();
    assert!(listed.iter().all(|delivery| delivery["dead"] == true), "{listed:?}");
    let replay = async |from: &Value, to: &Value| {
        let (_, answer) = stand
            .ask(Method::POST, &format!("{hook}/replay"), json!({ "from": from, "to": to }))
            .await;
        // At once, although the webhook is in a pause.
        answer["replayed"].clone()
    };
    assert_eq!(replay(&listed[0]["number"], &listed[0]["number"]).await, 1);
    until(async || receiver.users() == [("user1".to_owned(), 1)]).await;
    assert_eq!(replay(&json!(1), &json!(1000)).await, 1);
    until(async || receiver.users().len() == 2).await;
    until(async || stand.show(&hook).await["dead_letters"] == 0).await;
    let metrics = stand.app.metrics_of(stand.admin).await;
    let counted = "earmark_webhook_deliveries_total{outcome=\"given_up\"} 2\n";
    assert!(metrics.contains(counted), "{metrics}");
}

/// Five seconds, then three times as long each time, up to three hours. Meanwhile the webhook is not disabled.
#[actix_web::test]
async fn the_pauses_after_failures_grow_and_each_attempt_is_signed_anew() {
    let stand = Stand::start(WebhookHosts::Any).await;
    let receiver = Receiver::start().await;
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let seen = attempts.clone();
    receiver.answers(move |message| {
        seen.lock().unwrap().push(message.clone());
        Reply::Status(503)
    });
    let (hook, secret) = stand.create(json!({ "url": receiver.url() })).await;
    stand.mark("user0", 0).await;
    for (failures, pause_s) in [(1, 5.0), (2, 15.0), (3, 45.0), (21, 10_800.0)] {
        if failures == 21 {
            stand.run_sql("UPDATE webhooks SET failures = 20").await;
        }
        if failures > 1 {
            stand.try_now().await;
        }
        until(async || stand.failures_and_pause().await.0 == failures).await;
        let (_, pause) = stand.failures_and_pause().await;
        assert!(pause <= pause_s && pause > pause_s / 3.0, "{pause} after {failures}");
    }
    let attempts = attempts.lock().unwrap().clone();
    assert_eq!(attempts.len(), 4);
    for attempt in &attempts {
        assert_signed(attempt, &[&secret]);
        assert_eq!(attempt.headers["webhook-id"], attempts[0].headers["webhook-id"]);
    }
    let shown = stand.show(&hook).await;
    assert!(shown["disabled"] == false && shown["failing_since"].is_u64(), "{shown}");
}

impl Stand {
    /// How many attempts have failed, and for how many seconds no other is made.
    async fn failures_and_pause(&self) -> (i32, f64) {
        let query = "SELECT failures, extract(epoch FROM next_try_at - clock_timestamp())::float8
            FROM webhooks WHERE next_try_at > '-infinity'";
        let row = sqlx::query_as(query).fetch_optional(&self.app.db).await.unwrap();
        row.unwrap_or_default()
    }
}
