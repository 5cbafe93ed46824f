//! The limits of conversation groups: just below, just at, just above.

use futures_util::future::join_all;
use serde_json::Value;

use crate::support::*;

#[actix_web::test]
async fn there_are_twenty_groups_and_not_one_more() {
    let app = TestApp::start().await;
    for nr in 0..20 {
        app.must(CREATE, create("user0", &format!("group{nr}"), [0; 0])).await;
    }
    let answer = app.call(CREATE, create("user0", "one more", [user("x")])).await;
    assert_fails(&answer, 51010, "GroupContactItem[0].GroupName: at most 20 conversation groups");
    let answer = app.call(CREATE, create("user0", "group0", [0; 0])).await;
    assert_eq!(failure(&answer).0, 50002, "that the name is taken comes first");
    assert!(app.found("user0").await.is_empty());
    app.must(DEL, del("user0", "group7")).await;
    app.must(CREATE, create("user0", "one more", [0; 0])).await;
    assert_eq!(app.groups("user0").await.len(), 20);
    app.must(CREATE, create("user1", "one more", [0; 0])).await;
}

#[actix_web::test]
async fn of_many_who_race_for_the_last_group_one_gets_it() {
    let mut app = TestApp::with_limits(&["calls-per-second=0", "groups=3"]).await;
    let both = [app.addresses.api, app.start_another().await];
    let calls = (0..24).map(|nr| {
        app.call_at(both[nr % 2], CREATE, create("user0", &format!("group{nr}"), [0; 0]))
    });
    let answers = join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer["ErrorCode"] == 0).count(), 3);
    assert_eq!(answers.iter().filter(|answer| answer["ErrorCode"] == 51010).count(), 21);
    let ids: Vec<_> = app.groups("user0").await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids, [1, 2, 3]);
}

#[actix_web::test]
async fn a_name_has_one_to_thirty_two_bytes() {
    let app = TestApp::start().await;
    let three_bytes = "中".repeat(10);
    for name in ["x".to_owned(), "x".repeat(31), "x".repeat(32), three_bytes.clone() + "ab"] {
        app.must(CREATE, create("user0", &name, [0; 0])).await;
        app.must(UPDATE, rename("user0", &name, "other")).await;
        app.must(UPDATE, rename("user0", "other", &name)).await;
    }
    for (name, bytes) in [(String::new(), 0), ("x".repeat(33), 33), (three_bytes + "abc", 33)] {
        let info = format!("must be 1 to 32 bytes of UTF-8, got {bytes}");
        let answer = app.call(CREATE, create("user0", &name, [0; 0])).await;
        assert_fails(&answer, 51011, &format!("GroupContactItem[0].GroupName: {info}"));
        let answer = app.call(UPDATE, rename("user0", "x", &name)).await;
        assert_fails(&answer, 51011, &format!("UpdateGroup.NewGroupName: {info}"));
    }
    assert_eq!(app.groups("user0").await.len(), 4);
}

#[actix_web::test]
async fn the_length_of_a_name_comes_after_all_else_about_the_body() {
    let app = TestApp::start().await;
    let long = "x".repeat(33);
    let answer = app.call(CREATE, create("user0", &long, peers(0, 101))).await;
    assert_eq!(failure(&answer).0, 51006);
    let nothing = [Value::Null];
    let answer = app.call(CREATE, create("user0", &long, nothing)).await;
    assert_eq!(failure(&answer).0, 50002);
}

#[actix_web::test]
async fn a_group_is_made_with_up_to_a_hundred_conversations() {
    let app = TestApp::start().await;
    for (name, count) in [("none", 0), ("one", 1), ("hundred", 100)] {
        let (code, items) = app.outcome(CREATE, create("user0", name, peers(0, count))).await;
        assert_eq!((code, items), (0, vec![0; count]));
    }
    app.must(CREATE, create("user0", "null", Value::Null)).await;
    let answer = app.call(CREATE, create("user0", "more", peers(0, 101))).await;
    let info = "GroupContactItem[0].ContactItem: must hold 0 to 100 items, got 101";
    assert_fails(&answer, 51006, info);
    assert_eq!(app.groups("user0").await.len(), 4);
}

#[actix_web::test]
async fn a_change_of_conversations_holds_one_to_a_hundred() {
    let app = TestApp::start().await;
    app.must(CREATE, create("user0", "a", [0; 0])).await;
    for count in [1, 100] {
        let changes: Vec<_> = peers(0, count).iter().map(add).collect();
        app.must(UPDATE, update("user0", "a", changes)).await;
        assert_eq!(app.found("user0").await.len(), count);
    }
    for count in [0, 101] {
        let changes: Vec<_> = peers(0, count).iter().map(remove).collect();
        let answer = app.call(UPDATE, update("user0", "a", changes)).await;
        let path = "UpdateGroup.ContactUpdateItem";
        assert_fails(&answer, 51006, &format!("{path}: must hold 1 to 100 items, got {count}"));
    }
    assert_eq!(app.found("user0").await.len(), 100);
}

#[actix_web::test]
async fn a_thousand_conversations_can_be_in_groups() {
    let app = TestApp::start().await;
    for nr in 0..10 {
        let members = peers(nr * 100, nr * 100 + if nr < 9 { 100 } else { 99 });
        app.must(CREATE, create("user0", &format!("group{nr}"), members)).await;
    }
    let members = peers(998, 1002);
    let answer = app.call(CREATE, create("user0", "edge", members)).await;
    assert_eq!(outcome(&answer), (0, vec![0, 0, 51008, 51008]));
    assert_eq!(
        answer["GroupResultItem"][0]["ResultItem"][2]["ResultInfo"],
        "ContactItem: at most 1000 conversations can be in conversation groups"
    );
    assert_eq!(app.found("user0").await.len(), 1000);
    assert_eq!(app.mark("user0", vec![set("peer1001", 0)]).await, (0, vec![0]), "marks are apart");
}

#[actix_web::test]
async fn to_a_full_set_of_groups_one_is_added_when_another_goes() {
    let app = TestApp::with_limits(&["grouped=2"]).await;
    app.must(CREATE, create("user0", "a", peers(0, 2))).await;
    app.must(CREATE, create("user0", "b", [0; 0])).await;
    let step = |name, changes: Vec<Value>| app.outcome(UPDATE, update("user0", name, changes));
    let (p, q, new) = (user("peer0"), user("peer1"), user("peer2"));
    assert_eq!(step("b", vec![add(&new)]).await, (0, vec![51008]));
    assert_eq!(step("b", vec![add(&p), add(&new), add(&q)]).await, (0, vec![0, 51008, 0]));
    assert_eq!(step("a", vec![remove(&p), add(&new)]).await, (0, vec![0, 51008]), "still in b");
    assert_eq!(step("b", vec![remove(&p), add(&new), add(&p)]).await, (0, vec![0, 0, 51008]));
    app.must(DEL, del("user0", "b")).await;
    assert_eq!(app.found("user0").await, ["peer1"]);
    assert_eq!(step("a", vec![add(&p), add(&new)]).await, (0, vec![0, 51008]));
}

#[actix_web::test]
async fn of_many_who_race_for_the_last_places_as_many_as_fit_get_them() {
    let mut app = TestApp::with_limits(&["calls-per-second=0", "grouped=7"]).await;
    let both = [app.addresses.api, app.start_another().await];
    app.must(CREATE, create("user0", "a", [0; 0])).await;
    let calls = (0..10).map(|nr| {
        let changes: Vec<_> = peers(nr * 2, nr * 2 + 2).iter().map(add).collect();
        app.call_at(both[nr % 2], UPDATE, update("user0", "a", changes))
    });
    let codes: Vec<_> = join_all(calls).await.iter().flat_map(|answer| outcome(answer).1).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 7);
    assert_eq!(codes.iter().filter(|code| **code == 51008).count(), 13);
    assert_eq!(app.found("user0").await.len(), 7);
}
