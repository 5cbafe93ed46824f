//! Apps take turns in a lane.

use std::sync::{Arc, Mutex};

use earmark::deadline::{Arrival, Deadline};
use earmark::domain::{
    App, BitChange, Change, Conversation, MarkChange, SdkAppId, StandardMark, UserId,
};
use earmark::service::{Service, Settings, Write};
use earmark::store::{Database, Partitions};
use futures_util::future::join_all;

use crate::support::{APP, KEY, TestApp, on_runtime, unix_now};

fn user(name: &str) -> UserId {
    UserId::parse(name, 32).unwrap()
}

/// A write that sets a bit of this many conversations.
fn write(app: &Arc<App>, owner: &str, items: u32) -> Write {
    let mark = |nr| MarkChange {
        conversation: Conversation::OneToOne(user(&format!("peer{nr}"))),
        standard: Some(BitChange { set: StandardMark::new(1), ..BitChange::default() }),
        custom: None,
    };
    Write {
        app: app.clone(),
        owner: user(owner),
        change: Change::Mark((0..items).map(mark).collect()),
        expected_revision: None,
        arrival: Arrival { now: unix_now(), deadline: Deadline::of_a_request() },
    }
}

#[actix_web::test]
async fn a_write_does_not_wait_for_all_writes_of_another_app() {
    // given
    let app = TestApp::start().await;
    app.add_app(APP + 1, KEY).await;
    let busy = Arc::new(app.app().await);
    let other = Arc::new(App { sdk_app_id: SdkAppId::new(APP + 1).unwrap(), ..app.app().await });
    let mut writes: Vec<_> = (0..100).map(|nr| write(&busy, &format!("user{nr}"), 100)).collect();
    writes.push(write(&other, "user", 1));
    let database = Database::from_options(app.options());
    // when
    let done = on_runtime(async move {
        let service =
            Service::new(Partitions::connect(&database).await.unwrap(), Settings::default());
        let done = Mutex::new(Vec::new());
        let send = async |write: Write| {
            let number = write.app.sdk_app_id.number();
            let outcome = service.write(write).await;
            done.lock().unwrap().push((number, outcome.is_ok()));
        };
        join_all(writes.into_iter().map(send)).await;
        service.close().await;
        done.into_inner().unwrap()
    })
    .await;
    // then
    let before = done.iter().position(|outcome| *outcome == (APP + 1, true)).unwrap();
    assert!(before < 40, "{before} of {} writes were done before", done.len());
}
