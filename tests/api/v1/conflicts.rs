//! No blind overwrite for a client that asks not to.

use std::sync::Arc;

use earmark::deadline::{Arrival, Deadline};
use earmark::domain::{
    BitChange, Change, ContactGroupName, Conversation, MarkChange, Refusal, StandardMark, UserId,
};
use earmark::error::Error;
use earmark::service::{Service, Write, Written};
use earmark::store::Database;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::Ask;
use crate::shared_commits::one_lane;
use crate::support::*;

const PEER: &str = "/users/user0/conversations/user/peer";

/// Every call that changes a user's state.
fn writes() -> [Ask; 6] {
    [
        Ask::patch(PEER, json!({ "set": [0] })),
        Ask::delete(PEER),
        Ask::batch("user0", json!([{ "type": "user", "id": "peer", "set": [0] }])),
        Ask::put("/users/user0/groups/new"),
        Ask::patch("/users/user0/groups/old", json!({ "name": "other" })),
        Ask::delete("/users/user0/groups/old"),
    ]
}

#[actix_web::test]
async fn another_revision_refuses_every_write_and_shows_the_current_state() {
    let app = TestApp::start().await;
    Ask::put("/users/user0/groups/old").send(&app).await.ok();
    Ask::patch(PEER, json!({ "set": [40] })).send(&app).await.ok();
    let conversation = Ask::get(PEER).send(&app).await.ok();
    let user = Ask::get("/users/user0").send(&app).await.ok();
    for ask in writes() {
        for expected in [0, 1, 3, u64::MAX] {
            let reply = ask.clone().if_match(expected).send(&app).await;
            reply.assert_problem(409, "conflict", None);
            assert_eq!(reply.json["revision"], 2);
            let is_about_one = ask.path == PEER;
            assert_eq!(
                reply.json["current"],
                if is_about_one { &conversation } else { &user }.clone()
            );
        }
    }
    assert_eq!(app.revision_and_count("user0").await, (2, 1));
}

#[actix_web::test]
async fn the_revision_of_an_answer_is_what_the_next_write_expects() {
    let app = TestApp::start().await;
    let mut revision = 0;
    for ask in [vec![Ask::put("/users/user0/groups/old")], writes().into()].concat() {
        let reply = ask.if_match(revision).send(&app).await;
        revision = reply.revision.unwrap();
        reply.ok();
    }
    // The put of the start, the patch, its deletion, the batch, the new contact group, its new name. The last deletion finds
    // no contact group of the old name.
    assert_eq!(revision, 6);
    assert_eq!(app.revision_and_count("user0").await.0, 6);
}

#[actix_web::test]
async fn a_conflict_of_a_user_who_is_not_there_is_not_shown() {
    let app = TestApp::start().await;
    app.import("user0").await;
    Ask::patch(PEER, json!({ "set": [0] })).send(&app).await.ok();
    app.delete_account("user0").await;
    for ask in writes() {
        let reply = ask.if_match(1).send(&app).await;
        reply.assert_refused(404, "not-found", UnknownUser);
    }
}

#[actix_web::test]
async fn an_if_match_that_is_not_a_revision_is_refused() {
    let app = TestApp::start().await;
    for ask in writes() {
        for text in ["41", "\"x\"", "\"-1\"", "W/\"0\"", "\"0\", \"1\"", ""] {
            let reply = ask.clone().with("If-Match", text).send(&app).await;
            reply.assert_problem(400, "bad-request", Some("/If-Match"));
        }
    }
    Ask::patch(PEER, json!({ "set": [0] })).with("If-Match", "*").send(&app).await.ok();
}

/// Each of the clients adds its own bit to what it has read. Without lost updates, each of them must win once.
#[actix_web::test]
async fn of_clients_that_expect_one_revision_exactly_one_wins() {
    let mut app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let both = [app.addresses.api, app.start_another().await];
    for round in 0..20_u64 {
        let race = (0..8).map(|nr| {
            let custom = format!("{round} {nr}");
            let ask = match nr % 3 {
                0 => Ask::patch(PEER, json!({ "custom": custom })),
                1 => {
                    Ask::batch("user0", json!([{ "type": "user", "id": "peer", "custom": custom }]))
                }
                _ => Ask::put(format!("/users/user0/groups/{round}-{nr}")),
            };
            ask.if_match(round).send_at(&app, both[nr % 2])
        });
        let replies = join_all(race).await;
        let winners: Vec<_> = replies.iter().filter(|reply| reply.status < 300).collect();
        assert_eq!(winners.len(), 1, "{replies:?}");
        assert_eq!(winners[0].revision, Some(round + 1));
        for reply in replies.iter().filter(|reply| reply.status >= 300) {
            // More contact groups than the limit allows are refused only after the revision was checked.
            if reply.json["revision"].is_u64() {
                reply.assert_problem(409, "conflict", None);
                assert_eq!(reply.json["revision"], round + 1);
            }
        }
    }
    assert_eq!(app.revision_and_count("user0").await.0, 20);
}

/// Clients that read, add one and write with what they have read count without losing anything.
#[actix_web::test]
async fn a_counter_in_a_custom_mark_loses_no_increment() {
    let mut app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let both = [app.addresses.api, app.start_another().await];
    let count = |shown: &Value| shown["custom"].as_str().unwrap_or("0").parse::<u64>().unwrap();
    let client = async |nr: usize| {
        for _ in 0..10 {
            let read = Ask::get(PEER).send_at(&app, both[nr % 2]).await;
            let (mut revision, mut shown) = (read.revision.unwrap(), read.ok());
            loop {
                let next = json!({ "custom": (count(&shown) + 1).to_string() });
                let ask = Ask::patch(PEER, next).if_match(revision);
                let reply = ask.send_at(&app, both[nr % 2]).await;
                if reply.status == 200 {
                    break;
                }
                reply.assert_problem(409, "conflict", None);
                revision = reply.json["revision"].as_u64().unwrap();
                shown = reply.json["current"].clone();
            }
        }
    };
    join_all((0..4).map(client)).await;
    let shown = Ask::get(PEER).send(&app).await.ok();
    assert_eq!((count(&shown), &shown["revision"]), (40, &json!(40)));
}

fn bits(set: u64, clear: u64) -> Change {
    let conversation = Conversation::OneToOne(UserId::parse("peer", 32).unwrap());
    let bits = BitChange { set: StandardMark::new(set), clear: StandardMark::new(clear) };
    Change::Mark(vec![MarkChange { conversation, standard: Some(bits), custom: None }])
}

fn rename(old: &str, new: &str) -> Change {
    let name = |text| ContactGroupName::parse(text).unwrap();
    Change::EditGroup { name: name(old), new_name: Some(name(new)), index: None }
}

/// Writes of user0 that wait in one lane at the same time, so that they share a commit.
async fn write_in_one_lane(
    app: &TestApp,
    service: &Service,
    writes: impl IntoIterator<Item = (Change, Option<u64>)>,
) -> Vec<Result<Written, Error>> {
    let of = Arc::new(app.app().await);
    let write = |(change, expected_revision)| Write {
        app: of.clone(),
        owner: UserId::parse("user0", 32).unwrap(),
        change,
        expected_revision,
        arrival: Arrival { now: unix_now(), deadline: Deadline::of_a_request() },
    };
    let (writes, service): (Vec<_>, _) = (writes.into_iter().map(write).collect(), service.clone());
    on_runtime(async move { join_all(writes.into_iter().map(|write| service.write(write))).await })
        .await
}

fn revisions(outcomes: &[Result<Written, Error>]) -> Vec<Option<u64>> {
    outcomes.iter().map(|outcome| outcome.as_ref().ok().map(|written| written.revision)).collect()
}

#[actix_web::test]
async fn a_shared_commit_lets_no_second_write_through() {
    let app = TestApp::start().await;
    let service = one_lane(Database::from_options(app.options())).await;
    let same = (0..10).map(|bit| (bits(1 << bit, 0), Some(0)));
    let outcomes = write_in_one_lane(&app, &service, same).await;
    let expected: Vec<_> = (0..10).map(|nr| (nr == 0).then_some(1)).collect();
    assert_eq!(revisions(&outcomes), expected, "{outcomes:?}");
    let refused = |outcome: &Result<Written, Error>| {
        matches!(outcome, Err(Error::Refused(Refusal::RevisionChanged)))
    };
    assert!(outcomes[1..].iter().all(refused), "{outcomes:?}");
    assert_eq!(app.marks("user0").await, [marked("peer", 1, "")]);

    let one_by_one = (0..10).map(|nr| (bits(2 << nr, 0), Some(nr + 1)));
    let outcomes = write_in_one_lane(&app, &service, one_by_one).await;
    assert_eq!(revisions(&outcomes), (2..12).map(Some).collect::<Vec<_>>());
    service.close().await;
}

/// Otherwise the client would hear of a conflict with the revision that it expects.
#[actix_web::test]
async fn a_write_without_effect_in_the_same_commit_is_no_conflict() {
    let app = TestApp::start().await;
    app.mark("user0", [set("peer", 0)]).await.assert_ok();
    let service = one_lane(Database::from_options(app.options())).await;
    let writes = [
        (bits(1, 0), Some(1)),
        (bits(0, 2), Some(1)),
        (bits(4, 0), Some(1)),
        (bits(4, 0), Some(2)),
        (bits(8, 0), Some(2)),
    ];
    let outcomes = write_in_one_lane(&app, &service, writes).await;
    assert_eq!(revisions(&outcomes), [1, 1, 2, 2, 3].map(Some), "{outcomes:?}");
    assert_eq!(app.revision_and_count("user0").await.0, 3);
    service.close().await;
}

/// Each client was told that its change was made. So a reader of changes must see what the undone change concerned.
#[actix_web::test]
async fn a_change_that_is_undone_in_the_same_commit_is_a_change() {
    let app = TestApp::start().await;
    app.call_ok(CREATE, create("user0", "a", [user("peer")])).await;
    app.mark("user0", [set("peer", 0)]).await.assert_ok();
    let service = one_lane(Database::from_options(app.options())).await;
    let writes = [
        (bits(2, 0), Some(2)),
        (bits(0, 2), Some(3)),
        (rename("a", "b"), Some(4)),
        (rename("b", "a"), Some(5)),
    ];
    let outcomes = write_in_one_lane(&app, &service, writes).await;
    assert_eq!(revisions(&outcomes), [3, 4, 5, 6].map(Some), "{outcomes:?}");
    let seen = "SELECT ARRAY[u.revision, u.groups_revision, g.name_revision, c.changed_revision]
        FROM users u, contact_groups g, conversations c";
    let seen: Vec<i64> = sqlx::query_scalar(seen).fetch_one(&app.db).await.unwrap();
    assert_eq!(seen[..2], [6, 6]);
    assert!(seen[2] > 2 && seen[3] > 2, "{seen:?}");
    service.close().await;
}
