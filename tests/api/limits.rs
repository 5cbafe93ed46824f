//! Every limit: just below, just at, just above. Small ones as an operator sets them, and each default once.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::*;

const NO_RATE: &str = "calls-per-second=0";

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// Items that mark the conversations with `peer0` and up.
fn peers(from: usize, to: usize) -> Vec<Value> {
    (from..to).map(|nr| set(&format!("peer{nr}"), 0)).collect()
}

#[actix_web::test]
async fn there_is_no_place_after_the_last() {
    let app = TestApp::with_limits(&["marked=3"]).await;
    for (nr, code) in [0, 0, 0, 51008, 51008].into_iter().enumerate() {
        assert_eq!(app.mark("user0", peers(nr, nr + 1)).await, (0, vec![code]), "number {nr}");
    }
    let answer = app.call(MARK_CONTACT, mark_contact("user0", peers(3, 4))).await;
    assert_eq!(
        answer["ResultItem"][0]["ResultInfo"],
        "ContactItem: at most 3 conversations can be marked"
    );
    assert_eq!(app.marked("user0").await, 3, "and nothing was evicted");
    assert_eq!(
        app.mark("user1", peers(3, 4)).await,
        (0, vec![0]),
        "others have places of their own"
    );
}

#[actix_web::test]
async fn within_one_request_places_are_taken_and_freed_in_order() {
    let app = TestApp::with_limits(&["marked=2"]).await;
    let items = vec![
        set("a", 0),
        set("b", 0),
        set("c", 0),
        set("a", 1),
        clear("b", 0),
        custom("c", "x"),
        set("b", 0),
        custom("a", "x"),
    ];
    assert_eq!(app.mark("user0", items).await, (0, vec![0, 0, 51008, 0, 0, 0, 51008, 0]));
    assert_eq!(app.marks("user0").await, [marked("a", 0b11, "x"), marked("c", 0, "x")]);
}

#[actix_web::test]
async fn standard_and_custom_marks_share_the_places() {
    let app = TestApp::with_limits(&["marked=1"]).await;
    let items = vec![
        set("a", 0),
        custom("a", "x"),
        custom("b", "x"),
        clear("a", 0),
        custom("b", "x"),
        custom("a", ""),
        custom("b", "x"),
    ];
    assert_eq!(app.mark("user0", items).await, (0, vec![0, 0, 51008, 0, 51008, 0, 0]));
}

#[actix_web::test]
async fn what_is_dead_does_not_eat_a_place() {
    let app = TestApp::with_limits(&["marked=3"]).await;
    app.import("gone").await;
    app.put_chat_group("destroyed", false).await;
    let items = vec![set("gone", 0), change(&group("destroyed"), &[0], &[]), set("alive", 0)];
    assert_eq!(app.mark("user0", items).await, (0, vec![0; 3]));
    assert_eq!(app.mark("user0", peers(0, 1)).await, (0, vec![51008]));
    app.delete_account("gone").await;
    app.put_chat_group("destroyed", true).await;
    let mut items = vec![set("alive", 1)];
    items.extend(peers(0, 3));
    assert_eq!(app.mark("user0", items).await, (0, vec![0, 0, 0, 51008]));
    assert_eq!(app.marked("user0").await, 5, "three that live, two that are kept but do not count");
}

/// The chat group is there when the other ends are looked up, and destroyed when the places of the others are counted. To
/// leave the conversation group makes a place free; to be destroyed makes no second one.
#[actix_web::test]
async fn whoever_dies_between_look_up_and_count_makes_no_place_free() {
    let app = TestApp::with_limits(&["grouped=1"]).await;
    app.put_chat_group("mortal", false).await;
    app.must(CREATE, create("user0", "group", [group("mortal")])).await;
    app.put_chat_group("mortal", true).await;
    app.must(UPDATE, update("user0", "group", [add(&user("alive"))])).await;
    app.put_chat_group("mortal", false).await;

    let mut turn = app.db.begin().await.unwrap();
    let unreadable = "LOCK TABLE contact_groups IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(unreadable).execute(&mut *turn).await.unwrap();
    let items = vec![remove(&group("mortal")), add(&group("mortal"))];
    let request = app.call(UPDATE, update("user0", "group", items));
    let meanwhile = async {
        app.wait_for_waiting(1).await;
        app.put_chat_group("mortal", true).await;
        turn.rollback().await.unwrap();
    };
    let (answer, ()) = futures_util::future::join(request, meanwhile).await;
    // Whoever has waited for the table for too long looks up again, and finds nobody.
    let item = |nr: usize| &answer["UpdateGroupResult"]["ContactResultItem"][nr]["ResultCode"];
    let items = json!([item(0), item(1)]);
    assert!([json!([0, 51008]), json!([51007, 51007])].contains(&items), "{answer}");
}

#[actix_web::test]
async fn a_limit_that_is_lowered_takes_nothing_away() {
    let mut app = TestApp::with_limits(&["marked=4"]).await;
    assert_eq!(app.mark("user0", peers(0, 4)).await, (0, vec![0; 4]));
    app.change(set_limits(&["marked=2"])).await;
    // Another process sees the change at once, having no older app in mind.
    let other = app.start_another().await;
    let mark = async |items: Vec<Value>| {
        codes(&app.call_at(other, MARK_CONTACT, mark_contact("user0", items)).await)
    };
    assert_eq!(mark(vec![set("peer4", 0), set("peer3", 1)]).await, (0, vec![51008, 0]));
    assert_eq!(mark(vec![clear("peer0", 0), set("peer4", 0)]).await, (0, vec![0, 51008]));
    assert_eq!(mark(vec![clear("peer1", 0), set("peer4", 0)]).await, (0, vec![0, 51008]));
    assert_eq!(mark(vec![clear("peer2", 0), set("peer4", 0)]).await, (0, vec![0, 0]));
    assert_eq!(app.marked("user0").await, 2);
}

#[actix_web::test]
async fn a_thousand_conversations_can_be_marked() {
    let app = TestApp::start().await;
    for nr in 0..9 {
        assert_eq!(app.mark("user0", peers(100 * nr, 100 * nr + 100)).await, (0, vec![0; 100]));
    }
    assert_eq!(app.mark("user0", peers(900, 999)).await, (0, vec![0; 99]));
    assert_eq!(app.mark("user0", peers(999, 1001)).await, (0, vec![0, 51008]));
    assert_eq!(app.marked("user0").await, 1000);
    assert_eq!(app.mark("user0", vec![clear("peer500", 0)]).await, (0, vec![0]));
    assert_eq!(app.mark("user0", peers(1000, 1002)).await, (0, vec![0, 51008]));
}

#[track_caller]
fn assert_count(answer: &Value, max: usize, count: usize) {
    if (1..=max).contains(&count) {
        assert_eq!(codes(answer), (0, vec![0; count]));
    } else {
        assert_fails(answer, 51006, &format!("MarkItem: must hold 1 to {max} items, got {count}"));
    }
}

#[actix_web::test]
async fn one_call_marks_1_to_100_conversations_or_as_many_as_the_app_allows() {
    for (limits, max) in [(&[][..], 100), (&["mark-items=3"], 3)] {
        let app = TestApp::with_limits(limits).await;
        for count in [0, 1, 2, max - 1, max, max + 1, 10 * max] {
            let answer = app.call(MARK_CONTACT, mark_contact("user0", peers(0, count))).await;
            assert_count(&answer, max, count);
        }
        assert_eq!(app.marked("user0").await, max);
    }
}

#[actix_web::test]
async fn a_custom_mark_has_256_bytes_of_utf8_or_as_many_as_the_app_allows() {
    for (limits, max) in [(&[][..], 256), (&["custom-mark-bytes=8"], 8)] {
        let app = TestApp::with_limits(limits).await;
        let fill = |character: &str| character.repeat(max / character.len());
        for good in [text(0), text(1), text(max - 1), text(max), fill("🙂"), fill("é")] {
            assert_eq!(app.mark("user0", vec![custom("user1", &good)]).await, (0, vec![0]));
        }
        assert_eq!(app.marks("user0").await, [marked("user1", 0, &fill("é"))]);
        for bad in [text(max + 1), fill("🙂") + "x", fill("é") + "x"] {
            let answer =
                app.call(MARK_CONTACT, mark_contact("user0", [custom("user1", &bad)])).await;
            let info = format!(
                "MarkItem[0].CustomMark: must be 0 to {max} bytes of UTF-8, got {}",
                max + 1
            );
            assert_fails(&answer, 50002, &info);
        }
    }
}

#[actix_web::test]
async fn a_user_id_has_1_to_32_bytes_or_as_many_as_the_app_allows() {
    for (limits, max) in [(&[][..], 32), (&["user-id-bytes=4"], 4)] {
        let app = TestApp::with_limits(limits).await;
        let multibyte = "中".repeat(max / 3) + &text(max % 3);
        for good in [text(1), text(max - 1), text(max), multibyte.clone()] {
            assert_eq!(app.mark(&good, vec![set(&good, 0)]).await, (0, vec![0]), "{good}");
            app.import(&good).await;
        }
        for bad in [text(0), text(max + 1), multibyte + "x"] {
            let info =
                |path| format!("{path}: must be 1 to {max} bytes of UTF-8, got {}", bad.len());
            let answer = app.call(MARK_CONTACT, mark_contact(&bad, peers(0, 1))).await;
            assert_fails(&answer, 50002, &info("From_Account"));
            let answer = app.call(MARK_CONTACT, mark_contact("u", [set(&bad, 0)])).await;
            assert_fails(&answer, 50002, &info("MarkItem[0].ContactItem.To_Account"));
            let answer = app.call(ACCOUNT_IMPORT, json!({ "UserID": bad })).await;
            assert_fails(&answer, 70402, &info("UserID"));
        }
    }
}

#[actix_web::test]
async fn a_chat_group_id_has_1_to_48_bytes_or_as_many_as_the_app_allows() {
    for (limits, max) in [(&[][..], 48), (&["chat-group-id-bytes=4"], 4)] {
        let app = TestApp::with_limits(limits).await;
        for good in [1, max - 1, max] {
            let item = change(&group(&text(good)), &[0], &[]);
            assert_eq!(app.mark("user0", vec![item]).await, (0, vec![0]));
        }
        for bad in [0, max + 1] {
            let item = change(&group(&text(bad)), &[0], &[]);
            let answer = app.call(MARK_CONTACT, mark_contact("user0", [item])).await;
            let info = format!(
                "MarkItem[0].ContactItem.ToGroupId: must be 1 to {max} bytes of UTF-8, got {bad}"
            );
            assert_fails(&answer, 50002, &info);
        }
    }
}

#[actix_web::test]
async fn a_nick_and_a_face_url_have_500_bytes_of_utf8() {
    let app = TestApp::start().await;
    for field in ["Nick", "FaceUrl"] {
        for good in [text(499), text(500), "é".repeat(250)] {
            let answer = app.call(ACCOUNT_IMPORT, json!({ "UserID": "user0", field: good })).await;
            assert_eq!(answer["ErrorCode"], 0);
        }
        for bad in [text(501), "é".repeat(250) + "x"] {
            let answer = app.call(ACCOUNT_IMPORT, json!({ "UserID": "user0", field: bad })).await;
            assert_fails(
                &answer,
                70402,
                &format!("{field}: must be at most 500 bytes of UTF-8, got 501"),
            );
        }
    }
}

#[actix_web::test]
async fn a_bit_is_0_to_63() {
    let app = TestApp::start().await;
    for list in ["SetMark", "ClearMark"] {
        let body = |bits: Value| {
            mark_contact(
                "user0",
                [json!({ "OptType": 1, "ContactItem": user("user1"), list: bits })],
            )
        };
        for good in [0, 1, 3, 4, 31, 32, 62, 63] {
            assert_eq!(codes(&app.call(MARK_CONTACT, body(json!([good]))).await), (0, vec![0]));
        }
        for bad in [json!(-1), json!(64), json!(255), json!(256), json!(i64::MIN), json!(u64::MAX)]
        {
            let answer = app.call(MARK_CONTACT, body(json!([7, bad]))).await;
            let info = format!("MarkItem[0].{list}[1]: {bad} is not a bit (0..63)");
            assert_fails(&answer, 50002, &info);
        }
    }
}

#[actix_web::test]
async fn a_body_has_one_mebibyte() {
    let app = TestApp::start().await;
    let max = 1024 * 1024;
    let good = mark_contact("user0", peers(0, 1)).to_string();
    let padded = |size| good.clone() + &" ".repeat(size - good.len());
    for size in [max - 1, max] {
        assert_eq!(app.call(MARK_CONTACT, padded(size)).await["ErrorCode"], 0, "{size}");
    }
    for size in [max + 1, 2 * max] {
        let info = "the body must be at most 1048576 bytes";
        assert_fails(&app.call(MARK_CONTACT, padded(size)).await, 60002, info);
    }
}

/// Calls until it is refused, and says how often it was not. How many more than the limit may pass by then is a matter
/// of how long it took, and how long it took is checked.
async fn calls_until_refused(app: &TestApp, per_second: u32) -> u32 {
    let start = Instant::now();
    let mut passed = 0;
    let refused = loop {
        let answer = app.call(MARK_CONTACT, "{").await;
        if answer["ErrorCode"] != 60003 || passed == 10_000 {
            break answer;
        }
        passed += 1;
    };
    let info = format!("more than {per_second} calls per second of this command");
    assert_fails(&refused, 60007, &info);
    let refilled = start.elapsed().as_secs_f64() * f64::from(per_second);
    assert!(f64::from(passed) <= f64::from(per_second) + refilled + 1.0, "{passed} passed");
    passed
}

#[actix_web::test]
async fn as_many_calls_as_allowed_pass_at_once() {
    for max in [1, 5] {
        let app = TestApp::with_limits(&[&format!("calls-per-second={max}")]).await;
        assert!(calls_until_refused(&app, max).await >= max);
    }
}

#[actix_web::test]
async fn two_hundred_calls_pass_unless_the_app_says_otherwise() {
    let app = TestApp::start().await;
    for _ in 0..200 {
        assert_eq!(app.call(MARK_CONTACT, "{").await["ErrorCode"], 60003);
    }
    let app = TestApp::with_limits(&[NO_RATE]).await;
    for _ in 0..500 {
        assert_eq!(app.call(MARK_CONTACT, "{").await["ErrorCode"], 60003, "0 is no limit");
    }
}
