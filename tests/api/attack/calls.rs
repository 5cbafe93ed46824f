//! A call of every command that has an effect, and data for it to change.

use serde_json::{Value, json};

use crate::support::*;

/// Commands that only read.
pub(crate) const READING: [&str; 5] = [SEARCH, GET, GET_LIST, ACCOUNT_CHECK, GET_CHAT_GROUP_INFO];

/// A body that `command` answers with OK, and that changes something unless the command only reads. Every number has
/// names of its own, so that calls with different numbers do not affect each other.
pub(crate) fn body(command: &str, number: usize) -> Value {
    let peer = format!("peer{number}");
    match command {
        MARK_CONTACT => mark_contact("user", [custom(&peer, "changed")]),
        CREATE => create("user", &format!("made{number}"), [user(&peer)]),
        UPDATE => update("user", "kept", [add(&user(&peer))]),
        DEL => del("user", &format!("doomed{number}")),
        SEARCH => search("user", [user(&peer), chat_group("chat0")]),
        GET => json!({ "From_Account": "user" }),
        GET_LIST => json!({ "From_Account": "user", "TimeStamp": 0, "StartIndex": 0,
            "TopTimeStamp": 0, "TopStartIndex": 0, "AssistFlags": 63 }),
        TOP => top("user", 1, [user(&peer)]),
        DELETE => {
            json!({ "From_Account": "user", "Type": 1, "To_Account": format!("gone{number}") })
        }
        ACCOUNT_IMPORT => json!({ "UserID": format!("new{number}"), "Nick": "n" }),
        MULTIACCOUNT_IMPORT => json!({ "AccountList": [{ "UserID": format!("more{number}") }] }),
        ACCOUNT_CHECK => json!({ "CheckItem": [{ "UserID": "user" }] }),
        ACCOUNT_DELETE => json!({ "DeleteItem": [{ "UserID": format!("doomed{number}") }] }),
        CREATE_CHAT_GROUP => {
            json!({ "Type": "Public", "Name": "g", "GroupId": format!("new{number}") })
        }
        IMPORT_CHAT_GROUP => {
            json!({ "Type": "Public", "Name": "g", "GroupId": format!("more{number}") })
        }
        DESTROY_CHAT_GROUP => json!({ "GroupId": format!("chat{number}") }),
        GET_CHAT_GROUP_INFO => json!({ "GroupIdList": ["chat0"] }),
        other => panic!("{other} is a new command: give it a body here"),
    }
}

/// Creates the data for [`body`] with numbers below `numbers`: a user with marks, contact groups and pins; accounts; chat
/// groups. Custom marks and names contain `text`.
pub(crate) async fn prepare(
    numbers: usize,
    text: &str,
    call_ok: impl AsyncFn(&'static str, Value) -> Answer,
) {
    call_ok(ACCOUNT_IMPORT, json!({ "UserID": "user", "Nick": text })).await;
    call_ok(CREATE, create("user", "kept", [user("friend")])).await;
    call_ok(CREATE, create("user", text, [user("friend")])).await;
    call_ok(TOP, top("user", 1, [user("friend")])).await;
    for number in 0..numbers {
        let named = |name: &str| format!("{name}{number}");
        call_ok(ACCOUNT_IMPORT, json!({ "UserID": named("doomed"), "Nick": text })).await;
        call_ok(MARK_CONTACT, mark_contact(&named("doomed"), [custom("friend", text)])).await;
        let name = named("chat");
        call_ok(CREATE_CHAT_GROUP, json!({ "Type": "Public", "Name": text, "GroupId": name }))
            .await;
        call_ok(MARK_CONTACT, mark_contact("user", [change_bits(&chat_group(&name), &[1], &[])]))
            .await;
        call_ok(MARK_CONTACT, mark_contact("user", [custom(&named("peer"), text)])).await;
        call_ok(TOP, top("user", 1, [user(&named("gone"))])).await;
        call_ok(CREATE, create("user", &named("doomed"), [user(&named("peer"))])).await;
    }
}
