//! The limits of contact groups: just below, just at, just above.

use futures_util::future::join_all;
use serde_json::Value;

use crate::support::*;

#[actix_web::test]
async fn a_user_has_at_most_twenty_contact_groups() {
    let app = TestApp::start().await;
    for nr in 0..20 {
        app.call_ok(CREATE, create("user0", &format!("group{nr}"), EMPTY)).await;
    }
    let info = "GroupContactItem[0].GroupName: at most 20 conversation groups";
    let answer = app.call(CREATE, create("user0", "one more", [user("x")])).await;
    answer.assert_refused(ContactGroupsFull, info);
    // The service checks the name before the limit.
    app.call(CREATE, create("user0", "group0", EMPTY)).await.assert_code(BadParameter);
    assert!(app.peers_on_pages("user0").await.is_empty());
    app.call_ok(DEL, del("user0", "group7")).await;
    app.call_ok(CREATE, create("user0", "one more", EMPTY)).await;
    assert_eq!(app.contact_groups("user0").await.len(), 20);
    app.call_ok(CREATE, create("user1", "one more", EMPTY)).await;
}

#[actix_web::test]
async fn concurrent_callers_create_exactly_as_many_contact_groups_as_fit() {
    let mut app = TestApp::with_limits(&["calls-per-second=0", "groups=3"]).await;
    let both = [app.addresses.api, app.start_another().await];
    let calls = (0..24)
        .map(|nr| app.call_at(both[nr % 2], CREATE, create("user0", &format!("group{nr}"), EMPTY)));
    let answers = join_all(calls).await;
    assert_codes(&answers, [(Ok, 3), (ContactGroupsFull, 21)]);
    let ids: Vec<_> = app.contact_groups("user0").await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids, [1, 2, 3]);
}

#[actix_web::test]
async fn a_name_of_a_contact_group_has_1_to_32_bytes() {
    let app = TestApp::start().await;
    let three_bytes = "中".repeat(10);
    for name in ["x".to_owned(), "x".repeat(31), "x".repeat(32), three_bytes.clone() + "ab"] {
        app.call_ok(CREATE, create("user0", &name, EMPTY)).await;
        app.call_ok(UPDATE, rename("user0", &name, "other")).await;
        app.call_ok(UPDATE, rename("user0", "other", &name)).await;
    }
    for (name, bytes) in [(String::new(), 0), ("x".repeat(33), 33), (three_bytes + "abc", 33)] {
        let info = |path| format!("{path}: must be 1 to 32 bytes of UTF-8, got {bytes}");
        let answer = app.call(CREATE, create("user0", &name, EMPTY)).await;
        answer.assert_refused(ContactGroupNameLength, &info("GroupContactItem[0].GroupName"));
        let answer = app.call(UPDATE, rename("user0", "x", &name)).await;
        answer.assert_refused(ContactGroupNameLength, &info("UpdateGroup.NewGroupName"));
    }
    assert_eq!(app.contact_groups("user0").await.len(), 4);
}

#[actix_web::test]
async fn the_length_of_a_name_is_checked_after_the_rest_of_the_body() {
    let app = TestApp::start().await;
    let long = "x".repeat(33);
    app.call(CREATE, create("user0", &long, peers(0, 101))).await.assert_code(ItemCount);
    app.call(CREATE, create("user0", &long, [Value::Null])).await.assert_code(BadParameter);
}

#[actix_web::test]
async fn a_contact_group_is_created_with_up_to_100_conversations() {
    let app = TestApp::start().await;
    for (name, count) in [("none", 0), ("one", 1), ("hundred", 100)] {
        let answer = app.call(CREATE, create("user0", name, peers(0, count))).await;
        answer.assert_items(vec![Ok; count]);
    }
    app.call_ok(CREATE, create("user0", "null", Value::Null)).await;
    let answer = app.call(CREATE, create("user0", "more", peers(0, 101))).await;
    let info = "GroupContactItem[0].ContactItem: must hold 0 to 100 items, got 101";
    answer.assert_refused(ItemCount, info);
    assert_eq!(app.contact_groups("user0").await.len(), 4);
}

#[actix_web::test]
async fn one_call_changes_1_to_100_conversations_of_a_contact_group() {
    let app = TestApp::start().await;
    app.call_ok(CREATE, create("user0", "a", EMPTY)).await;
    for count in [1, 100] {
        let changes: Vec<_> = peers(0, count).iter().map(add).collect();
        app.call_ok(UPDATE, update("user0", "a", changes)).await;
        assert_eq!(app.peers_on_pages("user0").await.len(), count);
    }
    for count in [0, 101] {
        let changes: Vec<_> = peers(0, count).iter().map(remove).collect();
        let answer = app.call(UPDATE, update("user0", "a", changes)).await;
        let path = "UpdateGroup.ContactUpdateItem";
        answer.assert_refused(ItemCount, &format!("{path}: must hold 1 to 100 items, got {count}"));
    }
    assert_eq!(app.peers_on_pages("user0").await.len(), 100);
}

#[actix_web::test]
async fn up_to_1000_conversations_can_be_in_contact_groups() {
    let app = TestApp::start().await;
    for nr in 0..10 {
        let members = peers(nr * 100, nr * 100 + if nr < 9 { 100 } else { 99 });
        app.call_ok(CREATE, create("user0", &format!("group{nr}"), members)).await;
    }
    let members = peers(998, 1002);
    let answer = app.call(CREATE, create("user0", "edge", members)).await;
    answer.assert_items([Ok, Ok, ConversationsFull, ConversationsFull]);
    assert_eq!(
        answer["GroupResultItem"][0]["ResultItem"][2]["ResultInfo"],
        "ContactItem: at most 1000 conversations can be in conversation groups"
    );
    assert_eq!(app.peers_on_pages("user0").await.len(), 1000);
    // Marks have a limit of their own.
    app.mark("user0", [set("peer1001", 0)]).await.assert_ok();
}

#[actix_web::test]
async fn at_the_limit_a_conversation_is_added_only_after_another_has_left_all_contact_groups() {
    let app = TestApp::with_limits(&["grouped=2"]).await;
    app.call_ok(CREATE, create("user0", "a", peers(0, 2))).await;
    app.call_ok(CREATE, create("user0", "b", EMPTY)).await;
    let change = |name, changes: Vec<Value>| app.call(UPDATE, update("user0", name, changes));
    let (p, q, new) = (user("peer0"), user("peer1"), user("peer2"));
    change("b", vec![add(&new)]).await.assert_items([ConversationsFull]);
    let answer = change("b", vec![add(&p), add(&new), add(&q)]).await;
    answer.assert_items([Ok, ConversationsFull, Ok]);
    // The removed conversation is still in b.
    let answer = change("a", vec![remove(&p), add(&new)]).await;
    answer.assert_items([Ok, ConversationsFull]);
    let answer = change("b", vec![remove(&p), add(&new), add(&p)]).await;
    answer.assert_items([Ok, Ok, ConversationsFull]);
    app.call_ok(DEL, del("user0", "b")).await;
    assert_eq!(app.peers_on_pages("user0").await, ["peer1"]);
    let answer = change("a", vec![add(&p), add(&new)]).await;
    answer.assert_items([Ok, ConversationsFull]);
}

#[actix_web::test]
async fn concurrent_callers_add_exactly_as_many_conversations_as_fit() {
    let mut app = TestApp::with_limits(&["calls-per-second=0", "grouped=7"]).await;
    let both = [app.addresses.api, app.start_another().await];
    app.call_ok(CREATE, create("user0", "a", EMPTY)).await;
    let calls = (0..10).map(|nr| {
        let changes: Vec<_> = peers(nr * 2, nr * 2 + 2).iter().map(add).collect();
        app.call_at(both[nr % 2], UPDATE, update("user0", "a", changes))
    });
    assert_item_codes(&join_all(calls).await, [(Ok, 7), (ConversationsFull, 13)]);
    assert_eq!(app.peers_on_pages("user0").await.len(), 7);
}
