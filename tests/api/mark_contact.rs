//! `recentcontact/mark_contact`: it sets and clears marks, and the items of a call do not affect each other.

use earmark::domain::{Directory, Edition};
use serde_json::{Value, json};

use crate::support::*;

const NOTHING: [Mark; 0] = [];

/// A `MarkItem` for the conversation with user1, with these fields.
fn item(opt_type: u8, mut fields: Value) -> Value {
    fields["OptType"] = opt_type.into();
    fields["ContactItem"] = user("user1");
    fields
}

#[actix_web::test]
async fn each_opt_type_uses_its_own_fields_and_ignores_the_others() {
    let app = TestApp::start().await;
    let all = json!({ "SetMark": [0], "ClearMark": [1], "CustomMark": "new" });
    for (opt_type, standard, text) in [(1, 0b101, "old"), (2, 0b110, "new"), (3, 0b101, "new")] {
        let owner = format!("owner{opt_type}");
        let before = item(3, json!({ "SetMark": [1, 2], "CustomMark": "old" }));
        app.mark(&owner, [before]).await.assert_ok();
        app.mark(&owner, [item(opt_type, all.clone())]).await.assert_ok();
        assert_eq!(
            app.marks(&owner).await,
            [marked("user1", standard, text)],
            "OptType {opt_type}"
        );
    }
}

#[actix_web::test]
async fn an_ignored_field_may_be_invalid() {
    let app = TestApp::start().await;
    let items = vec![
        item(1, json!({ "SetMark": [0], "CustomMark": "x".repeat(300) })),
        item(2, json!({ "CustomMark": "x", "SetMark": [64], "ClearMark": "y" })),
        json!({ "OptType": 1, "SetMark": [1], "ContactItem": { "Type": 1, "To_Account": "user1", "ToGroupId": 7 } }),
        json!({ "OptType": 1, "SetMark": [1], "ContactItem": { "Type": 2, "ToGroupId": "g", "To_Account": 7 } }),
    ];
    app.mark("user0", items).await.assert_ok();
}

#[actix_web::test]
async fn an_item_without_the_fields_of_its_opt_type_is_refused() {
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
        let info = format!("MarkItem[1]: {problem}");
        app.call(MARK_CONTACT, body).await.assert_refused(BadParameter, &info);
    }
    assert_eq!(app.state_rows().await, 0);
}

#[actix_web::test]
async fn an_empty_list_of_bits_changes_nothing() {
    let app = TestApp::start().await;
    let empty = [
        item(1, json!({ "SetMark": [] })),
        item(1, json!({ "ClearMark": [] })),
        item(3, json!({ "SetMark": [], "ClearMark": [] })),
    ];
    app.mark("user0", empty.to_vec()).await.assert_ok();
    assert_eq!(app.marks("user0").await, NOTHING);
}

#[actix_web::test]
async fn every_bit_can_be_set_and_cleared_alone() {
    let app = TestApp::start().await;
    let items = (0..64).map(|bit| set(&format!("peer{bit}"), bit));
    app.mark("user0", items).await.assert_ok();
    let expected: Vec<_> = (0..64).map(|bit| marked(&format!("peer{bit}"), 1 << bit, "")).collect();
    assert_eq!(app.marks("user0").await, expected);

    let all: Vec<u8> = (0..64).collect();
    app.mark("user0", [change_bits(&user("full"), &all, &[])]).await.assert_ok();
    assert_eq!(app.standard_mark("user0", "full").await, u64::MAX);
    for bit in 0..64 {
        app.mark("user0", [clear("full", bit)]).await.assert_ok();
        assert_eq!(app.standard_mark("user0", "full").await, u64::MAX << bit << 1);
    }
    assert_eq!(app.marked_count("user0").await, 64, "\"full\" has no bits left");
}

#[actix_web::test]
async fn bit_63_is_stored_in_the_sign_of_a_bigint() {
    let app = TestApp::start().await;
    let stored = async || -> Option<i64> {
        sqlx::query_scalar("SELECT standard_mark FROM conversations")
            .fetch_optional(&app.db)
            .await
            .unwrap()
    };
    for _ in 0..2 {
        app.mark("user0", [set("user1", 63)]).await.assert_ok();
        assert_eq!(stored().await, Some(i64::MIN), "bit 63 alone");
    }
    app.mark("user0", [set("user1", 0)]).await.assert_ok();
    assert_eq!(stored().await, Some(i64::MIN + 1), "bits 63 and 0");
    app.mark("user0", [custom("user1", "x")]).await.assert_ok();
    assert_eq!(stored().await, Some(i64::MIN + 1), "bits 63 and 0, after a custom mark");
    app.mark("user0", [clear("user1", 0)]).await.assert_ok();
    assert_eq!(stored().await, Some(i64::MIN), "bit 63 after bit 0 was cleared");
    app.mark("user0", [clear("user1", 63), custom("user1", "")]).await.assert_ok();
    assert_eq!(stored().await, Some(0), "no bits");
}

#[actix_web::test]
async fn a_bit_that_is_both_set_and_cleared_ends_cleared() {
    let app = TestApp::start().await;
    let items = vec![change_bits(&user("user1"), &[5, 6], &[5])];
    app.mark("user0", items).await.assert_ok();
    assert_eq!(app.standard_mark("user0", "user1").await, 1 << 6);
    app.mark("user0", [change_bits(&user("user1"), &[6], &[6])]).await.assert_ok();
    assert_eq!(app.marks("user0").await, NOTHING);
}

#[actix_web::test]
async fn a_bit_may_be_listed_twice() {
    let app = TestApp::start().await;
    let items = vec![change_bits(&user("user1"), &[7, 7, 40, 7], &[9, 9])];
    app.mark("user0", items).await.assert_ok();
    assert_eq!(app.standard_mark("user0", "user1").await, 1 << 7 | 1 << 40);
}

#[actix_web::test]
async fn items_for_the_same_conversation_are_applied_in_order() {
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
    app.mark("user0", items).await.assert_ok();
    assert_eq!(app.marks("user0").await, [marked("user1", 1 << 2, "last")]);
    assert_eq!(
        app.revision_and_count("user0").await,
        (1, 1),
        "one request increases the revision once"
    );
}

#[actix_web::test]
async fn an_absent_custom_mark_stays_and_an_empty_one_clears() {
    let app = TestApp::start().await;
    let first = item(3, json!({ "SetMark": [1], "CustomMark": "abcd" }));
    app.mark("user0", [first]).await.assert_ok();
    let untouched = item(3, json!({ "SetMark": [2], "CustomMark": null }));
    app.mark("user0", [untouched]).await.assert_ok();
    assert_eq!(app.marks("user0").await, [marked("user1", 0b110, "abcd")]);
    app.mark("user0", [item(3, json!({ "CustomMark": "" }))]).await.assert_ok();
    assert_eq!(app.marks("user0").await, [marked("user1", 0b110, "")]);
}

#[actix_web::test]
async fn a_conversation_without_marks_is_hidden_and_comes_back_in_its_place() {
    let app = TestApp::start().await;
    let items = vec![set("first", 0), set("second", 0)];
    app.mark("user0", items).await.assert_ok();
    app.mark("user0", [clear("first", 0)]).await.assert_ok();
    assert_eq!(app.marks("user0").await, [marked("second", 1, "")]);
    assert_eq!(app.all_pages("user0").await.len(), 1);
    app.mark("user0", [custom("first", "x")]).await.assert_ok();
    assert_eq!(app.marks("user0").await, [marked("first", 0, "x"), marked("second", 1, "")]);
}

#[actix_web::test]
async fn the_revision_of_a_user_grows_only_with_changes() {
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
        app.mark("user0", [item.clone()]).await.assert_ok();
        assert_eq!(app.revision_and_count("user0").await.0, revision, "{item}");
    }
}

#[actix_web::test]
async fn the_second_of_the_last_change_is_stored() {
    let app = TestApp::start().await;
    let old = "UPDATE conversations SET changed_at = 7";
    let changed_at = "SELECT changed_at FROM conversations";
    for (item, changes) in
        [(set("user1", 0), true), (set("user1", 0), false), (custom("user1", "x"), true)]
    {
        sqlx::query(old).execute(&app.db).await.unwrap();
        let before = unix_now();
        app.mark("user0", [item]).await.assert_ok();
        let found: i64 = sqlx::query_scalar(changed_at).fetch_one(&app.db).await.unwrap();
        let now = (before..=unix_now()).contains(&found.cast_unsigned());
        assert!(if changes { now } else { found == 7 }, "{found}");
    }
}

#[actix_web::test]
async fn users_chat_groups_and_apps_with_the_same_name_are_distinct() {
    let app = TestApp::start().await;
    app.add_app(APP + 1, KEY).await;
    let items =
        vec![change_bits(&user("same"), &[1], &[]), change_bits(&chat_group("same"), &[2], &[])];
    app.mark("same", items).await.assert_ok();
    app.mark("SAME", [set("same", 3)]).await.assert_ok();
    let other = query_of(APP + 1, ADMIN, &user_sig(KEY, APP + 1, ADMIN));
    let answer = app.call_as(MARK_CONTACT, &other, mark_contact("same", [set("same", 4)])).await;
    answer.assert_items([Ok]);

    let with_chat_group = Mark { kind: 2, ..marked("same", 1 << 2, "") };
    assert_eq!(app.marks("same").await, [marked("same", 1 << 1, ""), with_chat_group]);
    assert_eq!(app.marks("SAME").await, [marked("same", 1 << 3, "")]);
    assert_eq!(app.state_rows().await, 3 + 4);
}

#[actix_web::test]
async fn an_answer_lists_the_items_in_order_with_their_conversations() {
    let app = TestApp::start().await;
    let both_ids = json!({ "Type": 2, "To_Account": "user9", "ToGroupId": "@TGS#1", "Other": 1 });
    let items = [custom("user1", "x"), change_bits(&both_ids, &[1], &[])];
    let answer = app.mark("user0", items).await;
    let expected = json!([
        { "OptType": 2, "ContactItem": user("user1"), "ResultCode": 0, "ResultInfo": "" },
        { "OptType": 1, "ContactItem": chat_group("@TGS#1"), "ResultCode": 0, "ResultInfo": "" },
    ]);
    assert_eq!(answer["ResultItem"], expected);
}

#[actix_web::test]
async fn the_low_editions_have_custom_marks_but_no_standard_marks() {
    for edition in Edition::ALL {
        let app = TestApp::with(edition, Directory::Open).await;
        let allowed = !matches!(edition, Edition::Trial | Edition::Standard);
        app.mark("user0", [custom("user1", "x")]).await.assert_ok();
        for opt_type in [1, 3] {
            let mixed = [custom("user2", "x"), item(opt_type, json!({ "SetMark": [1] }))];
            let answer = app.mark("user0", mixed).await;
            if allowed {
                answer.assert_ok();
            } else {
                answer.assert_code(EditionTooLow);
            }
        }
        assert_eq!(
            app.marked_count("user0").await,
            if allowed { 2 } else { 1 },
            "a refused call writes nothing"
        );
    }
}

#[actix_web::test]
async fn an_open_directory_refuses_only_deleted_accounts_and_destroyed_chat_groups() {
    let app = TestApp::start().await;
    for user in ["deleted owner", "deleted"] {
        app.import(user).await;
        app.delete_account(user).await;
    }
    app.create_chat_group("destroyed").await;
    app.destroy_chat_group("destroyed").await;
    app.mark("deleted owner", [set("user1", 0)]).await.assert_code(UnknownUser);
    let items = vec![
        set("deleted", 0),
        change_bits(&chat_group("destroyed"), &[0], &[]),
        set("never", 0),
        change_bits(&chat_group("never"), &[0], &[]),
    ];
    app.mark("user0", items).await.assert_items([UnknownUser, ChatGroupGone, Ok, Ok]);
}

#[actix_web::test]
async fn an_owners_directory_requires_the_owner() {
    let app = TestApp::with(Edition::Premium, Directory::Owners).await;
    app.mark("user0", [set("user1", 0)]).await.assert_code(UnknownUser);
    app.import("user0").await;
    let items = vec![set("user1", 0), change_bits(&chat_group("any"), &[0], &[])];
    app.mark("user0", items).await.assert_ok();
    app.delete_account("user0").await;
    app.mark("user0", [set("user1", 1)]).await.assert_code(UnknownUser);
}

#[actix_web::test]
async fn a_strict_directory_requires_the_owner_and_the_peer() {
    let app = TestApp::with(Edition::Premium, Directory::Strict).await;
    app.import("user0").await;
    app.import("friend").await;
    app.create_chat_group("created").await;
    app.create_chat_group("destroyed").await;
    app.destroy_chat_group("destroyed").await;
    let in_chat_group = |id| change_bits(&chat_group(id), &[1], &[]);
    let (items, codes): (Vec<_>, Vec<_>) = [
        (set("stranger", 1), UnknownUser),
        (set("friend", 1), Ok),
        (in_chat_group("stranger"), ChatGroupGone),
        (in_chat_group("created"), Ok),
        (in_chat_group("destroyed"), ChatGroupGone),
        (set("user0", 1), Ok),
    ]
    .into_iter()
    .unzip();
    app.mark("user0", items).await.assert_items(codes);
    assert_eq!(app.marked_count("user0").await, 3, "the other items are applied");
    app.mark("friend", [set("stranger", 1)]).await.assert_items([UnknownUser]);
}

/// The user's counts stay the same, so only the conversations show the change.
#[actix_web::test]
async fn one_call_clears_a_conversation_and_marks_another_for_the_first_time() {
    let app = TestApp::start().await;
    app.mark("user0", [set("goes", 0)]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "g", [user("stays")])).await;
    let both = vec![set("stays", 0), clear("goes", 0)];
    app.mark("user0", both).await.assert_ok();
    assert_eq!(app.marks("user0").await, [marked("stays", 1, "")]);
    assert_eq!(app.peers_on_pages("user0").await, ["stays"]);
}
