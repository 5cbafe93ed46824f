//! Every limit of marks, accounts and bodies: just below, just at, just above. With values of an operator, and with
//! defaults.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::*;

const NO_RATE: &str = "calls-per-second=0";

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// Items that mark the conversations with `peer0` and up.
fn marks(from: usize, to: usize) -> Vec<Value> {
    (from..to).map(|nr| set(&format!("peer{nr}"), 0)).collect()
}

#[actix_web::test]
async fn no_more_conversations_are_marked_than_the_limit_allows() {
    let app = TestApp::with_limits(&["marked=3"]).await;
    for (nr, code) in [Ok, Ok, Ok, ConversationsFull, ConversationsFull].into_iter().enumerate() {
        app.mark("user0", marks(nr, nr + 1)).await.assert_items([code]);
    }
    let answer = app.mark("user0", marks(3, 4)).await;
    let info = "ContactItem: at most 3 conversations can be marked";
    assert_eq!(answer["ResultItem"][0]["ResultInfo"], info);
    assert_eq!(app.marked_count("user0").await, 3, "the service does not evict marks");
    // Other users have places of their own.
    app.mark("user1", marks(3, 4)).await.assert_ok();
}

#[actix_web::test]
async fn within_one_request_places_are_taken_and_freed_in_order() {
    let app = TestApp::with_limits(&["marked=2"]).await;
    let (items, codes): (Vec<_>, Vec<_>) = [
        (set("a", 0), Ok),
        (set("b", 0), Ok),
        (set("c", 0), ConversationsFull),
        (set("a", 1), Ok),
        (clear("b", 0), Ok),
        (custom("c", "x"), Ok),
        (set("b", 0), ConversationsFull),
        (custom("a", "x"), Ok),
    ]
    .into_iter()
    .unzip();
    app.mark("user0", items).await.assert_items(codes);
    assert_eq!(app.marks("user0").await, [marked("a", 0b11, "x"), marked("c", 0, "x")]);
}

#[actix_web::test]
async fn standard_and_custom_marks_share_the_places() {
    let app = TestApp::with_limits(&["marked=1"]).await;
    let (items, codes): (Vec<_>, Vec<_>) = [
        (set("a", 0), Ok),
        (custom("a", "x"), Ok),
        (custom("b", "x"), ConversationsFull),
        (clear("a", 0), Ok),
        (custom("b", "x"), ConversationsFull),
        (custom("a", ""), Ok),
        (custom("b", "x"), Ok),
    ]
    .into_iter()
    .unzip();
    app.mark("user0", items).await.assert_items(codes);
}

#[actix_web::test]
async fn deleted_accounts_and_destroyed_chat_groups_take_no_place() {
    let app = TestApp::with_limits(&["marked=3"]).await;
    app.import("deleted").await;
    app.create_chat_group("destroyed").await;
    let items =
        [set("deleted", 0), change_bits(&chat_group("destroyed"), &[0], &[]), set("stays", 0)];
    app.mark("user0", items).await.assert_ok();
    app.mark("user0", marks(0, 1)).await.assert_items([ConversationsFull]);
    app.delete_account("deleted").await;
    app.destroy_chat_group("destroyed").await;
    let mut items = vec![set("stays", 1)];
    items.extend(marks(0, 3));
    app.mark("user0", items).await.assert_items([Ok, Ok, Ok, ConversationsFull]);
    assert_eq!(app.marked_count("user0").await, 5, "three that take places, and two that do not");
}

/// The service looks up the chat group before another caller destroys it, and counts places afterwards. The removal
/// from the contact group frees one place; the destruction must not free a second one.
#[actix_web::test]
async fn a_chat_group_that_is_destroyed_between_lookup_and_count_frees_no_place() {
    let app = TestApp::with_limits(&["grouped=1"]).await;
    app.create_chat_group("c").await;
    app.call_ok(CREATE, create("user0", "g", [chat_group("c")])).await;
    app.destroy_chat_group("c").await;
    app.call_ok(UPDATE, update("user0", "g", [add(&user("peer"))])).await;
    app.create_chat_group("c").await;

    let mut lock = app.db.begin().await.unwrap();
    let unreadable = "LOCK TABLE contact_groups IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(unreadable).execute(&mut *lock).await.unwrap();
    let items = [remove(&chat_group("c")), add(&chat_group("c"))];
    let request = app.call(UPDATE, update("user0", "g", items));
    let meanwhile = async {
        app.wait_for_blocked(1).await;
        app.destroy_chat_group("c").await;
        lock.rollback().await.unwrap();
    };
    let (answer, ()) = futures_util::future::join(request, meanwhile).await;
    // If the wait was too long, the service looks up again and does not find the chat group.
    let expected = [[Ok, ConversationsFull], [ChatGroupGone, ChatGroupGone]];
    assert!(expected.iter().any(|codes| answer.item_codes() == codes), "{answer}");
}

#[actix_web::test]
async fn a_lowered_limit_removes_no_marks() {
    let mut app = TestApp::with_limits(&["marked=4"]).await;
    app.mark("user0", marks(0, 4)).await.assert_ok();
    app.change(set_limits(&["marked=2"])).await;
    // A second process has no cached app, so it uses the new limit.
    let other = app.start_another().await;
    for (items, codes) in [
        ([set("peer4", 0), set("peer3", 1)], [ConversationsFull, Ok]),
        ([clear("peer0", 0), set("peer4", 0)], [Ok, ConversationsFull]),
        ([clear("peer1", 0), set("peer4", 0)], [Ok, ConversationsFull]),
        ([clear("peer2", 0), set("peer4", 0)], [Ok, Ok]),
    ] {
        app.mark_at(other, "user0", items).await.assert_items(codes);
    }
    assert_eq!(app.marked_count("user0").await, 2);
}

#[actix_web::test]
async fn up_to_1000_conversations_can_be_marked() {
    let app = TestApp::start().await;
    for nr in 0..9 {
        app.mark("user0", marks(100 * nr, 100 * nr + 100)).await.assert_ok();
    }
    app.mark("user0", marks(900, 999)).await.assert_ok();
    app.mark("user0", marks(999, 1001)).await.assert_items([Ok, ConversationsFull]);
    assert_eq!(app.marked_count("user0").await, 1000);
    app.mark("user0", [clear("peer500", 0)]).await.assert_ok();
    app.mark("user0", marks(1000, 1002)).await.assert_items([Ok, ConversationsFull]);
}

#[track_caller]
fn assert_count(answer: &Answer, max: usize, count: usize) {
    if (1..=max).contains(&count) {
        answer.assert_items(vec![Ok; count]);
    } else {
        let info = format!("MarkItem: must hold 1 to {max} items, got {count}");
        answer.assert_refused(ItemCount, &info);
    }
}

#[actix_web::test]
async fn one_call_marks_1_to_100_conversations_or_as_many_as_the_app_allows() {
    for (limits, max) in [(&[][..], 100), (&["mark-items=3"], 3)] {
        let app = TestApp::with_limits(limits).await;
        for count in [0, 1, 2, max - 1, max, max + 1, 10 * max] {
            let answer = app.mark("user0", marks(0, count)).await;
            assert_count(&answer, max, count);
        }
        assert_eq!(app.marked_count("user0").await, max);
    }
}

#[actix_web::test]
async fn a_custom_mark_has_up_to_256_bytes_of_utf8_or_as_many_as_the_app_allows() {
    for (limits, max) in [(&[][..], 256), (&["custom-mark-bytes=8"], 8)] {
        let app = TestApp::with_limits(limits).await;
        let fill = |character: &str| character.repeat(max / character.len());
        for good in [text(0), text(1), text(max - 1), text(max), fill("🙂"), fill("é")] {
            app.mark("user0", [custom("user1", &good)]).await.assert_ok();
        }
        assert_eq!(app.marks("user0").await, [marked("user1", 0, &fill("é"))]);
        for bad in [text(max + 1), fill("🙂") + "x", fill("é") + "x"] {
            let answer = app.mark("user0", [custom("user1", &bad)]).await;
            let info = format!(
                "MarkItem[0].CustomMark: must be 0 to {max} bytes of UTF-8, got {}",
                max + 1
            );
            answer.assert_refused(BadParameter, &info);
        }
    }
}

#[actix_web::test]
async fn a_user_id_has_1_to_32_bytes_or_as_many_as_the_app_allows() {
    for (limits, max) in [(&[][..], 32), (&["user-id-bytes=4"], 4)] {
        let app = TestApp::with_limits(limits).await;
        let multibyte = "中".repeat(max / 3) + &text(max % 3);
        for good in [text(1), text(max - 1), text(max), multibyte.clone()] {
            app.mark(&good, [set(&good, 0)]).await.assert_ok();
            app.import(&good).await;
        }
        for bad in [text(0), text(max + 1), multibyte + "x"] {
            let info =
                |path| format!("{path}: must be 1 to {max} bytes of UTF-8, got {}", bad.len());
            let answer = app.mark(&bad, marks(0, 1)).await;
            answer.assert_refused(BadParameter, &info("From_Account"));
            let answer = app.mark("u", [set(&bad, 0)]).await;
            answer.assert_refused(BadParameter, &info("MarkItem[0].ContactItem.To_Account"));
            let answer = app.call(ACCOUNT_IMPORT, json!({ "UserID": bad })).await;
            answer.assert_refused(BadAccountParameter, &info("UserID"));
        }
    }
}

#[actix_web::test]
async fn a_chat_group_id_has_1_to_48_bytes_or_as_many_as_the_app_allows() {
    for (limits, max) in [(&[][..], 48), (&["chat-group-id-bytes=4"], 4)] {
        let app = TestApp::with_limits(limits).await;
        for good in [1, max - 1, max] {
            let item = change_bits(&chat_group(&text(good)), &[0], &[]);
            app.mark("user0", [item]).await.assert_ok();
        }
        for bad in [0, max + 1] {
            let item = change_bits(&chat_group(&text(bad)), &[0], &[]);
            let answer = app.mark("user0", [item]).await;
            let info = format!(
                "MarkItem[0].ContactItem.ToGroupId: must be 1 to {max} bytes of UTF-8, got {bad}"
            );
            answer.assert_refused(BadParameter, &info);
        }
    }
}

#[actix_web::test]
async fn a_nick_and_a_face_url_have_up_to_500_bytes_of_utf8() {
    let app = TestApp::start().await;
    for field in ["Nick", "FaceUrl"] {
        for good in [text(499), text(500), "é".repeat(250)] {
            let answer = app.call(ACCOUNT_IMPORT, json!({ "UserID": "user0", field: good })).await;
            answer.assert_ok();
        }
        for bad in [text(501), "é".repeat(250) + "x"] {
            let answer = app.call(ACCOUNT_IMPORT, json!({ "UserID": "user0", field: bad })).await;
            let info = format!("{field}: must be at most 500 bytes of UTF-8, got 501");
            answer.assert_refused(BadAccountParameter, &info);
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
            app.call(MARK_CONTACT, body(json!([good]))).await.assert_items([Ok]);
        }
        for bad in [json!(-1), json!(64), json!(255), json!(256), json!(i64::MIN), json!(u64::MAX)]
        {
            let answer = app.call(MARK_CONTACT, body(json!([7, bad]))).await;
            let info = format!("MarkItem[0].{list}[1]: {bad} is not a bit (0..63)");
            answer.assert_refused(BadParameter, &info);
        }
    }
}

#[actix_web::test]
async fn a_body_has_up_to_one_mebibyte() {
    let app = TestApp::start().await;
    let max = 1024 * 1024;
    let good = mark_contact("user0", marks(0, 1)).to_string();
    let padded = |size| good.clone() + &" ".repeat(size - good.len());
    for size in [max - 1, max] {
        app.call(MARK_CONTACT, padded(size)).await.assert_ok();
    }
    for size in [max + 1, 2 * max] {
        let info = "the body must be at most 1048576 bytes";
        app.call(MARK_CONTACT, padded(size)).await.assert_refused(BadRequest, info);
    }
}

/// Calls until the rate limit refuses a call, and returns the number of calls before. While the test calls, the limit
/// allows further calls: the function checks that there were no more of them than the elapsed time allows.
async fn calls_until_refused(app: &TestApp, per_second: u32) -> u32 {
    let start = Instant::now();
    let mut passed = 0;
    let refused = loop {
        let answer = app.call(MARK_CONTACT, "{").await;
        if answer.code() != BodyNotJson || passed == 10_000 {
            break answer;
        }
        passed += 1;
    };
    let info = format!("rate: more than {per_second} calls per second of this command");
    refused.assert_refused(TooManyCalls, &info);
    let refilled = start.elapsed().as_secs_f64() * f64::from(per_second);
    assert!(f64::from(passed) <= f64::from(per_second) + refilled + 1.0, "{passed} passed");
    passed
}

#[actix_web::test]
async fn as_many_calls_as_the_limit_allows_may_come_at_once() {
    for max in [1, 5] {
        let app = TestApp::with_limits(&[&format!("calls-per-second={max}")]).await;
        assert!(calls_until_refused(&app, max).await >= max);
    }
}

#[actix_web::test]
async fn two_hundred_calls_per_second_are_allowed_by_default() {
    let app = TestApp::start().await;
    for _ in 0..200 {
        app.call(MARK_CONTACT, "{").await.assert_code(BodyNotJson);
    }
    let app = TestApp::with_limits(&[NO_RATE]).await;
    // The value 0 means that there is no limit.
    for _ in 0..500 {
        app.call(MARK_CONTACT, "{").await.assert_code(BodyNotJson);
    }
}

#[actix_web::test]
async fn a_call_with_many_items_counts_as_several_calls() {
    // given
    let app = TestApp::with_limits(&["calls-per-second=8"]).await;
    let begun = Instant::now();
    let mut passed = 0;
    // when
    while passed < 1000 && app.mark("user0", marks(0, 100)).await.code() == Ok {
        passed += 1;
    }
    // then
    let most = 2.0 + begun.elapsed().as_secs_f64() * 2.0;
    assert!(
        (2.0..=most).contains(&f64::from(passed)),
        "{passed} calls of 100 items, at most {most}"
    );
}

#[actix_web::test]
async fn a_call_that_is_refused_for_its_items_uses_up_none_of_the_rate() {
    // given
    let app = TestApp::with_limits(&["calls-per-second=3"]).await;
    for _ in 0..2 {
        app.mark("user0", marks(0, 1)).await.assert_ok();
    }
    // when
    app.mark("user0", marks(0, 100)).await.assert_code(TooManyCalls);
    // then
    app.mark("user0", marks(0, 1)).await.assert_ok();
}
