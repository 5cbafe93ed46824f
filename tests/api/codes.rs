//! The table of codes: each that can be had today, by a request that has it.

use std::collections::BTreeSet;

use earmark::domain::{Directory, Edition};
use serde_json::{Value, json};

use crate::support::*;

/// Writes down what was answered: the code, and what was said.
#[derive(Default)]
pub(crate) struct Table(Vec<(u64, String)>);

impl Table {
    fn note(&mut self, answer: &Value) {
        let (code, info) = failure(answer);
        self.0.push((code, info.to_owned()));
    }

    /// The item that failed, in an answer that did not.
    fn note_item(&mut self, answer: &Value) {
        assert_eq!(answer["ErrorCode"], 0, "{answer}");
        let places = ["/ResultItem/0", "/GroupResultItem/0/ResultItem/0"];
        let item = places.into_iter().find_map(|place| answer.pointer(place)).unwrap();
        let info = item["ResultInfo"].as_str().unwrap();
        self.0.push((item["ResultCode"].as_u64().unwrap(), format!("item: {info}")));
    }

    /// The codes that were noted: each once, and whether it was an item's.
    pub(crate) fn codes(&self) -> BTreeSet<(u64, bool)> {
        self.0.iter().map(|(code, info)| (*code, info.starts_with("item: "))).collect()
    }

    fn text(mut self) -> String {
        self.0.sort();
        let lines: Vec<_> = self.0.iter().map(|(code, info)| format!("{code} {info}")).collect();
        lines.join("\n")
    }
}

fn good() -> Value {
    mark_contact("user0", [set("user1", 0)])
}

/// What the front door refuses.
async fn refused_at_the_door(table: &mut Table) {
    let app = TestApp::start().await;
    table.note(&app.call("recentcontact/nothing", good()).await);
    table.note(&app.call(MARK_CONTACT, " ".repeat((1 << 20) + 1)).await);
    table.note(&app.call(MARK_CONTACT, "{").await);
    let other = user_sig("another-secret-key-0123456789abc", APP, ADMIN);
    let nobody = query_of(APP, "nobody", &user_sig(KEY, APP, "nobody"));
    for query in [
        "identifier=administrator&usersig=x".to_owned(),
        "sdkappid=x&identifier=administrator&usersig=x".to_owned(),
        "sdkappid=1&usersig=x".to_owned(),
        query_of(APP, ADMIN, ""),
        query_of(APP + 1, ADMIN, "x"),
        query_of(APP, ADMIN, "x"),
        query_of(APP, ADMIN, &other),
        query_of(APP, "nobody", &user_sig(KEY, APP, ADMIN)),
        query_of(APP, ADMIN, &user_sig(KEY, APP + 1, ADMIN)),
        query_of(APP, ADMIN, &user_sig_from(0, KEY, APP, ADMIN)),
        nobody.clone(),
    ] {
        table.note(&app.ask(MARK_CONTACT, &query, good()).await);
    }
    table.note(&app.ask(ACCOUNT_CHECK, &nobody, "{}").await);

    let app = TestApp::start().await;
    app.change(disabled(true)).await;
    table.note(&app.call(MARK_CONTACT, good()).await);

    let app = TestApp::with_limits(&["calls-per-second=1"]).await;
    table.note(&loop {
        let answer = app.call(MARK_CONTACT, good()).await;
        if answer["ErrorCode"] != 0 {
            break answer;
        }
    });
}

/// What the body is refused for.
async fn refused_for_the_body(table: &mut Table) {
    let app = TestApp::start().await;
    table.note(&app.call(MARK_CONTACT, json!({ "From_Account": 1 })).await);
    table.note(&app.call(MARK_CONTACT, mark_contact("user0", [json!({ "OptType": 4 })])).await);
    table.note(&app.call(MARK_CONTACT, mark_contact("user0", [0; 0])).await);
    table.note(&app.call(ACCOUNT_IMPORT, json!({ "UserID": "" })).await);
    table.note(&app.call(MULTIACCOUNT_IMPORT, json!({ "Accounts": [] })).await);
}

/// What the state of things is in the way of.
async fn refused_for_the_state(table: &mut Table) {
    let app = TestApp::with(Edition::Standard, Directory::Open).await;
    table.note(&app.call(MARK_CONTACT, good()).await);
    let app = TestApp::with(Edition::Premium, Directory::Owners).await;
    table.note(&app.call(MARK_CONTACT, good()).await);

    let app = TestApp::with(Edition::Premium, Directory::Strict).await;
    app.import("user0").await;
    app.put_chat_group("destroyed", true).await;
    table.note_item(&app.call(MARK_CONTACT, good()).await);
    let in_group = mark_contact("user0", [change(&group("destroyed"), &[0], &[])]);
    table.note_item(&app.call(MARK_CONTACT, in_group).await);

    let app = TestApp::with_limits(&["marked=1"]).await;
    assert_eq!(app.mark("user0", vec![set("user2", 0)]).await, (0, vec![0]));
    table.note_item(&app.call(MARK_CONTACT, good()).await);

    let turn = app.hold_user("user0").await;
    table.note(&app.call(MARK_CONTACT, good()).await);
    turn.rollback().await.unwrap();
}

/// What the conversation groups, the pins, the accounts and the chat groups that are there are in the way of.
async fn refused_for_what_is_there(table: &mut Table) {
    let app = TestApp::with_limits(&["groups=1", "grouped=1", "pinned=1"]).await;
    table.note(&app.call(DEL, del("user0", "nothing")).await);
    app.must(CREATE, create("user0", "a", peers(0, 1))).await;
    table.note(&app.call(CREATE, create("user0", "b", [0; 0])).await);
    table.note(&app.call(CREATE, create("user0", "a", [0; 0])).await);
    table.note(&app.call(UPDATE, rename("user0", "a", &"x".repeat(33))).await);
    app.must(TOP, top("user0", 1, peers(0, 1))).await;
    table.note_item(&app.call(TOP, top("user0", 1, peers(1, 2))).await);
    let removal = json!({ "DeleteItem": [{ "UserID": "stranger" }] });
    table.note_item(&app.call(ACCOUNT_DELETE, removal).await);
    let check = json!({ "CheckItem": [{ "UserID": "x".repeat(33) }] });
    table.note_item(&app.call(ACCOUNT_CHECK, check).await);

    let chat_group = |kind: &str| json!({ "Type": kind, "Name": "n", "GroupId": "g" });
    table.note(&app.call(CREATE_GROUP, chat_group("Club")).await);
    table.note(&app.call(IMPORT_GROUP, chat_group("AVChatRoom")).await);
    table.note(&app.call(DESTROY_GROUP, json!({ "GroupId": "g" })).await);
    let unknown = app.must(GET_GROUP_INFO, json!({ "GroupIdList": ["g"] })).await;
    let unknown = &unknown["GroupInfo"][0];
    let info = format!("item: {}", unknown["ErrorInfo"].as_str().unwrap());
    table.0.push((unknown["ErrorCode"].as_u64().unwrap(), info));
    app.must(CREATE_GROUP, chat_group("Public")).await;
    table.note(&app.call(CREATE_GROUP, chat_group("Public")).await);
}

/// What is a fault of ours: numbers that are used up, which no request can bring about.
async fn failed_for_a_fault(table: &mut Table) {
    let app = TestApp::start().await;
    app.must(CREATE, create("user0", "a", peers(0, 1))).await;
    let used_up = "UPDATE users SET next_group_id = 2147483647, next_position = 2147483647";
    sqlx::query(used_up).execute(&app.db).await.unwrap();
    let number = |text: &str| text.split(" (request ").next().unwrap().to_owned();
    let answer = app.call(CREATE, create("user0", "b", [0; 0])).await;
    let (code, info) = failure(&answer);
    table.0.push((code, number(info)));
    let answer = app.call(MARK_CONTACT, mark_contact("user0", [set("peer1", 0)])).await;
    let item = &answer["ResultItem"][0];
    let info = format!("item: {}", number(item["ResultInfo"].as_str().unwrap()));
    table.0.push((item["ResultCode"].as_u64().unwrap(), info));
}

/// Every code there is, each had by a request.
pub(crate) async fn provoke() -> Table {
    let mut table = Table::default();
    refused_at_the_door(&mut table).await;
    refused_for_the_body(&mut table).await;
    refused_for_the_state(&mut table).await;
    refused_for_what_is_there(&mut table).await;
    failed_for_a_fault(&mut table).await;
    table
}

#[actix_web::test]
async fn every_code_has_a_request_that_has_it() {
    let table = provoke().await;
    insta::assert_snapshot!(table.text(), @r#"
    10004 Type: must be one of Private, Public, ChatRoom, AVChatRoom, Community, got "Club"
    10007 Type: AVChatRoom cannot be imported
    10010 GroupId: no such chat group, or it was destroyed
    10010 item: GroupId: no such chat group, or it was destroyed
    10021 GroupId: taken
    50001 From_Account: not imported, or deleted
    50001 item: To_Account: not imported, or deleted
    50002 GroupContactItem[0].GroupName: the user has a conversation group of that name
    50002 MarkItem[0].OptType: must be 1 (standard mark), 2 (custom mark) or 3 (both)
    50003 identifier: not an admin of the app
    50004 internal error, try again
    50004 item: internal error, try again
    50005 the database did not answer in time, try again
    51006 MarkItem: must hold 1 to 100 items, got 0
    51007 item: ToGroupId: no such chat group, or it was destroyed
    51008 item: ContactItem: at most 1 conversations can be marked
    51009 GroupName[0]: no such conversation group
    51010 GroupContactItem[0].GroupName: at most 1 conversation groups
    51011 UpdateGroup.NewGroupName: must be 1 to 32 bytes of UTF-8, got 33
    51012 item: RecentContactItem: at most 1 conversations can be pinned
    51013 the edition of this app has no standard marks and no conversation groups
    60002 the body must be at most 1048576 bytes
    60003 the body is not JSON: EOF while parsing an object at line 1 column 1
    60004 identifier: missing from the query
    60006 sdkappid: must be a positive integer
    60007 more than 1 calls per second of this command
    60009 no such service or command: expected POST /v4/<service>/<command>
    60010 identifier: not an admin of the app
    60012 sdkappid: missing from the query
    60015 From_Account: an account must be a string, got an integer
    60016 sdkappid: the app is disabled
    70001 usersig: expired
    70002 usersig: empty
    70003 usersig: invalid, perhaps cut short: it is not base64
    70009 usersig: was not made with a secret key of this app
    70013 usersig: was made for another identifier
    70014 usersig: was made for another sdkappid
    70020 sdkappid: no such app
    70107 item: Err_TLS_PT_Open_Login_Account_Not_Exist
    70206 Accounts: must hold 1 to 100 items, got 0
    70402 UserID: must be 1 to 32 bytes of UTF-8, got 0
    70402 item: CheckItem[0].UserID: must be 1 to 32 bytes of UTF-8, got 33
    "#);
}

/// 36 characters: hex digits in five parts.
fn is_uuid(id: &str) -> bool {
    id.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && id.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

#[actix_web::test]
async fn a_fault_of_ours_has_a_number_that_stands_in_the_log() {
    let app = TestApp::start().await;
    assert_eq!(app.mark("user0", vec![set("user1", 0)]).await, (0, vec![0]));
    // What no request can bring about: the database holds a text that the rules do not know.
    let corrupt = "ALTER TABLE conversations ADD CONSTRAINT nothing_new CHECK (standard_mark = 1)";
    sqlx::query(corrupt).execute(&app.db).await.unwrap();
    let answer = app.call(MARK_CONTACT, mark_contact("user0", [set("user1", 1)])).await;
    let (code, info) = failure(&answer);
    assert_eq!(code, 50004);
    let number = info.strip_prefix("internal error, try again (request ").unwrap();
    let number = number.strip_suffix(")").unwrap();
    assert!(is_uuid(number), "{info}");
    assert_eq!(app.marks("user0").await, [marked("user1", 1, "")]);
}
