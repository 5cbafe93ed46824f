//! `events` is a stream of Server-Sent Events.

use std::time::{Duration, Instant};

use earmark::domain::{SecretKey, UserAccess};
use earmark::service::AppChange;
use serde_json::{Value, json};

use super::event_stream::EventStream;
use super::{Ask, changes, cursor, ids, set_user_access};
use crate::support::*;

const EVENTS: &str = "/users/user0/events";
const NEW_KEY: &str = "another-secret-key-0123456789abcdef";

fn own_sig(key: &str) -> String {
    user_sig(key, APP, "user0")
}

#[actix_web::test]
async fn a_stream_is_written_like_this() {
    let app = TestApp::start().await;
    let mut stream = EventStream::open(app.addresses.api, EVENTS).await;

    let mut head: Vec<_> = stream.head.lines().filter(|line| !line.is_empty()).collect();
    head.retain(|line| !line.starts_with("date: ") && !line.starts_with("x-request-id: "));
    head.sort_unstable();
    assert_eq!(
        head,
        [
            "HTTP/1.1 200 OK",
            "cache-control: no-store",
            "content-type: text/event-stream",
            "transfer-encoding: chunked",
            "vary: Origin",
            "x-accel-buffering: no",
            "x-content-type-options: nosniff",
        ]
    );
    let now = cursor(&app, "user0").await;
    let first = format!(
        "id: {now}\nevent: changes\ndata: {{\"revision\":0,\"cursor\":\"{now}\",\"conversations\":[],\"removed\":[]}}\n\n"
    );
    assert_eq!(stream.part().await, Some(first));

    app.mark("user0", [custom("a", "two\nlines")]).await.assert_ok();
    let told = changes(&app, "user0", &now).await.ok();
    let id = told["cursor"].as_str().unwrap();
    let event = format!("id: {id}\nevent: changes\ndata: {told}\n\n");
    assert_eq!(stream.part().await, Some(event));
}

#[actix_web::test]
async fn a_stream_resumes_where_it_broke_off() {
    let mut app = TestApp::start().await;
    let other = app.start_another().await;
    let mut stream = EventStream::open(app.addresses.api, EVENTS).await;
    let first = stream.event().await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    let second = stream.event().await;
    drop(stream);
    app.mark("user0", [set("b", 0)]).await.assert_ok();

    let sig = user_sig(KEY, APP, ADMIN);
    let after_second = format!("last-event-id: {}\r\n", second.id);
    let mut resumed = EventStream::open_by(other, EVENTS, &sig, &after_second).await;
    assert_eq!(ids(&resumed.event().await.data["conversations"]), ["b"]);

    let since = format!("{EVENTS}?since={}", first.id);
    let mut resumed = EventStream::open(other, &since).await;
    assert_eq!(ids(&resumed.event().await.data["conversations"]), ["a", "b"]);
    // A client repeats its URL, so the header is the newer one.
    let mut resumed = EventStream::open_by(other, &since, &sig, &after_second).await;
    assert_eq!(ids(&resumed.event().await.data["conversations"]), ["b"]);
}

#[actix_web::test]
async fn a_stream_that_resumes_without_changes_is_silent() {
    let app = TestApp::start().await;
    let now = cursor(&app, "user0").await;
    let mut stream = EventStream::open(app.addresses.api, &format!("{EVENTS}?since={now}")).await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    assert_eq!(ids(&stream.event().await.data["conversations"]), ["a"], "no event before it");
}

/// What each of 20 changes takes until its event has come.
async fn delays(app: &TestApp, writer: std::net::SocketAddr) -> Vec<Duration> {
    let mut stream = EventStream::open(app.addresses.api, EVENTS).await;
    stream.event().await;
    let mut delays = Vec::new();
    for nr in 0..20 {
        app.mark_at(writer, "user0", [set(&format!("peer{nr}"), 0)]).await.assert_ok();
        let answered = Instant::now();
        assert_eq!(ids(&stream.event().await.data["conversations"]), [format!("peer{nr}")]);
        delays.push(answered.elapsed());
    }
    delays.sort_unstable();
    delays
}

/// Half of them count, since the tests share the machine.
#[actix_web::test]
async fn a_stream_of_the_same_process_has_a_change_within_100_ms() {
    let app = TestApp::start().await;
    let delays = delays(&app, app.addresses.api).await;
    assert!(delays[10] < Duration::from_millis(100), "{delays:?}");
}

#[actix_web::test]
async fn a_stream_of_another_process_has_a_change_within_a_second() {
    let mut app = TestApp::start().await;
    let other = app.start_another().await;
    let delays = delays(&app, other).await;
    assert!(delays[10] < Duration::from_secs(1), "{delays:?}");
}

#[actix_web::test]
async fn a_stream_of_the_same_process_has_a_directory_change_within_100_ms() {
    let app = TestApp::start().await;
    app.import("a").await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    let mut stream = EventStream::open(app.addresses.api, EVENTS).await;
    stream.event().await;
    let mut delays = Vec::new();
    for _ in 0..10 {
        for shown in ["removed", "conversations"] {
            if shown == "removed" {
                app.delete_account("a").await;
            } else {
                app.import("a").await;
            }
            let answered = Instant::now();
            assert_eq!(ids(&stream.event().await.data[shown]), ["a"]);
            delays.push(answered.elapsed());
        }
    }
    delays.sort_unstable();
    assert!(delays[10] < Duration::from_millis(100), "{delays:?}");
}

#[actix_web::test]
async fn a_user_follows_only_their_own_state() {
    let mut app = TestApp::start().await;
    app.change(set_user_access(UserAccess::Read)).await;
    let address = app.start_another().await;
    let mut own = EventStream::open_by(address, EVENTS, &own_sig(KEY), "").await;
    assert!(own.head.starts_with("HTTP/1.1 200"), "{}", own.head);
    own.event().await;
    let of_another = Ask::get("/users/user1/events").by("user0").send_at(&app, address).await;
    of_another.assert_problem(403, "forbidden", None);
}

/// Marks until the stream ends, within the five seconds in which a change of an app takes effect.
async fn assert_ends(app: &TestApp, stream: &mut EventStream, mark: impl AsyncFn(u8)) {
    let begun = Instant::now();
    for nr in (0..64).cycle() {
        mark(nr).await;
        // An event that was made before the change took effect may still come.
        if stream.next_event().await.is_none() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    until(async || app.listeners("stream").await == 0).await;
}

#[actix_web::test]
async fn a_retired_key_ends_its_streams() {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let mut stream = EventStream::open(app.addresses.api, EVENTS).await;
    stream.event().await;
    let key = SecretKey::parse(NEW_KEY).unwrap();
    app.change(AppChange::RotateKey { key, force: false }).await;
    let id = app.app().await.previous_key.unwrap().id;
    app.change(AppChange::RetireKey { id }).await;
    let new = query_of(APP, ADMIN, &user_sig(NEW_KEY, APP, ADMIN));
    let old = query();
    assert_ends(&app, &mut stream, async |nr| {
        // The service may know only one of them yet.
        let body = mark_contact("user0", [change_bits(&user("a"), &[nr], &[(nr + 63) % 64])]);
        for query in [&old, &new] {
            app.call_as(MARK_CONTACT, query, body.clone()).await;
        }
    })
    .await;
}

#[actix_web::test]
async fn a_lowered_access_ends_the_streams_of_users() {
    let mut app = TestApp::with_limits(&["calls-per-second=0"]).await;
    app.change(set_user_access(UserAccess::Read)).await;
    let address = app.start_another().await;
    let mut stream = EventStream::open_by(address, EVENTS, &own_sig(KEY), "").await;
    stream.event().await;
    app.change(set_user_access(UserAccess::None)).await;
    assert_ends(&app, &mut stream, async |nr| {
        let items = [change_bits(&user("a"), &[nr], &[(nr + 63) % 64])];
        app.mark_at(address, "user0", items).await.assert_ok();
    })
    .await;
}

#[actix_web::test]
async fn an_expired_user_sig_ends_its_stream() {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let sig = user_sig_from(unix_now() - 24 * 3600 + 2, KEY, APP, ADMIN);
    let mut stream = EventStream::open_by(app.addresses.api, EVENTS, &sig, "").await;
    stream.event().await;
    assert_ends(&app, &mut stream, async |nr| {
        let items = [change_bits(&user("a"), &[nr], &[(nr + 63) % 64])];
        app.mark("user0", items).await.assert_ok();
    })
    .await;
}

/// An idle stream gets a comment every 15 seconds, before which its caller is checked.
#[actix_web::test]
async fn an_idle_stream_gets_comments_until_its_app_is_disabled() {
    let app = TestApp::start().await;
    let now = cursor(&app, "user0").await;
    let mut stream = EventStream::open(app.addresses.api, &format!("{EVENTS}?since={now}")).await;
    let begun = Instant::now();
    assert_eq!(stream.part().await.as_deref(), Some(":\n\n"));
    let waited = begun.elapsed();
    assert!(waited > Duration::from_secs(14) && waited < Duration::from_secs(25), "{waited:?}");
    app.change(set_disabled(true)).await;
    assert_eq!(stream.part().await, None);
}

#[actix_web::test]
async fn a_stop_ends_streams_at_once() {
    let app = TestApp::start().await;
    let mut stream = EventStream::open(app.addresses.api, EVENTS).await;
    stream.event().await;
    let begun = Instant::now();
    app.announce_stop();
    assert_eq!(stream.part().await, None);
    assert!(begun.elapsed() < Duration::from_secs(5));
    // One that is opened later gets its cursor, and ends.
    let mut late = EventStream::open(app.addresses.api, EVENTS).await;
    late.event().await;
    assert_eq!(late.part().await, None);
    assert_eq!(app.listeners("stream").await, 0);
}

#[actix_web::test]
async fn a_client_that_goes_ends_its_stream() {
    let app = TestApp::start().await;
    let mut stream = EventStream::open(app.addresses.api, EVENTS).await;
    stream.event().await;
    assert_eq!(app.listeners("stream").await, 1);
    drop(stream);
    until(async || app.listeners("stream").await == 0).await;
}

/// Bytes behind the request are the client's next request, and wait until the stream ends.
#[actix_web::test]
async fn what_a_client_sends_during_its_stream_does_not_end_it() {
    let app = TestApp::start().await;
    let mut stream = EventStream::open(app.addresses.api, EVENTS).await;
    stream.event().await;
    stream.send(b"GET /v1/nothing HTTP/1.1\r\nhost: test\r\n\r\n").await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    assert_eq!(ids(&stream.event().await.data["conversations"]), ["a"]);
}

/// A change of every conversation of the user, so that few events fill what the kernel buffers.
async fn change_much(app: &TestApp, text: &str) {
    for nr in 0..10 {
        let items = (0..100).map(|peer| custom(&format!("peer{nr}-{peer}"), text));
        app.mark("user0", items.collect::<Vec<Value>>()).await.assert_ok();
    }
}

#[actix_web::test]
async fn a_client_that_does_not_read_is_closed() {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let _stream = EventStream::open(app.addresses.api, EVENTS).await;
    assert_eq!(app.listeners("stream").await, 1);
    let mut round = 0;
    until(async || {
        round += 1;
        change_much(&app, &format!("{}{round}", "x".repeat(240))).await;
        app.listeners("stream").await == 0
    })
    .await;
}

#[actix_web::test]
async fn a_slow_client_gets_what_it_missed_in_few_events() {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let mut stream = EventStream::open(app.addresses.api, EVENTS).await;
    let mut client = stream.event().await.data["conversations"].as_array().unwrap().len();
    let begun = Instant::now();
    let mut round = 0;
    // Until the buffers are full, each change becomes an event. Later ones wait for the client, and are one event then.
    while begun.elapsed() < Duration::from_secs(6) {
        round += 1;
        change_much(&app, &format!("{}{round}", "x".repeat(240))).await;
    }
    let mut events = 0;
    let revision = app.revision_and_count("user0").await.0;
    loop {
        let event = stream.event().await;
        events += 1;
        client = client.max(ids(&event.data["conversations"]).len());
        if event.data["revision"] == json!(revision) {
            break;
        }
    }
    assert!(events < 10 * round, "{events} events for {round} rounds of ten changes");
    assert_eq!(client, 1000, "one event tells what many calls have changed");
}
