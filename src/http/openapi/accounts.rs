//! `im_open_login_svc`: the users that the directory has.

use serde_json::{Value, json};

use super::schema::{answered, array, closed, item_result, joined, named, object, text, with};
use super::{Operation, codes};
use crate::error::Family::Accounts;
use crate::limits::{ACCOUNT_ITEMS_MAX, ACCOUNT_VALUE_BYTES_MAX, Limits};

pub(super) fn operations(_: &Limits) -> Vec<Operation> {
    vec![account_import(), multiaccount_import(), account_check(), account_delete()]
}

/// A user's name, under its newer or its older name of a field.
fn user(more: Value) -> Value {
    let names = json!({
        "UserID": named("UserID"),
        "Identifier": { "$ref": "#/components/schemas/UserID", "description": "The older name of `UserID`." },
    });
    let either = json!([{ "required": ["UserID"] }, { "required": ["Identifier"] }]);
    with(object(&[], joined(names, more)), "anyOf", either)
}

fn account() -> Value {
    let most = u32::try_from(ACCOUNT_VALUE_BYTES_MAX).unwrap_or(u32::MAX);
    user(json!({
        "Nick": text(0, most, "A name to show."),
        "FaceUrl": text(0, most, "Where a picture is."),
    }))
}

fn account_import() -> Operation {
    Operation {
        family: Accounts,
        command: "account_import",
        summary: "Imports a user",
        description: "Puts one user into the directory, or refreshes nick and face. A deleted user starts empty.",
        request: account(),
        answer: json!({}),
        codes: &[],
        example: (
            r#"{"UserID":"user7","Nick":"Seven","FaceUrl":"https://example.com/seven.png"}"#,
            r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

fn multiaccount_import() -> Operation {
    let entries = array(1, ACCOUNT_ITEMS_MAX, "The users.", account());
    let names =
        array(1, ACCOUNT_ITEMS_MAX, "The users, as older clients name them.", named("UserID"));
    let either = json!([{ "required": ["AccountList"] }, { "required": ["Accounts"] }]);
    let request = object(&[], json!({ "AccountList": entries, "Accounts": names }));
    let failed = answered("Those that cannot be imported.", json!({ "type": "string" }));
    Operation {
        family: Accounts,
        command: "multiaccount_import",
        summary: "Imports users",
        description: "Puts up to 100 users into the directory. One that cannot be an account stands in `FailAccounts`; \
            the others are imported.",
        request: with(request, "oneOf", either),
        answer: json!({ "FailAccounts": failed }),
        codes: &[70206],
        example: (
            r#"{"AccountList":[{"UserID":"user8","Nick":"Eight"},{"UserID":"user9"}]}"#,
            r#"{"FailAccounts":[],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

fn account_check() -> Operation {
    const CODES: &[u32] = &[70206, 70402];
    let state = json!({ "AccountStatus": { "enum": ["Imported", "NotImported"] } });
    let id = json!({ "UserID": { "type": "string", "description": "As it was sent." } });
    let result = item_result(&codes::of_items(Accounts, CODES));
    Operation {
        family: Accounts,
        command: "account_check",
        summary: "Asks whether users are imported",
        description: "Answers each entry with its state.",
        request: object(
            &["CheckItem"],
            json!({ "CheckItem": array(1, ACCOUNT_ITEMS_MAX, "The users.", user(json!({}))) }),
        ),
        answer: json!({ "ResultItem": answered(
            "One for each entry, in order.",
            closed(
                &["UserID", "ResultCode", "ResultInfo", "AccountStatus"],
                joined(joined(id, result), state),
            ),
        ) }),
        codes: CODES,
        example: (
            r#"{"CheckItem":[{"UserID":"user7"},{"UserID":"stranger"}]}"#,
            r#"{"ResultItem":[{"UserID":"user7","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},{"UserID":"stranger","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

fn account_delete() -> Operation {
    const CODES: &[u32] = &[70107, 70206, 70402];
    let id = json!({ "UserID": { "type": "string", "description": "As it was sent." } });
    let result = item_result(&codes::of_items(Accounts, CODES));
    Operation {
        family: Accounts,
        command: "account_delete",
        summary: "Deletes users",
        description: "Deletes users from the directory, with marks, groups and pins.",
        request: object(
            &["DeleteItem"],
            json!({ "DeleteItem": array(1, ACCOUNT_ITEMS_MAX, "The users.", user(json!({}))) }),
        ),
        answer: json!({ "ResultItem": answered(
            "One for each entry, in order.",
            closed(&["ResultCode", "ResultInfo", "UserID"], joined(result, id)),
        ) }),
        codes: CODES,
        example: (
            r#"{"DeleteItem":[{"UserID":"user7"},{"UserID":"stranger"}]}"#,
            r#"{"ResultItem":[{"ResultCode":0,"ResultInfo":"","UserID":"user7"},{"ResultCode":70107,"ResultInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist","UserID":"stranger"}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}
