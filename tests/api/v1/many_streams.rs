//! A thousand clients, each of which follows another user.

use futures_util::future::join_all;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;

use super::event_stream::EventStream;
use super::ids;
use crate::support::*;

const STREAMS: usize = 1000;
/// Calls at once.
const CALLS: usize = 50;

/// The sockets of both sides are in this process.
fn raise_file_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}

/// Calls `call` for each number, some at a time.
async fn for_each<T>(
    numbers: impl Iterator<Item = usize>,
    call: impl AsyncFn(usize) -> T,
) -> Vec<T> {
    let (numbers, mut done) = (numbers.collect::<Vec<_>>(), Vec::new());
    for some in numbers.chunks(CALLS) {
        done.extend(join_all(some.iter().map(|nr| call(*nr))).await);
    }
    done
}

#[actix_web::test]
async fn a_thousand_streams_each_hear_of_their_own_user() {
    raise_file_limit();
    let mut app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let addresses = [app.addresses.api, app.start_another().await];
    app.import("shared").await;
    let name = |nr: usize| format!("user{nr}");
    let has_shared = |nr: &usize| nr.is_multiple_of(4);
    for_each((0..STREAMS).filter(has_shared), async |nr| {
        app.mark(&name(nr), [set("shared", 0)]).await.assert_ok();
    })
    .await;
    let mut streams = for_each(0..STREAMS, async |nr| {
        let path = format!("/users/{}/events", name(nr));
        let mut stream = EventStream::open(addresses[nr % 2], &path).await;
        stream.event().await;
        stream
    })
    .await;
    assert_eq!(app.listeners("stream").await as usize, STREAMS / 2);

    // Each process hears of the writes of both.
    for_each(0..STREAMS, async |nr| {
        let own = set(&format!("peer{nr}"), 0);
        app.mark_at(addresses[nr / 2 % 2], &name(nr), [own]).await.assert_ok();
    })
    .await;
    let heard = join_all(streams.iter_mut().map(EventStream::event)).await;
    for (nr, event) in heard.iter().enumerate() {
        assert_eq!(ids(&event.data["conversations"]), [format!("peer{nr}")]);
    }

    app.delete_account("shared").await;
    let concerned = streams.iter_mut().step_by(4);
    for event in join_all(concerned.map(EventStream::event)).await {
        assert_eq!(event.data["removed"], json!([{ "type": "user", "id": "shared" }]));
    }
    // The others hear of the next change that concerns them, and of nothing before it.
    let of_all = for_each(0..STREAMS, async |nr| {
        app.mark(&name(nr), [set("last", 0)]).await.assert_ok();
    });
    of_all.await;
    for event in join_all(streams.iter_mut().map(EventStream::event)).await {
        assert_eq!(ids(&event.data["conversations"]), ["last"]);
    }

    app.announce_stop();
    let ended = streams.iter_mut().step_by(2).map(EventStream::part);
    assert!(join_all(ended).await.iter().all(Option::is_none));
}
