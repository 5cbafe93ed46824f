//! A real client, unmodified, over TLS: `tencent_im_rs`, the strictest parser of those that are known.

use std::process::Command;

use earmark::domain::Directory;
use earmark::http::Identity;
use tencent_im_rs::api::v4::TencentHelper;
use tencent_im_rs::api::v4::common::{
    AccountStatus, ActionStatus, ContactItem, ConversationType, MarkOptType,
};
use tencent_im_rs::api::v4::im_open_login_svc::account_check::{
    AccountCheckRequest, CheckItem, api_account_check,
};
use tencent_im_rs::api::v4::im_open_login_svc::account_import::{
    AccountImportRequest, api_account_import,
};
use tencent_im_rs::api::v4::im_open_login_svc::multi_account_import::{
    MultiAccountImportRequest, api_multiaccount_import,
};
use tencent_im_rs::api::v4::recent_contact::mark_contact::{
    MarkContactRequest, MarkItem, api_mark_contact,
};

use crate::support::*;

/// Where the server is; set in the process that the test starts for the client.
const SERVER: &str = "EARMARK_TEST_SERVER";

/// The client goes by OpenSSL, which takes a certificate to trust from the environment, and a process must not change
/// its own: so the test runs once more, as the client.
#[actix_web::test]
async fn the_client_of_crates_io_is_served() {
    if let Some(server) = database::setting(SERVER) {
        return call_everything(&server).await;
    }
    let mut app = TestApp::with(earmark::domain::Edition::Premium, Directory::Owners).await;
    let identity = Identity::self_signed("localhost").unwrap();
    let folder = database::TempFolder::new("certificate");
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

    let said = String::from_utf8_lossy(&client.stdout);
    let complained = String::from_utf8_lossy(&client.stderr);
    assert!(client.status.success() && said.contains("1 passed"), "{said}\n{complained}");
    assert_eq!(app.marks("user0").await, [marked("user1", 1 << 63 | 0b1110, "abcd")]);
}

async fn call_everything(server: &str) {
    let sig = user_sig(KEY, APP, ADMIN);
    let number = u32::try_from(APP).unwrap();
    let client = &mut TencentHelper::new(server.to_owned(), number, ADMIN.to_owned(), sig);

    let mut import = AccountImportRequest::new("user0");
    import.set_nick(Some("Nick")).set_face_url(Some("http://www.example.com"));
    let answer = api_account_import(client, import).await.unwrap();
    assert_eq!((answer.action_status, answer.error_code), (Some(ActionStatus::Ok), Some(0)));

    let names = vec!["user1", "", "user2"];
    let answer =
        api_multiaccount_import(client, MultiAccountImportRequest::new(names)).await.unwrap();
    assert_eq!((answer.error_code, answer.fail_accounts), (Some(0), Some(vec![String::new()])));

    let items = ["user2", "nobody", ""].map(CheckItem::new).into();
    let answer = api_account_check(client, AccountCheckRequest::new(items)).await.unwrap();
    let items = answer.result_item.unwrap();
    let found: Vec<_> = items.iter().map(|item| (&item.account_status, item.result_code)).collect();
    let absent = &AccountStatus::NotImported;
    assert_eq!(found, [(&AccountStatus::Imported, 0), (absent, 0), (absent, 70402)]);

    let answer =
        api_mark_contact(client, MarkContactRequest::new("user0", vec![item()])).await.unwrap();
    assert_eq!((answer.action_status, answer.error_code), (Some(ActionStatus::Ok), Some(0)));
    let results = answer.result_item.unwrap();
    assert_eq!(results[0].mark_opt_type, MarkOptType::StandardAndCustom);
    assert_eq!((results[0].result_code, results[0].contact_item.to_account()), (0, Some("user1")));

    let answer =
        api_mark_contact(client, MarkContactRequest::new("stranger", vec![item()])).await.unwrap();
    assert_eq!((answer.action_status, answer.error_code), (Some(ActionStatus::Fail), Some(50001)));
    assert!(answer.result_item.is_none());
}

fn item() -> MarkItem {
    let mut contact_item = ContactItem::new(ConversationType::OneToOne);
    contact_item.set_to_account(Some("user1"));
    let mut item = MarkItem::new(MarkOptType::StandardAndCustom, contact_item);
    item.set_set_mark(Some(vec![1, 2, 3, 63])).set_custom_mark(Some("abcd"));
    item
}
