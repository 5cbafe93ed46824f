//! Calls that read: single conversations, and all conversations page by page.

use actix_web::http::Method;
use earmark::deadline::Deadline;
use earmark::domain::{SdkAppId, UserId, UserKey};
use earmark::error::Error;
use earmark::store::{Database, Store, reading};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::*;

/// A body for one page.
fn page(start: impl Into<Value>) -> Value {
    json!({ "From_Account": "user0", "StartIndex": start.into() })
}

/// The bytes of the answer to a body. All times are reset to the second 1 before, because no test can predict them.
async fn text(app: &TestApp, command: &str, body: &str) -> String {
    app.reset_times("user0").await;
    let url = format!("http://{}/v4/{command}?{}", app.addresses.api, query());
    app.send(Method::POST, &url, body.as_bytes().to_vec()).await.text
}

#[actix_web::test]
async fn a_search_is_answered_in_the_documented_shape() {
    let app = TestApp::start().await;
    app.call_ok(CREATE, create("user0", "test1x", [user("xixi"), chat_group("@TGS#1B2AUI7RZ")]))
        .await;
    app.call_ok(CREATE, create("user0", "test10", [user("xixi")])).await;
    app.call_ok(CREATE, create("user0", "unseen", [user("other")])).await;
    let bits = change_bits(&user("xixi"), &[1, 2, 3, 4, 5, 6, 7], &[]);
    app.mark("user0", [bits, custom("xixi", "xxyyyzzz")]).await.assert_ok();
    let body = r#"{"From_Account":"user0","ContactItem":[{"Type":1,"To_Account":"xixi"},{"Type":2,"ToGroupId":"@TGS#1B2AUI7RZ"},{"Type":1,"To_Account":"stranger"}]}"#;
    assert_eq!(
        text(&app, SEARCH, body).await,
        r#"{"ContactResultItem":[{"Type":1,"To_Account":"xixi","StandardMark":"11111110","CustomMark":"xxyyyzzz","ContactGroupId":[1,2],"Timestamp":1},{"Type":2,"ToGroupId":"@TGS#1B2AUI7RZ","StandardMark":"","ContactGroupId":[1],"Timestamp":1},{"Type":1,"To_Account":"stranger","StandardMark":"","Timestamp":0}],"GroupItem":[{"GroupName":"test1x","GroupId":1},{"GroupName":"test10","GroupId":2}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#
    );
}

#[actix_web::test]
async fn a_page_is_answered_in_the_documented_shape() {
    let app = TestApp::start().await;
    assert_eq!(
        text(&app, GET, r#"{"From_Account":"user0","StartIndex":0}"#).await,
        r#"{"ContactItem":[],"GroupItem":[],"CompleteFlag":1,"NextStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#
    );
    app.call_ok(CREATE, create("user0", "a", [user("teacher4")])).await;
    app.call_ok(CREATE, create("user0", "b", [user("teacher4")])).await;
    let both = json!({
        "OptType": 3, "ContactItem": chat_group("@TGS#1N3RSUYG2"), "SetMark": [0, 3, 4, 5], "CustomMark": "abcd",
    });
    let items = vec![change_bits(&user("teacher4"), &[5, 0, 4, 3], &[]), both];
    app.mark("user0", items).await.assert_ok();
    assert_eq!(
        text(&app, GET, r#"{"From_Account":"user0","StartIndex":0}"#).await,
        r#"{"ContactItem":[{"Type":1,"To_Account":"teacher4","StandardMark":"111001","ContactGroupId":[1,2],"Timestamp":1},{"Type":2,"ToGroupId":"@TGS#1N3RSUYG2","StandardMark":"111001","CustomMark":"abcd","Timestamp":1}],"GroupItem":[{"GroupName":"a","GroupId":1},{"GroupName":"b","GroupId":2}],"CompleteFlag":1,"NextStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#
    );
}

#[actix_web::test]
async fn a_search_answers_every_requested_conversation_in_order() {
    let app = TestApp::start().await;
    app.call_ok(CREATE, create("user0", "a", [user("x")])).await;
    app.mark("user0", [set("y", 0), custom("z", "z")]).await.assert_ok();
    let wanted = ["z", "stranger", "y", "z", "z", "y", "stranger"];
    let answer = app.call_ok(SEARCH, search("user0", wanted.map(user).to_vec())).await;
    let shown = answer["ContactResultItem"].as_array().unwrap();
    assert_eq!(shown.iter().map(peer_of).collect::<Vec<_>>(), wanted);
    for item in shown {
        let is_z = item["To_Account"] == "z";
        assert_eq!(item.get("CustomMark").is_some(), is_z, "{item}");
        assert_eq!(item["StandardMark"] == "1", item["To_Account"] == "y", "{item}");
    }
    assert_eq!(
        answer["GroupItem"],
        json!([]),
        "no conversation in the answer is in a contact group"
    );
    let answer = app.call_ok(SEARCH, search("user0", [chat_group("x"), user("x")])).await;
    assert_eq!(
        answer["ContactResultItem"][0]["Timestamp"], 0,
        "the chat group is not the user of the same name"
    );
    assert_eq!(answer["GroupItem"], json!([{ "GroupName": "a", "GroupId": 1 }]));
}

#[actix_web::test]
async fn one_search_has_1_to_300_conversations() {
    let app = TestApp::start().await;
    app.mark("user0", [set("peer299", 0)]).await.assert_ok();
    for count in [1, 299, 300] {
        let answer = app.call_ok(SEARCH, search("user0", peers(0, count))).await;
        assert_eq!(answer["ContactResultItem"].as_array().unwrap().len(), count);
        assert_eq!(answer["ContactResultItem"][299]["StandardMark"] == "1", count == 300);
    }
    for count in [0, 301] {
        let answer = app.call(SEARCH, search("user0", peers(0, count))).await;
        let info = format!("ContactItem: must hold 1 to 300 items, got {count}");
        answer.assert_refused(BadParameter, &info);
    }
}

#[actix_web::test]
async fn a_standard_mark_is_written_in_binary_from_its_highest_bit() {
    let app = TestApp::start().await;
    for (nr, (bits, expected)) in [
        (vec![0], "1".to_owned()),
        (vec![1, 2, 3], "1110".to_owned()),
        (vec![31], format!("1{}", "0".repeat(31))),
        (vec![62], format!("1{}", "0".repeat(62))),
        (vec![63], format!("1{}", "0".repeat(63))),
        (vec![63, 0], format!("1{}1", "0".repeat(62))),
        ((0..64).collect(), "1".repeat(64)),
    ]
    .into_iter()
    .enumerate()
    {
        let peer = user(&format!("peer{nr}"));
        app.mark("user0", [change_bits(&peer, &bits, &[])]).await.assert_ok();
        assert_eq!(app.search_one("user0", &peer).await["StandardMark"], expected);
        assert_eq!(app.all_pages("user0").await[nr]["StandardMark"], expected);
        assert_eq!(app.listed("user0").await[0]["StandardMark"], expected);
    }
}

#[actix_web::test]
async fn pages_show_conversations_in_the_order_of_their_first_mark_or_contact_group() {
    let app = TestApp::with_limits(&["page-items=2"]).await;
    app.mark("user0", [set("c", 0), set("a", 0)]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "g", [user("d"), user("b"), user("a")])).await;
    app.call_ok(TOP, top("user0", 1, [user("pinned"), user("d")])).await;
    app.mark("user0", [set("b", 1), custom("c", "x")]).await.assert_ok();
    assert_eq!(app.peers_on_pages("user0").await, ["c", "a", "d", "b"]);
    // A conversation that becomes empty and is marked again keeps its position.
    let items = vec![clear("c", 0), custom("c", ""), set("c", 5), clear("a", 0), set("a", 0)];
    app.mark("user0", items).await.assert_ok();
    assert_eq!(app.peers_on_pages("user0").await, ["c", "a", "d", "b"]);
    app.mark("user0", [clear("c", 5)]).await.assert_ok();
    assert_eq!(app.peers_on_pages("user0").await, ["a", "d", "b"]);
    app.mark("user0", [set("c", 5)]).await.assert_ok();
    assert_eq!(app.peers_on_pages("user0").await, ["c", "a", "d", "b"]);
}

#[actix_web::test]
async fn a_page_has_as_many_conversations_as_the_app_allows() {
    let app = TestApp::with_limits(&["page-items=3"]).await;
    app.call_ok(CREATE, create("user0", "g", EMPTY)).await;
    for (count, sizes) in [
        (0, vec![0]),
        (2, vec![2]),
        (3, vec![3]),
        (4, vec![3, 1]),
        (6, vec![3, 3]),
        (7, vec![3, 3, 1]),
    ] {
        if count > 0 {
            let items = (0..count).map(|nr| set(&format!("peer{nr}"), 0));
            app.mark("user0", items).await.assert_ok();
        }
        let (mut start, mut found) = (0, Vec::new());
        loop {
            let answer = app.call_ok(GET, page(start)).await;
            assert_eq!(answer["GroupItem"], json!([{ "GroupName": "g", "GroupId": 1 }]));
            found.push(answer["ContactItem"].as_array().unwrap().len());
            start = answer["NextStartIndex"].as_u64().unwrap();
            assert_eq!(answer["CompleteFlag"] == 1, start == 0, "{answer}");
            if start == 0 {
                break;
            }
        }
        assert_eq!(found, sizes, "{count}");
    }
}

#[actix_web::test]
async fn a_page_has_100_conversations_by_default() {
    let app = TestApp::start().await;
    for (count, complete) in [(99, 1), (100, 1), (101, 0)] {
        let items = |from: usize, to: usize| (from..to).map(|nr| set(&format!("peer{nr}"), 0));
        app.mark("user0", items(0, count.min(100))).await.assert_ok();
        app.mark("user0", items(count - 2, count)).await.assert_ok();
        let answer = app.call_ok(GET, page(0)).await;
        assert_eq!(answer["ContactItem"].as_array().unwrap().len(), count.min(100));
        assert_eq!(answer["CompleteFlag"], complete);
        assert_eq!(app.peers_on_pages("user0").await.len(), count);
    }
}

#[actix_web::test]
async fn the_start_index_is_an_integer_and_not_negative() {
    let app = TestApp::start().await;
    app.mark("user0", [set("x", 0)]).await.assert_ok();
    for body in [json!({ "From_Account": "user0" }), page(Value::Null), page(0)] {
        assert_eq!(app.call_ok(GET, body).await["ContactItem"].as_array().unwrap().len(), 1);
    }
    for past in ["1", "100", "2147483647", "4294967295", "4294967296", "18446744073709551615"] {
        let answer =
            app.call(GET, format!(r#"{{"From_Account":"user0","StartIndex":{past}}}"#)).await;
        let end = (&answer["ContactItem"], &answer["CompleteFlag"], &answer["NextStartIndex"]);
        assert_eq!(end, (&json!([]), &json!(1), &json!(0)), "{past}");
    }
    for (start, what) in [
        ("-1", "must not be negative"),
        ("\"0\"", "must be an integer, got a string"),
        ("1.5", "must be an integer, got a number that is not an integer"),
        ("true", "must be an integer, got a boolean"),
        ("[]", "must be an integer, got an array"),
    ] {
        let answer =
            app.call(GET, format!(r#"{{"From_Account":"user0","StartIndex":{start}}}"#)).await;
        answer.assert_refused(BadParameter, &format!("StartIndex: {what}"));
    }
}

#[actix_web::test]
async fn only_changes_of_marks_and_contact_groups_set_the_time_of_a_conversation() {
    let app = TestApp::start().await;
    let (x, other) = (user("x"), user("other"));
    let mark = |item: Value| (MARK_CONTACT, mark_contact("user0", [item]));
    app.call_ok(CREATE, create("user0", "g", [other.clone()])).await;
    app.call_ok(CREATE, create("user0", "h", [x.clone()])).await;
    let before = unix_now();
    app.mark("user0", [set("x", 0)]).await.assert_ok();
    let time = app.search_one("user0", &x).await["Timestamp"].as_u64().unwrap();
    assert!((before..=unix_now()).contains(&time), "the time is in seconds");
    for ((command, body), moves) in [
        (mark(set("x", 0)), false),
        (mark(set("x", 1)), true),
        (mark(clear("x", 5)), false),
        (mark(clear("x", 1)), true),
        (mark(custom("x", "a")), true),
        (mark(custom("x", "a")), false),
        (mark(custom("x", "")), true),
        (mark(set("other", 1)), false),
        ((UPDATE, update("user0", "g", [add(&x)])), true),
        ((UPDATE, update("user0", "g", [add(&x)])), false),
        ((UPDATE, rename("user0", "g", "i")), false),
        ((UPDATE, update("user0", "i", [remove(&x)])), true),
        ((UPDATE, update("user0", "i", [remove(&x)])), false),
        ((TOP, top("user0", 1, [x.clone()])), false),
        ((TOP, top("user0", 2, [x.clone()])), false),
        ((DEL, del("user0", "i")), false),
        ((DEL, del("user0", "h")), true),
        ((CREATE, create("user0", "j", [x.clone()])), true),
    ] {
        app.reset_times("user0").await;
        app.call_ok(command, body.clone()).await;
        assert_eq!(app.has_new_time("user0", &x).await, moves, "{command} {body}");
    }
}

/// Readers and writers share few connections. A connection that is kept for the next reader counts as idle, can be used
/// by others, and does not delay the shutdown.
#[actix_web::test]
async fn concurrent_readers_share_a_single_connection() {
    let app = TestApp::start().await;
    app.mark("user0", [set("peer", 0)]).await.assert_ok();
    let database = Database::from_options(app.options()).connections(1);
    let user_id = UserId::parse("user0", 32).unwrap();
    let key = UserKey { sdk_app_id: SdkAppId::new(APP).unwrap(), user_id };
    let (pages, at_rest, too_late) = on_runtime(async move {
        let store = Store::connect(&database).await.unwrap();
        let read = async || {
            let deadline = Deadline::of_a_request();
            store
                .clone()
                .read(deadline, async |reader| reading::read_page(reader, &key, 0, 10).await)
                .await
        };
        let pass = async || drop(store.connection(Deadline::of_a_request()).await.unwrap());
        let pages: Vec<_> =
            join_all((0..20).map(async |_| join(read(), pass()).await.0.unwrap())).await;
        read().await.unwrap();
        let at_rest = store.connections();
        store.close().await;
        (pages, at_rest, read().await.map(drop))
    })
    .await;
    assert!(pages.iter().all(|page| page.conversations.len() == 1), "{pages:?}");
    assert_eq!((at_rest.open, at_rest.in_use), (1, 0));
    assert!(matches!(too_late, Err(Error::Unavailable(_))), "{too_late:?}");
}

#[actix_web::test]
async fn pages_show_a_conversation_exactly_once_during_concurrent_writes() {
    let mut app = TestApp::with_limits(&["calls-per-second=0", "page-items=4"]).await;
    let both = [app.addresses.api, app.start_another().await];
    let stays: Vec<_> = (0..40).map(|nr| format!("stays{nr}")).collect();
    for (nr, name) in stays.iter().enumerate() {
        let items = vec![set(name, 0), set(&format!("goes{nr}"), 0)];
        app.mark("user0", items).await.assert_ok();
    }
    let writes = (0..4).map(async |writer| {
        for round in 0..15 {
            let (at, nr) = (both[writer % 2], writer * 10 + round % 10);
            let goes = format!("goes{nr}");
            let (command, body) = match (writer + round) % 4 {
                0 => (MARK_CONTACT, mark_contact("user0", [clear(&goes, 0)])),
                1 => (MARK_CONTACT, mark_contact("user0", [set(&goes, 0), set(&stays[nr], 9)])),
                2 => (DELETE, json!({ "From_Account": "user0", "Type": 1, "To_Account": goes })),
                _ => (CREATE, create("user0", &format!("{writer}-{round}"), [user(&stays[nr])])),
            };
            app.call_at(at, command, body).await.assert_ok();
        }
    });
    let reads = (0..6).map(async |_| {
        let found = app.peers_on_pages("user0").await;
        let seen: Vec<_> = found.into_iter().filter(|name| name.starts_with("stays")).collect();
        assert_eq!(seen, stays, "each conversation once, in order");
    });
    join(join_all(writes), join_all(reads)).await;
}

#[actix_web::test]
async fn a_malformed_read_is_refused_with_the_path_to_the_mistake() {
    let app = TestApp::start().await;
    let no_type = json!({ "From_Account": "user0", "ContactItem": [{ "To_Account": "user1" }] });
    let one = json!({ "From_Account": "user0", "ContactItem": user("x") });
    for (command, body, info) in [
        (SEARCH, no_type, "ContactItem[0].Type: missing, must be an integer"),
        (SEARCH, one, "ContactItem: must be an array, got an object"),
        (SEARCH, json!({ "From_Account": "user0" }), "ContactItem: missing, must be an array"),
        (
            SEARCH,
            search("user0", [json!({ "Type": 2 })]),
            "ContactItem[0].ToGroupId: missing, must be a string",
        ),
        (
            SEARCH,
            search("user0", [json!({ "Type": 3 })]),
            "ContactItem[0].Type: must be 1 (one-to-one) or 2 (group)",
        ),
        (GET, json!({ "UserId": "user0" }), "From_Account: missing, must be a string"),
        (GET_LIST, json!({}), "From_Account: missing, must be a string"),
        (
            GET_LIST,
            json!({ "From_Account": "user0", "TimeStamp": -1 }),
            "TimeStamp: must not be negative",
        ),
        (
            GET_LIST,
            json!({ "From_Account": "user0", "AssistFlags": "7" }),
            "AssistFlags: must be an integer, got a string",
        ),
    ] {
        app.call(command, body).await.assert_refused(BadParameter, info);
    }
}
