//! Recorded requests of real clients, byte for byte. The tests change only the app, the UserSig and the `Connection` header.

use earmark::domain::{Directory, Edition};
use earmark::service::AppChange;
use serde_json::json;

use crate::support::*;

/// The admin that the clients were recorded with.
const RECORDED_ADMIN: &str = "admin";

/// A recorded request, with a valid UserSig.
fn recorded(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/api/wire/{name}.http", env!("CARGO_MANIFEST_DIR"));
    let request = std::fs::read_to_string(path).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let identifier = if head.contains("identifier=administrator") { ADMIN } else { RECORDED_ADMIN };
    let is_connection = |line: &str| line.to_ascii_lowercase().starts_with("connection:");
    let lines: Vec<_> = head.lines().filter(|line| !is_connection(line)).collect();
    let head = lines.join("\r\n").replace("USERSIG", &user_sig(KEY, APP, identifier));
    format!("{head}\r\nConnection: close\r\n\r\n{body}").into_bytes()
}

async fn start() -> TestApp {
    let app = TestApp::with(Edition::Premium, Directory::Owners).await;
    app.change(AppChange::AddAdmin(RECORDED_ADMIN.to_owned())).await;
    app
}

/// Sends recorded requests. Each must be answered with its code.
async fn replay(app: &TestApp, client: &str, requests: &[(&str, Code)]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (name, code) in requests {
        let answer = raw(app.addresses.api, &recorded(&format!("{client}-{name}"))).await;
        answer.assert_code(*code);
        answers.push(answer);
    }
    answers
}

#[actix_web::test]
async fn the_typescript_client_is_served() {
    let app = start().await;
    let answers = replay(
        &app,
        "ts-xinling",
        &[
            ("account_import", Ok),
            ("multiaccount_import", Ok),
            ("account_check", Ok),
            ("mark_contact", Ok),
            ("create_contact_group", Ok),
            ("update_contact_group", Ok),
            ("search_contact_group", Ok),
            ("get_contact_group", Ok),
            ("get_list", Ok),
            ("del_contact_group", Ok),
            ("delete", Ok),
            ("account_delete", Ok),
        ],
    )
    .await;
    answers[3].assert_items([Ok; 3]);
    assert_eq!(answers[4]["GroupResultItem"][0]["GroupItem"]["GroupId"], 1);
    answers[5].assert_items([Ok]);
    let shown = &answers[6]["ContactResultItem"][0];
    assert_eq!((&shown["StandardMark"], &shown["CustomMark"]), (&json!("1110"), &json!("abcd")));
    assert_eq!(shown["ContactGroupId"], json!([1]));
    let all = answers[7]["ContactItem"].as_array().unwrap();
    assert_eq!(all.iter().map(peer_of).collect::<Vec<_>>(), ["user1", "@TGS#1N3RSUYG2", "user2"]);
    assert_eq!(all[2]["CustomMark"], "中文🙂");
    assert_eq!(answers[8]["SessionItem"].as_array().unwrap().len(), 3);
    assert_eq!(answers[11].item_codes()[0], Ok);
    assert_eq!(app.peers_on_pages("user0").await, ["@TGS#1N3RSUYG2", "user2"]);
}

#[actix_web::test]
async fn the_php_client_is_served_and_its_mistakes_are_refused_with_their_path() {
    let app = start().await;
    let answers = replay(
        &app,
        "php-lishun",
        &[
            ("account_import", Ok),
            ("account_import-2", Ok),
            ("multiaccount_import", Ok),
            ("account_check", Ok),
            ("account_check-2", BadAccountParameter),
            ("create_contact_group", Ok),
            ("create_contact_group-2", BadParameter),
            ("update_contact_group", Ok),
            ("update_contact_group-3", BadParameter),
            ("get_list", Ok),
            ("update_contact_group-2", Ok),
            ("delete", Ok),
            ("delete-2", Ok),
            ("del_contact_group", Ok),
            ("account_delete", Ok),
        ],
    )
    .await;
    let info = "CheckItem[0].UserID: missing, must be a string";
    answers[4].assert_refused(BadAccountParameter, info);
    answers[6].assert_refused(BadParameter, "GroupContactItem: must be an array, got an object");
    let info = "UpdateGroup.ContactUpdateItem[0].ContactItem: must be an object, got an array";
    answers[8].assert_refused(BadParameter, info);
    assert_eq!(answers[9]["SessionItem"].as_array().unwrap().len(), 2);
    assert_eq!(answers[10]["UpdateGroupResult"]["GroupName"], "test0x");
    assert_eq!(answers[10]["UpdateGroupResult"]["ContactResultItem"], json!([]));
    assert_eq!(answers[14].item_codes()[..2], [AccountMissing, AccountMissing]);
    assert!(app.all_pages("user0").await.is_empty());
}

#[actix_web::test]
async fn the_clients_for_go_node_and_other_php_are_served() {
    let app = TestApp::start().await;
    for name in [
        "php-vendor-create_group",
        "go-xjcloudy-create_group",
        "php-jimchen-import_group",
        "node-vendor-mark_contact",
        "node-vendor-top",
    ] {
        let request = String::from_utf8(recorded(name)).unwrap();
        let request = request.replace("sdkappid=1400000002", &format!("sdkappid={APP}"));
        raw(app.addresses.api, request.as_bytes()).await.assert_code(Ok);
    }
}
