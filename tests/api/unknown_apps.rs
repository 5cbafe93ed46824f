//! Calls that name apps which do not exist. Anyone can send them, and they must not cost many look-ups.

use std::time::Instant;

use futures_util::future::join_all;

use crate::support::*;

/// Look-ups per second, and as many at once.
const RATE: f64 = 50.0;

fn query_of_unknown(app: i64) -> String {
    query_of(app, ADMIN, "x")
}

#[actix_web::test]
async fn unknown_apps_share_a_rate_of_look_ups() {
    // given
    let app = TestApp::start().await;
    app.mark("user0", [set("peer", 0)]).await.assert_ok();
    // when
    let begun = Instant::now();
    let mut codes = Vec::new();
    for hundred in 0..10 {
        let queries = (1..=100).map(|nr| query_of_unknown(hundred * 100 + nr));
        let calls = queries.map(async |query| app.call_as(MARK_CONTACT, &query, "{").await);
        codes.extend(join_all(calls).await);
        // then
        app.mark("user0", [set("peer", 0)]).await.assert_ok();
    }
    let looked_up = codes.iter().filter(|answer| answer.code() == UnknownApp).count();
    let most = RATE + 1.0 + begun.elapsed().as_secs_f64() * RATE;
    assert!(f64::from(u32::try_from(looked_up).unwrap()) <= most, "{looked_up} of {most}");
    let refused: Vec<_> = codes.iter().filter(|answer| answer.code() != UnknownApp).collect();
    assert!(!refused.is_empty());
    for answer in refused {
        answer.assert_refused(
            TooManyCalls,
            "queue full: too many calls name an sdkappid that was not seen before, nothing was written, safe to send again",
        );
    }
}

#[actix_web::test]
async fn an_app_that_was_seen_needs_no_part_of_that_rate() {
    // given
    let mut app = TestApp::start().await;
    let other = app.start_another().await;
    for address in [app.addresses.api, other] {
        app.mark_at(address, "user0", [set("peer", 0)]).await.assert_ok();
    }
    // when: the service must read the app again, since its settings have changed
    app.change(set_disabled(true)).await;
    let strangers = async {
        let mut number = 0;
        loop {
            number += 1;
            app.call_as(MARK_CONTACT, &query_of_unknown(number), "{").await;
        }
    };
    let changed = until(async || {
        let code = app.mark("user0", [set("peer", 0)]).await.code();
        assert_ne!(code, TooManyCalls);
        code == AppDisabled
    });
    // then
    tokio::select! {
        () = changed => {}
        () = strangers => {}
    }
}

#[actix_web::test]
async fn a_new_app_is_served_within_seconds_although_it_was_asked_for_before() {
    // given
    let app = TestApp::start().await;
    let query = query_of(APP + 1, ADMIN, &user_sig(KEY, APP + 1, ADMIN));
    app.call_as(MARK_CONTACT, &query, "{").await.assert_code(UnknownApp);
    // when
    app.add_app(APP + 1, KEY).await;
    // then
    until(async || app.call_as(MARK_CONTACT, &query, "{").await.code() == BodyNotJson).await;
}
