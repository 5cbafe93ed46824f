//! Requests of two real clients, as they were recorded byte for byte: only the UserSig is made anew, and each asks for
//! its connection to be closed.

use earmark::domain::{Directory, Edition};
use earmark::service::AppChange;
use serde_json::{Value, json};

use crate::support::*;

/// The admin that the clients were recorded with.
const RECORDED_ADMIN: &str = "admin";

/// The request as it was recorded, with a UserSig that is good today.
fn recorded(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/api/wire/{name}.http", env!("CARGO_MANIFEST_DIR"));
    let request = std::fs::read_to_string(path).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let is_connection = |line: &str| line.to_ascii_lowercase().starts_with("connection:");
    let lines: Vec<_> = head.lines().filter(|line| !is_connection(line)).collect();
    let head = lines.join("\r\n").replace("USERSIG", &user_sig(KEY, APP, RECORDED_ADMIN));
    format!("{head}\r\nConnection: close\r\n\r\n{body}").into_bytes()
}

async fn start() -> TestApp {
    let app = TestApp::with(Edition::Premium, Directory::Owners).await;
    app.change(AppChange::AddAdmin(RECORDED_ADMIN.to_owned())).await;
    app
}

/// Replays requests in the order in which the client meant them.
async fn replay(app: &TestApp, client: &str, requests: &[(&str, u64)]) -> Vec<Value> {
    let mut answers = Vec::new();
    for (name, code) in requests {
        let answer = raw(app.addresses.api, &recorded(&format!("{client}-{name}"))).await.json;
        assert_eq!(answer["ErrorCode"], *code, "{name}: {answer}");
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
            ("account_import", 0),
            ("multiaccount_import", 0),
            ("account_check", 0),
            ("mark_contact", 0),
            ("create_contact_group", 0),
            ("update_contact_group", 0),
            ("search_contact_group", 0),
            ("get_contact_group", 0),
            ("get_list", 0),
            ("del_contact_group", 0),
            ("delete", 0),
            ("account_delete", 0),
        ],
    )
    .await;
    assert_eq!(outcome(&answers[3]), (0, vec![0; 3]));
    assert_eq!(answers[4]["GroupResultItem"][0]["GroupItem"]["GroupId"], 1);
    assert_eq!(outcome(&answers[5]), (0, vec![0]));
    let shown = &answers[6]["ContactResultItem"][0];
    assert_eq!((&shown["StandardMark"], &shown["CustomMark"]), (&json!("1110"), &json!("abcd")));
    assert_eq!(shown["ContactGroupId"], json!([1]));
    let all = answers[7]["ContactItem"].as_array().unwrap();
    assert_eq!(all.iter().map(peer_of).collect::<Vec<_>>(), ["user1", "@TGS#1N3RSUYG2", "user2"]);
    assert_eq!(all[2]["CustomMark"], "中文🙂");
    assert_eq!(answers[8]["SessionItem"].as_array().unwrap().len(), 3);
    assert_eq!(answers[11]["ResultItem"][0]["ResultCode"], 0);
    assert_eq!(app.found("user0").await, ["@TGS#1N3RSUYG2", "user2"]);
}

#[actix_web::test]
async fn the_php_client_is_served_and_told_what_is_wrong_with_its_slips() {
    let app = start().await;
    let answers = replay(
        &app,
        "php-lishun",
        &[
            ("account_import", 0),
            ("account_import-2", 0),
            ("multiaccount_import", 0),
            ("account_check", 0),
            ("account_check-2", 70402),
            ("create_contact_group", 0),
            ("create_contact_group-2", 50002),
            ("update_contact_group", 0),
            ("update_contact_group-3", 50002),
            ("get_list", 0),
            ("update_contact_group-2", 0),
            ("delete", 0),
            ("delete-2", 0),
            ("del_contact_group", 0),
            ("account_delete", 0),
        ],
    )
    .await;
    assert_fails(&answers[4], 70402, "CheckItem[0].UserID: missing, must be a string");
    assert_fails(&answers[6], 50002, "GroupContactItem: must be an array, got an object");
    let info = "UpdateGroup.ContactUpdateItem[0].ContactItem: must be an object, got an array";
    assert_fails(&answers[8], 50002, info);
    assert_eq!(answers[9]["SessionItem"].as_array().unwrap().len(), 2);
    assert_eq!(answers[10]["UpdateGroupResult"]["GroupName"], "test0x");
    assert_eq!(answers[10]["UpdateGroupResult"]["ContactResultItem"], json!([]));
    let deleted: Vec<_> = answers[14]["ResultItem"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&deleted[0]["ResultCode"], &deleted[1]["ResultCode"]),
        (&json!(70107), &json!(70107))
    );
    assert!(app.everything("user0").await.is_empty());
}
