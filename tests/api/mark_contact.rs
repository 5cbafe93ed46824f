//! `recentcontact/mark_contact`: what is set stays, what is cleared goes, one item does not touch another.

use earmark::domain::{Directory, Edition};
use serde_json::{Value, json};

use crate::support::*;

const NOTHING: [Mark; 0] = [];

/// An item with whatever fields.
fn item(opt_type: u8, mut fields: Value) -> Value {
    fields["OptType"] = opt_type.into();
    fields["ContactItem"] = user("user1");
    fields
}

#[actix_web::test]
async fn each_opt_type_changes_what_it_is_for_and_ignores_the_rest() {
    let app = TestApp::start().await;
    let all = json!({ "SetMark": [0], "ClearMark": [1], "CustomMark": "new" });
    for (opt_type, standard, text) in [(1, 0b101, "old"), (2, 0b110, "new"), (3, 0b101, "new")] {
        let owner = format!("owner{opt_type}");
        let before = item(3, json!({ "SetMark": [1, 2], "CustomMark": "old" }));
        assert_eq!(app.mark(&owner, vec![before]).await, (0, vec![0]));
        assert_eq!(app.mark(&owner, vec![item(opt_type, all.clone())]).await, (0, vec![0]));
        assert_eq!(
            app.marks(&owner).await,
            [marked("user1", standard, text)],
            "OptType {opt_type}"
        );
    }
}

#[actix_web::test]
async fn what_is_ignored_may_be_wrong() {
    let app = TestApp::start().await;
    let items = vec![
        item(1, json!({ "SetMark": [0], "CustomMark": "x".repeat(300) })),
        item(2, json!({ "CustomMark": "x", "SetMark": [64], "ClearMark": "y" })),
        json!({ "OptType": 1, "SetMark": [1], "ContactItem": { "Type": 1, "To_Account": "user1", "ToGroupId": 7 } }),
        json!({ "OptType": 1, "SetMark": [1], "ContactItem": { "Type": 2, "ToGroupId": "g", "To_Account": 7 } }),
    ];
    assert_eq!(app.mark("user0", items).await, (0, vec![0; 4]));
}

#[actix_web::test]
async fn what_an_opt_type_needs_must_be_there() {
    let app = TestApp::start().await;
    for (opt_type, fields, problem) in [
        (1, json!({ "CustomMark": "x" }), "must hold SetMark or ClearMark, as OptType is 1"),
        (2, json!({ "SetMark": [1] }), "must hold CustomMark, as OptType is 2"),
        (3, json!({ "Other": 1 }), "must hold SetMark, ClearMark or CustomMark"),
        (
            3,
            json!({ "SetMark": null, "ClearMark": null, "CustomMark": null }),
            "must hold SetMark, ClearMark or CustomMark",
        ),
    ] {
        let body = mark_contact("user0", [set("user2", 0), item(opt_type, fields)]);
        assert_fails(
            &app.call(MARK_CONTACT, body).await,
            50002,
            &format!("MarkItem[1]: {problem}"),
        );
    }
    assert_eq!(app.state_rows().await, 0);
}

#[actix_web::test]
async fn an_empty_list_changes_nothing_and_is_fine() {
    let app = TestApp::start().await;
    let empty = [
        item(1, json!({ "SetMark": [] })),
        item(1, json!({ "ClearMark": [] })),
        item(3, json!({ "SetMark": [], "ClearMark": [] })),
    ];
    assert_eq!(app.mark("user0", empty.to_vec()).await, (0, vec![0; 3]));
    assert_eq!(app.marks("user0").await, NOTHING);
}

#[actix_web::test]
async fn every_bit_can_be_set_and_cleared_by_itself() {
    let app = TestApp::start().await;
    let items = (0..64).map(|bit| set(&format!("peer{bit}"), bit)).collect();
    assert_eq!(app.mark("user0", items).await, (0, vec![0; 64]));
    let expected: Vec<_> = (0..64).map(|bit| marked(&format!("peer{bit}"), 1 << bit, "")).collect();
    assert_eq!(app.marks("user0").await, expected);

    let all: Vec<u8> = (0..64).collect();
    assert_eq!(app.mark("user0", vec![change(&user("full"), &all, &[])]).await, (0, vec![0]));
    assert_eq!(app.standard_mark("user0", "full").await, u64::MAX);
    for bit in 0..64 {
        assert_eq!(app.mark("user0", vec![clear("full", bit)]).await, (0, vec![0]));
        assert_eq!(app.standard_mark("user0", "full").await, u64::MAX << bit << 1);
    }
    assert_eq!(app.marked("user0").await, 64, "the full one is empty now");
}

#[actix_web::test]
async fn bit_63_survives_the_sign_of_a_bigint() {
    let app = TestApp::start().await;
    let stored = async || -> Option<i64> {
        sqlx::query_scalar("SELECT standard_mark FROM conversations")
            .fetch_optional(&app.db)
            .await
            .unwrap()
    };
    for _ in 0..2 {
        assert_eq!(app.mark("user0", vec![set("user1", 63)]).await, (0, vec![0]));
        assert_eq!(stored().await, Some(i64::MIN), "alone, and again");
    }
    assert_eq!(app.mark("user0", vec![set("user1", 0)]).await, (0, vec![0]));
    assert_eq!(stored().await, Some(i64::MIN + 1), "beside another");
    assert_eq!(app.mark("user0", vec![custom("user1", "x")]).await, (0, vec![0]));
    assert_eq!(stored().await, Some(i64::MIN + 1), "while something else changes");
    assert_eq!(app.mark("user0", vec![clear("user1", 0)]).await, (0, vec![0]));
    assert_eq!(stored().await, Some(i64::MIN), "when the other is gone");
    assert_eq!(
        app.mark("user0", vec![clear("user1", 63), custom("user1", "")]).await,
        (0, vec![0, 0])
    );
    assert_eq!(stored().await, Some(0), "and gone itself");
}

#[actix_web::test]
async fn a_bit_that_is_both_set_and_cleared_ends_cleared() {
    let app = TestApp::start().await;
    let items = vec![change(&user("user1"), &[5, 6], &[5])];
    assert_eq!(app.mark("user0", items).await, (0, vec![0]));
    assert_eq!(app.standard_mark("user0", "user1").await, 1 << 6);
    assert_eq!(app.mark("user0", vec![change(&user("user1"), &[6], &[6])]).await, (0, vec![0]));
    assert_eq!(app.marks("user0").await, NOTHING);
}

#[actix_web::test]
async fn repeats_are_fine() {
    let app = TestApp::start().await;
    let items = vec![change(&user("user1"), &[7, 7, 40, 7], &[9, 9])];
    assert_eq!(app.mark("user0", items).await, (0, vec![0]));
    assert_eq!(app.standard_mark("user0", "user1").await, 1 << 7 | 1 << 40);
}

#[actix_web::test]
async fn items_apply_in_order_to_the_same_conversation_too() {
    let app = TestApp::start().await;
    let items = vec![
        set("user1", 1),
        clear("user1", 1),
        set("user1", 2),
        custom("user1", "first"),
        clear("user1", 2),
        set("user1", 2),
        custom("user1", "last"),
        set("user2", 0),
        clear("user2", 0),
    ];
    assert_eq!(app.mark("user0", items).await, (0, vec![0; 9]));
    assert_eq!(app.marks("user0").await, [marked("user1", 1 << 2, "last")]);
    assert_eq!(app.revision_and_count("user0").await, (1, 1), "one request is one change");
}

#[actix_web::test]
async fn what_is_absent_stays_and_what_is_empty_clears() {
    let app = TestApp::start().await;
    let first = item(3, json!({ "SetMark": [1], "CustomMark": "abcd" }));
    assert_eq!(app.mark("user0", vec![first]).await, (0, vec![0]));
    let untouched = item(3, json!({ "SetMark": [2], "CustomMark": null }));
    assert_eq!(app.mark("user0", vec![untouched]).await, (0, vec![0]));
    assert_eq!(app.marks("user0").await, [marked("user1", 0b110, "abcd")]);
    assert_eq!(app.mark("user0", vec![item(3, json!({ "CustomMark": "" }))]).await, (0, vec![0]));
    assert_eq!(app.marks("user0").await, [marked("user1", 0b110, "")]);
}

#[actix_web::test]
async fn a_conversation_without_marks_is_gone_and_comes_back_in_its_place() {
    let app = TestApp::start().await;
    let items = vec![set("first", 0), set("second", 0)];
    assert_eq!(app.mark("user0", items).await, (0, vec![0; 2]));
    assert_eq!(app.mark("user0", vec![clear("first", 0)]).await, (0, vec![0]));
    assert_eq!(app.marks("user0").await, [marked("second", 1, "")]);
    assert_eq!(app.everything("user0").await.len(), 1);
    assert_eq!(app.mark("user0", vec![custom("first", "x")]).await, (0, vec![0]));
    assert_eq!(app.marks("user0").await, [marked("first", 0, "x"), marked("second", 1, "")]);
}

#[actix_web::test]
async fn a_revision_grows_with_what_a_user_has_and_only_then() {
    let app = TestApp::start().await;
    for (item, revision) in [
        (set("user1", 0), 1),
        (set("user1", 0), 1),
        (clear("user1", 5), 1),
        (clear("user2", 5), 1),
        (custom("user2", ""), 1),
        (custom("user1", "x"), 2),
        (clear("user1", 0), 3),
        (set("user2", 0), 4),
        (custom("user1", ""), 5),
        (custom("user1", ""), 5),
    ] {
        assert_eq!(app.mark("user0", vec![item.clone()]).await, (0, vec![0]));
        assert_eq!(app.revision_and_count("user0").await.0, revision, "{item}");
    }
}

#[actix_web::test]
async fn the_second_of_the_last_change_is_kept() {
    let app = TestApp::start().await;
    let old = "UPDATE conversations SET changed_at = 7";
    let changed_at = "SELECT changed_at FROM conversations";
    for (item, changes) in
        [(set("user1", 0), true), (set("user1", 0), false), (custom("user1", "x"), true)]
    {
        sqlx::query(old).execute(&app.db).await.unwrap();
        let before = unix_now();
        assert_eq!(app.mark("user0", vec![item]).await, (0, vec![0]));
        let found: i64 = sqlx::query_scalar(changed_at).fetch_one(&app.db).await.unwrap();
        let now = (before..=unix_now()).contains(&found.cast_unsigned());
        assert!(if changes { now } else { found == 7 }, "{found}");
    }
}

#[actix_web::test]
async fn users_groups_and_apps_are_told_apart() {
    let app = TestApp::start().await;
    app.add_app(APP + 1, KEY).await;
    let items = vec![change(&user("same"), &[1], &[]), change(&group("same"), &[2], &[])];
    assert_eq!(app.mark("same", items).await, (0, vec![0, 0]));
    assert_eq!(app.mark("SAME", vec![set("same", 3)]).await, (0, vec![0]));
    let other = query_of(APP + 1, ADMIN, &user_sig(KEY, APP + 1, ADMIN));
    let answer = app.ask(MARK_CONTACT, &other, mark_contact("same", [set("same", 4)])).await;
    assert_eq!(codes(&answer), (0, vec![0]));

    let in_group = Mark { kind: 2, ..marked("same", 1 << 2, "") };
    assert_eq!(app.marks("same").await, [marked("same", 1 << 1, ""), in_group]);
    assert_eq!(app.marks("SAME").await, [marked("same", 1 << 3, "")]);
    assert_eq!(app.state_rows().await, 3 + 4);
}

#[actix_web::test]
async fn an_answer_lists_the_items_in_order_as_they_were_addressed() {
    let app = TestApp::start().await;
    let both_ids = json!({ "Type": 2, "To_Account": "user9", "ToGroupId": "@TGS#1", "Other": 1 });
    let items = [custom("user1", "x"), change(&both_ids, &[1], &[])];
    let answer = app.call(MARK_CONTACT, mark_contact("user0", items)).await;
    let expected = json!([
        { "OptType": 2, "ContactItem": user("user1"), "ResultCode": 0, "ResultInfo": "" },
        { "OptType": 1, "ContactItem": group("@TGS#1"), "ResultCode": 0, "ResultInfo": "" },
    ]);
    assert_eq!(answer["ResultItem"], expected);
}

#[actix_web::test]
async fn a_low_edition_has_custom_marks_and_no_standard_marks() {
    for edition in Edition::ALL {
        let app = TestApp::with(edition, Directory::Open).await;
        let allowed = !matches!(edition, Edition::Trial | Edition::Standard);
        assert_eq!(app.mark("user0", vec![custom("user1", "x")]).await, (0, vec![0]));
        for opt_type in [1, 3] {
            let mixed = vec![custom("user2", "x"), item(opt_type, json!({ "SetMark": [1] }))];
            let expected = if allowed { (0, vec![0, 0]) } else { (51013, vec![]) };
            assert_eq!(app.mark("user0", mixed).await, expected, "{edition:?}");
        }
        assert_eq!(
            app.marked("user0").await,
            if allowed { 2 } else { 1 },
            "nothing of it was written"
        );
    }
}

#[actix_web::test]
async fn an_open_directory_needs_nobody_but_knows_who_is_gone() {
    let app = TestApp::start().await;
    for user in ["deleted", "gone"] {
        app.import(user).await;
        app.delete_account(user).await;
    }
    app.put_chat_group("destroyed", true).await;
    assert_eq!(app.mark("deleted", vec![set("user1", 0)]).await, (50001, vec![]));
    let items = vec![
        set("gone", 0),
        change(&group("destroyed"), &[0], &[]),
        set("never", 0),
        change(&group("never"), &[0], &[]),
    ];
    assert_eq!(app.mark("user0", items).await, (0, vec![50001, 51007, 0, 0]));
}

#[actix_web::test]
async fn an_owners_directory_needs_the_owner() {
    let app = TestApp::with(Edition::Premium, Directory::Owners).await;
    assert_eq!(app.mark("user0", vec![set("user1", 0)]).await, (50001, vec![]));
    app.import("user0").await;
    let items = vec![set("user1", 0), change(&group("any"), &[0], &[])];
    assert_eq!(app.mark("user0", items).await, (0, vec![0, 0]));
    app.delete_account("user0").await;
    assert_eq!(app.mark("user0", vec![set("user1", 1)]).await, (50001, vec![]));
}

#[actix_web::test]
async fn a_strict_directory_needs_both_ends() {
    let app = TestApp::with(Edition::Premium, Directory::Strict).await;
    app.import("user0").await;
    app.import("friend").await;
    app.put_chat_group("live", false).await;
    app.put_chat_group("destroyed", true).await;
    let in_group = |id| change(&group(id), &[1], &[]);
    let items = vec![
        set("stranger", 1),
        set("friend", 1),
        in_group("nothing"),
        in_group("live"),
        in_group("destroyed"),
        set("user0", 1),
    ];
    assert_eq!(app.mark("user0", items).await, (0, vec![50001, 0, 51007, 0, 51007, 0]));
    assert_eq!(app.marked("user0").await, 3, "a refused item does not spoil its neighbours");
    assert_eq!(app.mark("friend", vec![set("stranger", 1)]).await, (0, vec![50001]));
}

/// The counts stay as they are: what has changed shows in the conversations alone.
#[actix_web::test]
async fn one_conversation_that_goes_and_one_that_is_marked_for_the_first_time() {
    let app = TestApp::start().await;
    app.mark("user0", vec![set("goes", 0)]).await;
    app.must(CREATE, create("user0", "group", [user("stays")])).await;
    let both = vec![set("stays", 0), clear("goes", 0)];
    assert_eq!(app.mark("user0", both).await, (0, vec![0, 0]));
    assert_eq!(app.marks("user0").await, [marked("stays", 1, "")]);
    assert_eq!(app.found("user0").await, ["stays"]);
}
