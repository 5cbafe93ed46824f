//! One call of each command that has something to do, on a ground that has something to lose.

use serde_json::{Value, json};

use crate::support::*;

/// Commands that only read.
pub(crate) const READING: [&str; 5] = [SEARCH, GET, GET_LIST, ACCOUNT_CHECK, GET_GROUP_INFO];

/// A body that `command` answers with OK, and that changes something if the command changes anything. Each number has
/// names of its own, so that one call does not take away what another is to find.
pub(crate) fn body(command: &str, number: usize) -> Value {
    let peer = format!("peer{number}");
    match command {
        MARK_CONTACT => mark_contact("user", [custom(&peer, "changed")]),
        CREATE => create("user", &format!("made{number}"), [user(&peer)]),
        UPDATE => update("user", "kept", [add(&user(&peer))]),
        DEL => del("user", &format!("doomed{number}")),
        SEARCH => search("user", [user(&peer), group("chat0")]),
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
        CREATE_GROUP => json!({ "Type": "Public", "Name": "g", "GroupId": format!("new{number}") }),
        IMPORT_GROUP => {
            json!({ "Type": "Public", "Name": "g", "GroupId": format!("more{number}") })
        }
        DESTROY_GROUP => json!({ "GroupId": format!("chat{number}") }),
        GET_GROUP_INFO => json!({ "GroupIdList": ["chat0"] }),
        other => panic!("{other} is a new command: who may call it?"),
    }
}

/// What [`body`] finds for the numbers from 0 to `numbers`: a user with marks, groups and pins; accounts; chat groups.
/// `text` stands in every custom mark and name, to be recognized by.
pub(crate) async fn prepare(
    numbers: usize,
    text: &str,
    must: impl AsyncFn(&'static str, Value) -> Value,
) {
    must(ACCOUNT_IMPORT, json!({ "UserID": "user", "Nick": text })).await;
    must(CREATE, create("user", "kept", [user("friend")])).await;
    must(CREATE, create("user", text, [user("friend")])).await;
    must(TOP, top("user", 1, [user("friend")])).await;
    for number in 0..numbers {
        let named = |name: &str| format!("{name}{number}");
        must(ACCOUNT_IMPORT, json!({ "UserID": named("doomed"), "Nick": text })).await;
        must(MARK_CONTACT, mark_contact(&named("doomed"), [custom("friend", text)])).await;
        let name = named("chat");
        must(CREATE_GROUP, json!({ "Type": "Public", "Name": text, "GroupId": name })).await;
        must(MARK_CONTACT, mark_contact("user", [change(&group(&name), &[1], &[])])).await;
        must(MARK_CONTACT, mark_contact("user", [custom(&named("peer"), text)])).await;
        must(TOP, top("user", 1, [user(&named("gone"))])).await;
        must(CREATE, create("user", &named("doomed"), [user(&named("peer"))])).await;
    }
}
