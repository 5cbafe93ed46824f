use std::time::Duration;

use earmark::deadline::Deadline;
use earmark::domain::{SdkAppId, UserId, UserKey};
use earmark::service::{ErasedUser, Until, erase_user};
use futures_util::future::{join, join_all};
use serde_json::json;

use super::{assert_bad, done, finish, operate, start};
use crate::support::*;
use crate::v1::event_stream::EventStream;
use crate::v1::feed::page;
use crate::v1::{Ask, changes, cursor, ids};

const ERASE: &str = "DELETE /1400000001/users/user0?confirm=user0";
/// Rows of others about the user who is erased.
const ABOUT: &str = "SELECT count(*) FROM conversations WHERE kind = 1 AND peer_id = 'user0'";

/// Gives a user marks, a contact group and pins: three conversations with users, one of them user0, and one with a chat group
/// whose id is user0.
async fn fill(app: &TestApp, owner: &str) {
    app.mark(owner, [custom("user0", "call back"), set("friend", 0)]).await.assert_ok();
    let members = [user("user0"), chat_group("user0")];
    app.call_ok(CREATE, create(owner, "work", members)).await;
    app.call_ok(TOP, top(owner, 1, [user("user0"), user("pinned")])).await;
}

#[actix_web::test]
async fn a_user_is_exported_as_the_command_does() {
    let (app, at) = start(&[]).await;
    fill(&app, "user0").await;

    let file = operate(at, "GET /1400000001/users/user0/export").await;

    assert_eq!(file.status, 200);
    assert_eq!(file.header("content-type"), Some("application/x-ndjson"));
    let text = file.text();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0]["counts"]["conversations"], 4);
    assert_eq!(lines[1]["user"]["id"], "user0");
    assert_eq!(lines[2]["end"]["users"], 1);
    let unknown = operate(at, "GET /7/users/user0/export").await;
    assert_eq!(unknown.status, 404, "{}", unknown.text());
}

#[actix_web::test]
async fn a_user_is_erased_and_leaves_the_lists_of_others() {
    let (app, at) = start(&[]).await;
    app.import("user0").await;
    for owner in ["user0", "user1", "user2"] {
        fill(&app, owner).await;
    }
    app.mark("user3", [set("friend", 0)]).await.assert_ok();
    app.add_app(7, KEY).await;
    let other_app = query_of(7, ADMIN, &user_sig(KEY, 7, ADMIN));
    let marked = mark_contact("user1", [set("user0", 0)]);
    app.call_as(MARK_CONTACT, &other_app, marked).await.assert_ok();

    let receipt = finish(at, ERASE, "ErasedUser").await;
    assert_eq!(
        receipt,
        json!({ "sdkappid": APP, "user": "user0", "account": true, "conversations": 4, "contact_groups": 1, "lists": 2,
            "complete": true })
    );
    assert_eq!(app.count(ABOUT).await, 1, "that of the other app");
    assert_eq!(app.count("SELECT count(*) FROM conversations WHERE user_id = 'user0'").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM accounts").await, 0);
    for owner in ["user1", "user2"] {
        let listed = Ask::get(format!("/users/{owner}/conversations")).send(&app).await.ok();
        assert_eq!(ids(&listed["conversations"]), ["friend", "user0", "pinned"]);
        assert_eq!(listed["conversations"][1]["type"], "group", "the chat group stays");
        app.revision_and_count(owner).await;
    }
    Ask::get("/users/user0").send(&app).await.assert_problem(404, "not-found", None);
    app.mark("user1", [set("user0", 0)]).await.assert_items([UnknownUser]);
    app.verify().await;

    let again = finish(at, ERASE, "ErasedUser").await;
    assert_eq!((&again["account"], &again["lists"]), (&json!(false), &json!(0)), "{again}");
}

/// A user of an app with an open directory who was never imported, and who only stands in the lists of others.
#[actix_web::test]
async fn a_user_without_account_and_state_can_be_erased() {
    let (app, at) = start(&[]).await;
    fill(&app, "user1").await;
    let receipt = finish(at, ERASE, "ErasedUser").await;
    assert_eq!((&receipt["account"], &receipt["lists"]), (&json!(false), &json!(1)), "{receipt}");
    assert_eq!(app.count(ABOUT).await, 0);
    app.mark("user0", [set("friend", 0)]).await.assert_code(UnknownUser);
    app.mark("user1", [set("user0", 0)]).await.assert_items([UnknownUser]);
    app.verify().await;
}

#[actix_web::test]
async fn the_places_of_an_erased_user_are_free_again() {
    let (app, at) = start(&["marked=2", "grouped=2", "pinned=2"]).await;
    fill(&app, "user1").await;
    app.mark("user1", [set("third", 0)]).await.assert_items([ConversationsFull]);
    finish(at, ERASE, "ErasedUser").await;
    app.mark("user1", [set("third", 0), set("fourth", 0)])
        .await
        .assert_items([Ok, ConversationsFull]);
    app.call_ok(TOP, top("user1", 1, [user("third")])).await;
    app.call_ok(UPDATE, update("user1", "work", [add(&user("third"))])).await;
    app.verify().await;
}

#[actix_web::test]
async fn others_hear_that_the_user_has_left_their_lists() {
    let (app, at) = start(&[]).await;
    app.turn_feed_on().await;
    fill(&app, "user1").await;
    let position = app.cursor().await;
    let (since, uninvolved) = (cursor(&app, "user1").await, cursor(&app, "user2").await);
    // The stream is on another process than the admin API.
    let mut stream = EventStream::open(app.addresses.api, "/users/user1/events").await;
    let before = stream.event().await.data["revision"].as_u64().unwrap();
    finish(at, ERASE, "ErasedUser").await;

    // The row is gone, so a cursor from before cannot be answered: the client reads anew.
    changes(&app, "user1", &since).await.assert_problem(410, "resync", None);
    let fresh = Ask::get("/users/user1").send(&app).await.ok();
    assert_eq!(fresh["revision"], before + 1);
    assert_eq!(fresh["groups"][0]["conversations"], 1, "the chat group");
    let now = fresh["cursor"].as_str().unwrap();
    assert_eq!(changes(&app, "user1", now).await.ok()["removed"], json!([]));
    assert_eq!(changes(&app, "user2", &uninvolved).await.ok()["removed"], json!([]));
    // The stream may first tell that the account is gone.
    while stream.event().await.kind != "resync" {}
    assert_eq!(stream.part().await, None, "the stream has ended");
    let told = page(app.feed(&format!("after={position}")).await).1;
    let user1 = json!({ "user": "user1", "revision": before + 1 });
    assert!(told.contains(&user1) && told.iter().any(|it| it["user"] == "user0"), "{told:?}");
    assert!(told.iter().any(|it| it["directory"]["id"] == "user0"), "{told:?}");
}

#[actix_web::test]
async fn a_user_who_comes_back_is_empty_and_has_no_revision_twice() {
    let (app, at) = start(&[]).await;
    app.import("user0").await;
    fill(&app, "user0").await;
    fill(&app, "user1").await;
    let before = Ask::get("/users/user0").send(&app).await.ok();
    finish(at, ERASE, "ErasedUser").await;
    app.import("user0").await;
    let after = Ask::get("/users/user0").send(&app).await.ok();
    assert!(after["revision"].as_u64() > before["revision"].as_u64(), "{before} {after}");
    assert_eq!(after["groups"], json!([]));
    let since = before["cursor"].as_str().unwrap();
    changes(&app, "user0", since).await.assert_problem(410, "resync", None);
    app.mark("user0", [set("friend", 0)]).await.assert_ok();
    changes(&app, "user0", since).await.assert_problem(410, "resync", None);
    assert_eq!(app.count(ABOUT).await, 0, "nothing comes back in the lists of others");
    app.mark("user1", [set("user0", 3)]).await.assert_ok();
    assert_eq!(app.standard_mark("user1", "user0").await, 0b1000);
}

/// Erases the state of user0. So little time is left that no list is searched.
async fn erase_own_state(app: &TestApp) -> ErasedUser {
    let (sdk_app_id, user_id) = (SdkAppId::new(APP).unwrap(), UserId::parse("user0", 32).unwrap());
    let (store, key) = (app.partitions.clone(), UserKey { sdk_app_id, user_id });
    let erase = async move {
        let soon = Until::Deadline(Deadline::within(Duration::from_millis(400)));
        erase_user(&store, &key, None, &operator(), soon).await.unwrap()
    };
    on_runtime(erase).await
}

#[actix_web::test]
async fn an_erasure_that_was_ended_early_is_finished_by_the_next() {
    let (app, at) = start(&[]).await;
    for owner in ["user0", "user1", "user2", "user3"] {
        fill(&app, owner).await;
    }
    let first = erase_own_state(&app).await;
    assert_eq!((first.conversations, first.is_complete), (4, false));
    assert_eq!(app.count(ABOUT).await, 3);
    app.verify().await;

    let line = format!("{ERASE}&after=user1");
    let rest = done(&operate(at, &line).await, "ErasedUser");
    assert_eq!((&rest["conversations"], &rest["lists"]), (&json!(0), &json!(2)), "after user1");
    let again = finish(at, ERASE, "ErasedUser").await;
    assert_eq!((&again["lists"], &again["complete"]), (&json!(1), &json!(true)), "{again}");
    assert_eq!(app.count(ABOUT).await, 0);
    app.verify().await;
}

/// A writer that has looked at the directory before the user was gone, and commits afterwards.
#[actix_web::test]
async fn what_a_late_writer_writes_about_the_user_is_erased_too() {
    let (app, at) = start(&[]).await;
    app.mark("user1", [set("friend", 0)]).await.assert_ok();
    let mut writer = app.lock_user("user1").await;
    let erase = finish(at, ERASE, "ErasedUser");
    let write = async {
        until(async || app.count("SELECT count(*) FROM gone WHERE is_gone").await == 1).await;
        sqlx::raw_sql(
            "INSERT INTO conversations (sdk_app_id, user_id, kind, peer_id, standard_mark, holds_place, position,
                changed_at, changed_revision)
            VALUES (1400000001, 'user1', 1, 'user0', 1, TRUE, 2, 1, 2);
            UPDATE users SET revision = 2, next_position = 3, row_count = 2, marked = 2 WHERE user_id = 'user1'",
        )
        .execute(&mut *writer)
        .await
        .unwrap();
        writer.commit().await.unwrap();
    };
    let (erased, ()) = join(erase, write).await;
    assert_eq!(erased["lists"], 1);
    assert_eq!(app.count(ABOUT).await, 0);
    app.verify().await;
}

#[actix_web::test]
async fn under_load_nothing_comes_back_and_nothing_else_goes() {
    let (app, at) = start(&[]).await;
    let owners: Vec<_> = (0..40).map(|nr| format!("owner{nr:02}")).collect();
    let write = async |owner: &str| {
        for nr in 0..20_u8 {
            let items = [set("user0", nr), set(&format!("peer{nr}"), nr)];
            let address = if nr % 2 == 0 { app.addresses.api } else { at };
            let answer = app.mark_at(address, owner, items).await;
            assert_eq!(answer.item_codes()[1], Ok, "{answer}");
        }
    };
    let writers = join_all(owners.iter().map(|owner| write(owner)));
    let own = async {
        for nr in 0..20 {
            app.mark("user0", [set("x", nr)]).await.assert_one_of(&[Ok, UnknownUser]);
        }
    };
    let (_, ((), _)) = join(writers, join(own, finish(at, ERASE, "ErasedUser"))).await;
    assert_eq!(app.count(ABOUT).await, 0);
    assert_eq!(app.count("SELECT count(*) FROM conversations WHERE user_id = 'user0'").await, 0);
    for owner in &owners {
        assert_eq!(app.marked_count(owner).await, 20);
    }
    app.verify().await;
}

#[actix_web::test]
async fn an_account_that_comes_back_meanwhile_ends_the_erasure() {
    let (app, at) = start(&[]).await;
    fill(&app, "user1").await;
    erase_own_state(&app).await;
    app.import("user0").await;
    app.mark("user1", [set("user0", 5)]).await.assert_items([Ok]);
    let erased = operate(at, &format!("{ERASE}&after=a")).await;
    let answer = erased.json();
    assert_eq!(erased.status, 409, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("send the request again"), "{answer}");
    assert_eq!(app.count(ABOUT).await, 1, "it may be about the new account");
    assert_eq!(finish(at, ERASE, "ErasedUser").await["lists"], 1);
    assert_eq!(app.count(ABOUT).await, 0);
}

#[actix_web::test]
async fn a_user_is_shown_with_account_counts_and_contact_groups() {
    let (app, at) = start(&[]).await;
    let show = async |user: &str| {
        done(&operate(at, &format!("GET /1400000001/users/{user}")).await, "User")
    };
    let unknown = show("user0").await;
    assert_eq!(unknown["account"], "never imported");
    let account = json!({ "UserID": "user0", "Nick": "Null", "FaceUrl": "https://example.com/0" });
    app.call(ACCOUNT_IMPORT, account).await.assert_ok();
    fill(&app, "user0").await;
    assert_eq!(
        show("user0").await,
        json!({
            "sdkappid": APP, "user": "user0", "account": "imported", "nick": "Null",
            "face_url": "https://example.com/0", "admin": false, "revision": 3, "marked": 2, "grouped": 2, "pinned": 2,
            "contact_groups": [{ "id": 1, "name": "work", "conversations": 2 }],
        })
    );
    assert_eq!(show(ADMIN).await["admin"], true);
    app.delete_account("user0").await;
    let deleted = show("user0").await;
    assert_eq!((&deleted["account"], &deleted["nick"]), (&json!("deleted"), &json!("")));
}

#[actix_web::test]
async fn an_erasure_that_is_not_confirmed_or_malformed_erases_nothing() {
    let (app, at) = start(&[]).await;
    fill(&app, "user0").await;
    fill(&app, "user1").await;
    let rows = app.state_rows().await;
    for (line, field) in [
        ("DELETE /1400000001/users/user0", "confirm"),
        ("DELETE /1400000001/users/user0?confirm=", "confirm"),
        ("DELETE /1400000001/users/user0?confirm=user1", "confirm"),
        ("DELETE /1400000001/users/user0?confirm=1400000001", "confirm"),
        ("DELETE /1400000001/users/us%00er?confirm=us%00er", "user"),
        ("DELETE /1400000001/users/user0?confirm=user0&after=", "after"),
        ("DELETE /1400000001/users/user0?confirm=user0&after=%00", "after"),
    ] {
        assert_bad(&operate(at, line).await, field);
    }
    for line in ["DELETE /9/users/user0?confirm=user0", "GET /9/users/user0", "GET /x/users/user0"]
    {
        let page = operate(at, line).await;
        assert_eq!(page.status, 404, "{line}: {page:?}");
    }
    assert_eq!(app.state_rows().await, rows);
    assert_eq!(app.count("SELECT count(*) FROM gone").await, 0);
    // An id with a slash, longer than the app allows now.
    let long = format!("{}%2F%E4%B8%AD", "x".repeat(40));
    let line = format!("DELETE /1400000001/users/{long}?confirm={long}");
    done(&operate(at, &line).await, "ErasedUser");
}
