//! Pins, and `get_list`, which shows them first.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::*;

/// The peers of a list; pinned ones have a star.
fn shown(list: &[Value]) -> Vec<String> {
    let star = |item: &Value| if item["TopFlag"] == 1 { "*" } else { "" };
    list.iter().map(|item| format!("{}{}", star(item), peer_of(item))).collect()
}

/// Sets the time of a conversation's last change.
async fn set_changed_at(app: &TestApp, peer: &str, second: i64) {
    sqlx::query("UPDATE conversations SET changed_at = $1 WHERE peer_id = $2")
        .bind(second)
        .bind(peer)
        .execute(&app.db)
        .await
        .unwrap();
}

#[actix_web::test]
async fn a_pin_is_answered_with_the_id_of_its_type() {
    let app = TestApp::start().await;
    let items = json!([
        { "Type": 1, "To_Account": "user1", "GroupId": "ignored" },
        { "Type": 2, "GroupId": "group1" },
        { "Type": 2, "ToGroupId": "group2", "GroupId": null },
        { "Type": 2, "ToGroupId": "ignored", "GroupId": "group3" },
    ]);
    for operation in [1, 2] {
        let answer = app.call_ok(TOP, top("user0", operation, items.clone())).await;
        let echoed = [
            json!({ "Type": 1, "To_Account": "user1" }),
            json!({ "Type": 2, "GroupId": "group1" }),
            json!({ "Type": 2, "GroupId": "group2" }),
            json!({ "Type": 2, "GroupId": "group3" }),
        ]
        .map(|item| json!({ "RecentContactItem": item, "ResultCode": 0, "ResultInfo": "" }));
        assert_eq!(answer["ResultItem"], json!(echoed));
        let expected: &[&str] =
            if operation == 1 { &["*group3", "*group2", "*group1", "*user1"] } else { &[] };
        assert_eq!(shown(&app.listed("user0").await), expected);
    }
}

#[actix_web::test]
async fn a_pinned_conversation_that_is_pinned_again_keeps_its_place() {
    let app = TestApp::start().await;
    app.call_ok(TOP, top("user0", 1, [user("a"), user("b"), user("a")])).await;
    app.call_ok(TOP, top("user0", 1, [user("a")])).await;
    assert_eq!(shown(&app.listed("user0").await), ["*b", "*a"]);
    app.call_ok(TOP, top("user0", 2, [user("a"), user("a"), user("stranger")])).await;
    assert_eq!(shown(&app.listed("user0").await), ["*b"]);
    app.call_ok(TOP, top("user0", 1, [user("a")])).await;
    assert_eq!(shown(&app.listed("user0").await), ["*a", "*b"]);
}

#[actix_web::test]
async fn a_user_has_at_most_fifty_pins() {
    let app = TestApp::start().await;
    app.call_ok(TOP, top("user0", 1, peers(0, 49))).await;
    let answer = app.call(TOP, top("user0", 1, peers(48, 52))).await;
    answer.assert_items([Ok, Ok, PinsFull, PinsFull]);
    let info = "RecentContactItem: at most 50 conversations can be pinned";
    assert_eq!(answer["ResultItem"][2]["ResultInfo"], info);
    app.call_ok(TOP, top("user0", 2, peers(7, 8))).await;
    app.call(TOP, top("user0", 1, peers(50, 52))).await.assert_items([Ok, PinsFull]);
    assert_eq!(app.listed("user0").await.len(), 50);
    app.call_ok(TOP, top("user1", 1, peers(50, 52))).await;
}

#[actix_web::test]
async fn concurrent_callers_pin_exactly_as_many_conversations_as_fit() {
    let mut app = TestApp::with_limits(&["calls-per-second=0", "pinned=5"]).await;
    let both = [app.addresses.api, app.start_another().await];
    let calls = (0..10)
        .map(|nr| app.call_at(both[nr % 2], TOP, top("user0", 1, peers(nr * 2, nr * 2 + 2))));
    assert_item_codes(&join_all(calls).await, [(Ok, 5), (PinsFull, 15)]);
    assert_eq!(app.listed("user0").await.len(), 5);
}

#[actix_web::test]
async fn one_call_pins_1_to_100_conversations() {
    let app = TestApp::with_limits(&["pinned=1000"]).await;
    for count in [1, 100] {
        app.call_ok(TOP, top("user0", 1, peers(0, count))).await;
    }
    for count in [0, 101] {
        let answer = app.call(TOP, top("user0", 1, peers(0, count))).await;
        let info = format!("RecentContactItem: must hold 1 to 100 items, got {count}");
        answer.assert_refused(ItemCount, &info);
    }
}

#[actix_web::test]
async fn a_malformed_pin_is_refused_with_the_path_to_the_mistake() {
    let app = TestApp::start().await;
    let operation = "OperationType: must be 1 (pin) or 2 (unpin)";
    for (body, info) in [
        (top("user0", 0, [user("x")]), operation),
        (top("user0", 3, [user("x")]), operation),
        (json!({ "From_Account": "user0" }), "OperationType: missing, must be an integer"),
        (top("user0", 1, user("x")), "RecentContactItem: must be an array, got an object"),
        (
            top("user0", 1, json!([{ "Type": 2, "ToGroupid": "x" }])),
            "RecentContactItem[0].GroupId: missing, must be a string",
        ),
        (
            top("user0", 1, json!([{ "TYPE": 1, "To_Account": "x" }])),
            "RecentContactItem[0].Type: missing, must be an integer",
        ),
    ] {
        app.call(TOP, body).await.assert_refused(BadParameter, info);
    }
    assert_eq!(app.state_rows().await, 0);
}

#[actix_web::test]
async fn a_pinned_conversation_counts_neither_as_marked_nor_as_grouped() {
    let app = TestApp::with_limits(&["marked=1", "grouped=1"]).await;
    app.call_ok(TOP, top("user0", 1, peers(0, 5))).await;
    assert!(app.all_pages("user0").await.is_empty());
    let bare = json!({ "Type": 1, "To_Account": "peer0", "StandardMark": "", "Timestamp": 0 });
    assert_eq!(app.search_one("user0", &user("peer0")).await, bare);
    app.mark("user0", [set("peer0", 0), clear("peer0", 0)]).await.assert_ok();
    app.mark("user0", [set("x", 0)]).await.assert_ok();
    assert_eq!(
        app.listed("user0").await.len(),
        6,
        "the conversation without marks is still pinned"
    );
}

#[actix_web::test]
async fn the_list_shows_pins_first_and_then_the_latest_changes() {
    for size in [1, 2, 3, 100] {
        let app = TestApp::with_limits(&[&format!("page-items={size}")]).await;
        app.mark("user0", ["a", "b", "c", "d"].map(|peer| set(peer, 0))).await.assert_ok();
        app.call_ok(CREATE, create("user0", "g", [chat_group("e")])).await;
        app.call_ok(TOP, top("user0", 1, [user("b"), user("pinned"), user("d")])).await;
        for (peer, second) in [("a", 30), ("b", 99), ("c", 40), ("d", 1), ("e", 30)] {
            set_changed_at(&app, peer, second).await;
        }
        let expected = ["*d", "*pinned", "*b", "c", "e", "a"];
        assert_eq!(shown(&app.listed("user0").await), expected, "pages of {size}");
    }
}

#[actix_web::test]
async fn the_list_has_the_documented_fields() {
    let app = TestApp::start().await;
    app.call_ok(CREATE, create("user0", "g", [user("a")])).await;
    let both = json!({
        "OptType": 3, "ContactItem": chat_group("b"), "SetMark": [1, 2, 3], "CustomMark": "abcd",
    });
    app.mark("user0", [both]).await.assert_ok();
    app.call_ok(TOP, top("user0", 1, [user("c")])).await;
    for (peer, second) in [("a", 10), ("b", 20), ("c", 30)] {
        set_changed_at(&app, peer, second).await;
    }
    let answer = app.call_ok(GET_LIST, json!({ "From_Account": "user0", "AssistFlags": 63 })).await;
    let expected = json!({
        "SessionItem": [
            { "Type": 1, "To_Account": "c", "MsgTime": 30, "TopFlag": 1 },
            {
                "Type": 2, "GroupId": "b", "MsgTime": 20, "TopFlag": 0, "StandardMark": "1110",
                "CustomMark": "abcd",
            },
            { "Type": 1, "To_Account": "a", "MsgTime": 10, "TopFlag": 0, "ContactGroupId": [1] },
        ],
        "CompleteFlag": 1, "TimeStamp": 0, "StartIndex": 0, "TopTimeStamp": 0, "TopStartIndex": 0,
        "ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": "", "ErrorDisplay": "",
    });
    assert_eq!(answer, expected);
}

#[actix_web::test]
async fn the_list_continues_from_both_cursors() {
    let app = TestApp::with_limits(&["page-items=2"]).await;
    app.call_ok(TOP, top("user0", 1, peers(0, 3))).await;
    app.mark("user0", (3..6).map(|nr| set(&format!("peer{nr}"), 0))).await.assert_ok();
    app.reset_times("user0").await;
    let mut body = json!({ "From_Account": "user0" });
    let mut pages = Vec::new();
    for _ in 0..3 {
        let page = app.call_ok(GET_LIST, body.clone()).await;
        for cursor in ["TimeStamp", "StartIndex", "TopTimeStamp", "TopStartIndex"] {
            body[cursor] = page[cursor].clone();
        }
        let cursors = [&page["TopStartIndex"], &page["TimeStamp"], &page["StartIndex"]]
            .map(|cursor| cursor.as_u64().unwrap() != 0);
        pages.push((shown(page["SessionItem"].as_array().unwrap()).join(" "), cursors));
    }
    let expected = [
        ("*peer2 *peer1", [true, false, false]),
        ("*peer0 peer5", [true, true, true]),
        ("peer4 peer3", [false, false, false]),
    ];
    assert_eq!(pages, expected.map(|(names, cursors)| (names.to_owned(), cursors)));
}
