//! Provokes every code of the API, each with a request.

use std::collections::BTreeSet;

use earmark::domain::{Directory, Edition};
use serde_json::{Value, json};

use crate::support::*;

/// The codes that were answered, with their texts.
#[derive(Default)]
pub(crate) struct Table(Vec<(Code, String)>);

impl Table {
    /// Adds a refused call.
    #[track_caller]
    fn note(&mut self, answer: &Answer) {
        assert_ne!(answer.code(), Ok, "{answer}");
        self.0.push((answer.code(), answer.info().to_owned()));
    }

    /// Adds a refused item of a call that succeeded.
    #[track_caller]
    fn note_item(&mut self, answer: &Answer) {
        answer.assert_code(Ok);
        let item = &answer.items()[0];
        let info = item["ResultInfo"].as_str().unwrap();
        self.0.push((Code::read(&item["ResultCode"]), format!("item: {info}")));
    }

    /// The codes, each once for calls and once for items: `true` stands for an item.
    pub(crate) fn codes(&self) -> BTreeSet<(Code, bool)> {
        self.0.iter().map(|(code, info)| (*code, info.starts_with("item: "))).collect()
    }

    /// One line for each answer, sorted by number.
    fn text(mut self) -> String {
        self.0.sort();
        let lines: Vec<_> = self.0.iter().map(|(code, info)| format!("{code:?} {info}")).collect();
        lines.join("\n")
    }
}

fn good() -> Value {
    mark_contact("user0", [set("user1", 0)])
}

/// Calls that are refused before their body is read.
async fn refused_at_the_door(table: &mut Table) {
    let app = TestApp::start().await;
    table.note(&app.call("recentcontact/nothing", good()).await);
    table.note(&app.call(MARK_CONTACT, " ".repeat((1 << 20) + 1)).await);
    table.note(&app.call(MARK_CONTACT, "{").await);
    let other = user_sig("another-secret-key-0123456789abc", APP, ADMIN);
    let no_admin = query_of(APP, "user0", &user_sig(KEY, APP, "user0"));
    for query in [
        "identifier=administrator&usersig=x".to_owned(),
        "sdkappid=x&identifier=administrator&usersig=x".to_owned(),
        "sdkappid=1&usersig=x".to_owned(),
        query_of(APP, ADMIN, ""),
        query_of(APP + 1, ADMIN, "x"),
        query_of(APP, ADMIN, "x"),
        query_of(APP, ADMIN, &other),
        query_of(APP, "user0", &user_sig(KEY, APP, ADMIN)),
        query_of(APP, ADMIN, &user_sig(KEY, APP + 1, ADMIN)),
        query_of(APP, ADMIN, &user_sig_from(0, KEY, APP, ADMIN)),
        no_admin.clone(),
    ] {
        table.note(&app.call_as(MARK_CONTACT, &query, good()).await);
    }
    table.note(&app.call_as(ACCOUNT_CHECK, &no_admin, "{}").await);

    let app = TestApp::start().await;
    app.change(set_disabled(true)).await;
    table.note(&app.call(MARK_CONTACT, good()).await);

    let app = TestApp::with_limits(&["calls-per-second=1"]).await;
    table.note(&loop {
        let answer = app.call(MARK_CONTACT, good()).await;
        if answer.code() != Ok {
            break answer;
        }
    });
}

/// Calls that are refused because of their body.
async fn refused_for_the_body(table: &mut Table) {
    let app = TestApp::start().await;
    table.note(&app.call(MARK_CONTACT, json!({ "From_Account": 1 })).await);
    table.note(&app.mark("user0", [json!({ "OptType": 4 })]).await);
    table.note(&app.mark("user0", EMPTY).await);
    table.note(&app.call(ACCOUNT_IMPORT, json!({ "UserID": "" })).await);
    table.note(&app.call(MULTIACCOUNT_IMPORT, json!({ "Accounts": [] })).await);
}

/// Calls that are refused because of the edition, the directory, a limit, or a lock.
async fn refused_for_the_app(table: &mut Table) {
    let app = TestApp::with(Edition::Standard, Directory::Open).await;
    table.note(&app.call(MARK_CONTACT, good()).await);
    let app = TestApp::with(Edition::Premium, Directory::Owners).await;
    table.note(&app.call(MARK_CONTACT, good()).await);

    let app = TestApp::with(Edition::Premium, Directory::Strict).await;
    app.import("user0").await;
    app.create_chat_group("destroyed").await;
    app.destroy_chat_group("destroyed").await;
    table.note_item(&app.call(MARK_CONTACT, good()).await);
    let in_chat_group = mark_contact("user0", [change_bits(&chat_group("destroyed"), &[0], &[])]);
    table.note_item(&app.call(MARK_CONTACT, in_chat_group).await);

    let app = TestApp::with_limits(&["marked=1"]).await;
    app.mark("user0", [set("user2", 0)]).await.assert_ok();
    table.note_item(&app.call(MARK_CONTACT, good()).await);

    let lock = app.lock_user("user0").await;
    table.note(&app.call(MARK_CONTACT, good()).await);
    lock.rollback().await.unwrap();
}

/// Calls that are refused because of contact groups, pins, accounts and chat groups.
async fn refused_for_the_state(table: &mut Table) {
    let app = TestApp::with_limits(&["groups=1", "grouped=1", "pinned=1"]).await;
    table.note(&app.call(DEL, del("user0", "nothing")).await);
    app.call_ok(CREATE, create("user0", "a", peers(0, 1))).await;
    table.note(&app.call(CREATE, create("user0", "b", EMPTY)).await);
    table.note(&app.call(CREATE, create("user0", "a", EMPTY)).await);
    table.note(&app.call(UPDATE, rename("user0", "a", &"x".repeat(33))).await);
    app.call_ok(TOP, top("user0", 1, peers(0, 1))).await;
    table.note_item(&app.call(TOP, top("user0", 1, peers(1, 2))).await);
    let removal = json!({ "DeleteItem": [{ "UserID": "stranger" }] });
    table.note_item(&app.call(ACCOUNT_DELETE, removal).await);
    let check = json!({ "CheckItem": [{ "UserID": "x".repeat(33) }] });
    table.note_item(&app.call(ACCOUNT_CHECK, check).await);

    let body = |kind: &str| json!({ "Type": kind, "Name": "n", "GroupId": "g" });
    table.note(&app.call(CREATE_CHAT_GROUP, body("Club")).await);
    table.note(&app.call(IMPORT_CHAT_GROUP, body("AVChatRoom")).await);
    table.note(&app.call(DESTROY_CHAT_GROUP, json!({ "GroupId": "g" })).await);
    let unknown = app.call_ok(GET_CHAT_GROUP_INFO, json!({ "GroupIdList": ["g"] })).await;
    let unknown = &unknown["GroupInfo"][0];
    let info = format!("item: {}", unknown["ErrorInfo"].as_str().unwrap());
    table.0.push((Code::read(&unknown["ErrorCode"]), info));
    app.call_ok(CREATE_CHAT_GROUP, body("Public")).await;
    table.note(&app.call(CREATE_CHAT_GROUP, body("Public")).await);
}

/// Calls that fail because of an internal error: the database has no ids and positions left.
async fn failed_for_an_internal_error(table: &mut Table) {
    let app = TestApp::start().await;
    app.call_ok(CREATE, create("user0", "a", peers(0, 1))).await;
    let used_up = "UPDATE users SET next_group_id = 2147483647, next_position = 2147483647";
    sqlx::query(used_up).execute(&app.db).await.unwrap();
    let without_id = |text: &str| text.split(" (request ").next().unwrap().to_owned();
    let answer = app.call(CREATE, create("user0", "b", EMPTY)).await;
    table.0.push((answer.code(), without_id(answer.info())));
    let answer = app.mark("user0", [set("peer1", 0)]).await;
    let item = &answer.items()[0];
    let info = format!("item: {}", without_id(item["ResultInfo"].as_str().unwrap()));
    table.0.push((Code::read(&item["ResultCode"]), info));
}

/// Provokes every code.
pub(crate) async fn provoke() -> Table {
    let mut table = Table::default();
    refused_at_the_door(&mut table).await;
    refused_for_the_body(&mut table).await;
    refused_for_the_app(&mut table).await;
    refused_for_the_state(&mut table).await;
    failed_for_an_internal_error(&mut table).await;
    table
}

#[actix_web::test]
async fn every_code_can_be_provoked() {
    let table = provoke().await;
    let provoked: BTreeSet<_> = table.0.iter().map(|(code, _)| *code).collect();
    let refusals: BTreeSet<_> = Code::ALL.iter().copied().filter(|code| *code != Ok).collect();
    assert_eq!(provoked, refusals);
    insta::assert_snapshot!(table.text(), @r#"
    BadChatGroupParameter Type: must be one of Private, Public, ChatRoom, AVChatRoom, Community, got "Club"
    NotImportable Type: AVChatRoom cannot be imported
    UnknownChatGroup GroupId: no such chat group, or it was destroyed
    UnknownChatGroup item: GroupId: no such chat group, or it was destroyed
    ChatGroupIdTaken GroupId: taken
    UnknownUser From_Account: not imported, or deleted
    UnknownUser item: To_Account: not imported, or deleted
    BadParameter GroupContactItem[0].GroupName: the user has a conversation group of that name: GroupId 1, which holds 1 conversations
    BadParameter MarkItem[0].OptType: must be 1 (standard mark), 2 (custom mark) or 3 (both)
    NotAdmin identifier: not an admin of the app
    InternalError internal error, try again
    InternalError item: internal error, try again
    DatabaseTimeout the database did not answer in time: not begun, safe to send again
    ItemCount MarkItem: must hold 1 to 100 items, got 0
    ChatGroupGone item: ToGroupId: no such chat group, or it was destroyed
    ConversationsFull item: ContactItem: at most 1 conversations can be marked
    UnknownContactGroup GroupName[0]: no such conversation group
    ContactGroupsFull GroupContactItem[0].GroupName: at most 1 conversation groups
    ContactGroupNameLength UpdateGroup.NewGroupName: must be 1 to 32 bytes of UTF-8, got 33
    PinsFull item: RecentContactItem: at most 1 conversations can be pinned
    EditionTooLow the edition of this app has no standard marks and no conversation groups
    BadRequest the body must be at most 1048576 bytes
    BodyNotJson the body is not JSON: EOF while parsing an object at line 1 column 1
    CallerMissing identifier: missing from the query
    SdkAppIdInvalid sdkappid: must be a positive integer
    TooManyCalls rate: more than 1 calls per second of this command
    UnknownCommand no such service or command: expected POST /v4/<service>/<command>
    NotAdminOfDirectory identifier: not an admin of the app
    SdkAppIdMissing sdkappid: missing from the query
    AccountNotString From_Account: an account must be a string, got an integer
    AppDisabled sdkappid: the app is disabled
    UserSigExpired usersig: expired
    UserSigEmpty usersig: empty
    UserSigUnreadable usersig: invalid, perhaps cut short: it is not base64
    UserSigForged usersig: was not made with a secret key of this app
    UserSigOfOtherUser usersig: was made for another identifier
    UserSigOfOtherApp usersig: was made for another sdkappid
    UnknownApp sdkappid: no such app
    AccountMissing item: Err_TLS_PT_Open_Login_Account_Not_Exist
    EntryCount Accounts: must hold 1 to 100 items, got 0
    BadAccountParameter UserID: must be 1 to 32 bytes of UTF-8, got 0
    BadAccountParameter item: CheckItem[0].UserID: must be 1 to 32 bytes of UTF-8, got 33
    "#);
}

/// 36 characters: hex digits in five parts.
fn is_uuid(id: &str) -> bool {
    id.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && id.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

#[actix_web::test]
async fn an_internal_error_is_answered_with_the_request_id() {
    let app = TestApp::start().await;
    app.mark("user0", [set("user1", 0)]).await.assert_ok();
    // No request can cause an internal error, so a constraint refuses the write.
    let constraint =
        "ALTER TABLE conversations ADD CONSTRAINT nothing_new CHECK (standard_mark = 1)";
    sqlx::query(constraint).execute(&app.db).await.unwrap();
    let answer = app.mark("user0", [set("user1", 1)]).await;
    answer.assert_code(InternalError);
    let id = answer.info().strip_prefix("internal error, try again (request ").unwrap();
    let id = id.strip_suffix(")").unwrap();
    assert!(is_uuid(id), "{answer}");
    assert_eq!(app.marks("user0").await, [marked("user1", 1, "")]);
}
