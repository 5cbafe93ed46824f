//! A real client over TLS, unmodified: `tencent_im_rs`. Its parser is the strictest of the clients that we know.

use std::process::Command;

use earmark::domain::Directory;
use earmark::http::Identity;
use serde_json::Value;
use tencent_im_rs::api::v4::TencentHelper;
use tencent_im_rs::api::v4::common::{
    AccountStatus, ActionStatus, AssistFlag, CompleteFlag, ContactItem, ContactOptType,
    ConversationType, MarkOptType, UpdateGroupType, UpdateType,
};
use tencent_im_rs::api::v4::im_open_login_svc::account_check::{
    AccountCheckRequest, CheckItem, api_account_check,
};
use tencent_im_rs::api::v4::im_open_login_svc::account_delete::{
    AccountDeleteRequest, DeleteItem, api_account_delete,
};
use tencent_im_rs::api::v4::im_open_login_svc::account_import::{
    AccountImportRequest, api_account_import,
};
use tencent_im_rs::api::v4::im_open_login_svc::multi_account_import::{
    MultiAccountImportRequest, api_multiaccount_import,
};
use tencent_im_rs::api::v4::recent_contact::create_contact_group::{
    CreateContactGroupRequest, GroupContactItem, api_create_contact_group,
};
use tencent_im_rs::api::v4::recent_contact::del_contact_group::{
    DelContactGroupRequest, api_del_contact_group,
};
use tencent_im_rs::api::v4::recent_contact::delete::{DeleteRequest, api_delete};
use tencent_im_rs::api::v4::recent_contact::get_contact_group::{
    GetContactGroupRequest, api_get_contact_group,
};
use tencent_im_rs::api::v4::recent_contact::get_list::{GetListRequest, api_get_list};
use tencent_im_rs::api::v4::recent_contact::mark_contact::{
    MarkContactRequest, MarkItem, api_mark_contact,
};
use tencent_im_rs::api::v4::recent_contact::search_contact_group::{
    SearchContactGroupRequest, api_search_contact_group,
};
use tencent_im_rs::api::v4::recent_contact::update_contact_group::{
    ContactUpdateItem, UpdateContactGroupRequest, UpdateGroup, api_update_contact_group,
};

use crate::support::*;

/// The server's address, in the environment of the process that the test starts for the client.
const SERVER: &str = "EARMARK_TEST_SERVER";

/// The client uses OpenSSL, which reads the certificate to trust from the environment. A process cannot change its own
/// environment safely, so the test starts itself again as the client.
#[actix_web::test]
async fn the_client_of_crates_io_is_served() {
    if let Some(server) = database::setting(SERVER) {
        return call_everything(&server).await;
    }
    let mut app = TestApp::with(earmark::domain::Edition::Premium, Directory::Owners).await;
    let identity = Identity::self_signed("localhost").unwrap();
    let folder = testkit::Scratch::create();
    let certificate = folder.path().join("certificate.pem");
    std::fs::write(&certificate, identity.certificate_pem().unwrap()).unwrap();
    let address = app.start_secure(identity).await;

    let client = actix_web::web::block(move || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tencent_im_rs::the_client_of_crates_io_is_served", "--nocapture"])
            .env(SERVER, format!("localhost:{}", address.port()))
            .env("SSL_CERT_FILE", certificate)
            .output()
            .unwrap()
    })
    .await
    .unwrap();

    let output = String::from_utf8_lossy(&client.stdout);
    let errors = String::from_utf8_lossy(&client.stderr);
    assert!(client.status.success() && output.contains("1 passed"), "{output}\n{errors}");
    assert_eq!(app.marks("user0").await, [marked("user1", 1 << 63 | 0b1110, "abcd")]);
}

async fn call_everything(server: &str) {
    let sig = user_sig(KEY, APP, ADMIN);
    let number = u32::try_from(APP).unwrap();
    let client = &mut TencentHelper::new(server.to_owned(), number, ADMIN.to_owned(), sig);

    let mut import = AccountImportRequest::new("user0");
    import.set_nick(Some("Nick")).set_face_url(Some("http://www.example.com"));
    let answer = api_account_import(client, import).await.unwrap();
    assert_eq!(
        (answer.action_status, answer.error_code.map(code)),
        (Some(ActionStatus::Ok), Some(Ok))
    );

    let names = vec!["user1", "", "user2"];
    let answer =
        api_multiaccount_import(client, MultiAccountImportRequest::new(names)).await.unwrap();
    assert_eq!(
        (answer.error_code.map(code), answer.fail_accounts),
        (Some(Ok), Some(vec![String::new()]))
    );

    let items = ["user2", "stranger", ""].map(CheckItem::new).into();
    let answer = api_account_check(client, AccountCheckRequest::new(items)).await.unwrap();
    let items = answer.result_item.unwrap();
    let found: Vec<_> =
        items.iter().map(|item| (&item.account_status, code(item.result_code))).collect();
    let absent = &AccountStatus::NotImported;
    assert_eq!(
        found,
        [(&AccountStatus::Imported, Ok), (absent, Ok), (absent, BadAccountParameter)]
    );

    let answer =
        api_mark_contact(client, MarkContactRequest::new("user0", vec![item()])).await.unwrap();
    assert_eq!(
        (answer.action_status, answer.error_code.map(code)),
        (Some(ActionStatus::Ok), Some(Ok))
    );
    let results = answer.result_item.unwrap();
    assert_eq!(results[0].mark_opt_type, MarkOptType::StandardAndCustom);
    assert_eq!(
        (code(results[0].result_code), results[0].contact_item.to_account()),
        (Ok, Some("user1"))
    );

    let answer =
        api_mark_contact(client, MarkContactRequest::new("stranger", vec![item()])).await.unwrap();
    assert_eq!(
        (answer.action_status, answer.error_code.map(code)),
        (Some(ActionStatus::Fail), Some(UnknownUser))
    );
    assert!(answer.result_item.is_none());

    change_contact_groups(client).await;
    read_back(client).await;
    delete_everything(client).await;
}

fn code(number: impl Into<Value>) -> Code {
    Code::read(&number.into())
}

/// A conversation with a user.
fn with(peer: &str) -> ContactItem {
    let mut contact_item = ContactItem::new(ConversationType::OneToOne);
    contact_item.set_to_account(Some(peer));
    contact_item
}

async fn change_contact_groups(client: &mut TencentHelper) {
    let contact_group = GroupContactItem::new("test0", vec![with("user1"), with("user2")]);
    let request = CreateContactGroupRequest::new("user0", vec![contact_group]);
    let answer = api_create_contact_group(client, request).await.unwrap();
    let made = &answer.group_result_item.unwrap()[0];
    assert_eq!((made.group_item.group_name(), made.group_item.group_id()), ("test0", 1));
    assert_eq!(
        made.result_item.iter().map(|item| code(item.result_code)).collect::<Vec<_>>(),
        [Ok, Ok]
    );

    let mut change = UpdateGroup::new(UpdateGroupType::GroupName, Vec::new());
    change.set_old_group_name(Some("test0")).set_new_group_name(Some("test1"));
    let request = UpdateContactGroupRequest::new("user0", UpdateType::AddOrDelete, change);
    let renamed = api_update_contact_group(client, request).await.unwrap();
    let renamed = renamed.update_group_result.unwrap();
    assert_eq!((renamed.group_name.as_str(), renamed.group_id), ("test1", 1));
    assert!(renamed.contact_result_item.is_empty());

    let changes = vec![
        ContactUpdateItem::new(ContactOptType::Add, with("user3")),
        ContactUpdateItem::new(ContactOptType::Delete, with("user2")),
    ];
    let mut change = UpdateGroup::new(UpdateGroupType::Conversation, changes);
    change.set_old_group_name(Some("test1"));
    let request = UpdateContactGroupRequest::new("user0", UpdateType::AddOrDelete, change);
    let answer = api_update_contact_group(client, request).await.unwrap();
    let items = answer.update_group_result.unwrap().contact_result_item;
    assert_eq!(items.iter().map(|item| code(item.result_code)).collect::<Vec<_>>(), [Ok, Ok]);
}

async fn read_back(client: &mut TencentHelper) {
    let wanted = vec![with("user2"), with("user1")];
    let request = SearchContactGroupRequest::new("user0", wanted);
    let answer = api_search_contact_group(client, request).await.unwrap();
    let found = answer.contact_result_item.unwrap();
    assert_eq!((found[0].standard_mark(), found[0].timestamp()), (Some(""), Some(0)));
    let mark = format!("1{}1110", "0".repeat(59));
    assert_eq!((found[1].standard_mark(), found[1].custom_mark()), (Some(&*mark), Some("abcd")));
    assert_eq!(found[1].contact_group_id(), Some(&vec![1]));
    assert_eq!(answer.group_item.unwrap()[0].group_name(), "test1");

    let request = GetContactGroupRequest::new("user0", 0);
    let answer = api_get_contact_group(client, request).await.unwrap();
    let all = answer.contact_item.unwrap();
    assert_eq!(
        all.iter().map(ContactItem::to_account).collect::<Vec<_>>(),
        [Some("user1"), Some("user3")]
    );
    assert_eq!((answer.complete_flag, answer.next_start_index), (Some(1), Some(0)));

    let request = GetListRequest::new("user0", 0, 0, 0, 0, AssistFlag::all());
    let answer = api_get_list(client, request).await.unwrap();
    assert_eq!(answer.session_item.unwrap().len(), 2);
    assert_eq!(answer.complete_flag, Some(CompleteFlag::FinishedYet));
}

async fn delete_everything(client: &mut TencentHelper) {
    let mut request = DeleteRequest::new("user0", ConversationType::OneToOne);
    request.set_to_account(Some("user3"));
    let answer = api_delete(client, request).await.unwrap();
    assert_eq!(
        (answer.action_status, answer.error_code.map(code)),
        (Some(ActionStatus::Ok), Some(Ok))
    );

    let request = DelContactGroupRequest::new("user0", vec!["test1"]);
    let answer = api_del_contact_group(client, request).await.unwrap();
    assert_eq!(answer.group_item.unwrap()[0].group_id(), 1);
    let request = DelContactGroupRequest::new("user0", vec!["test1"]);
    let answer = api_del_contact_group(client, request).await.unwrap();
    assert_eq!(
        (answer.action_status, answer.error_code.map(code)),
        (Some(ActionStatus::Fail), Some(UnknownContactGroup))
    );

    let items = ["user2", "stranger"].map(DeleteItem::new).into();
    let answer = api_account_delete(client, AccountDeleteRequest::new(items)).await.unwrap();
    let items = answer.result_item.unwrap();
    assert_eq!(
        items.iter().map(|item| code(item.result_code)).collect::<Vec<_>>(),
        [Ok, AccountMissing]
    );
}

fn item() -> MarkItem {
    let mut contact_item = ContactItem::new(ConversationType::OneToOne);
    contact_item.set_to_account(Some("user1"));
    let mut item = MarkItem::new(MarkOptType::StandardAndCustom, contact_item);
    item.set_set_mark(Some(vec![1, 2, 3, 63])).set_custom_mark(Some("abcd"));
    item
}
