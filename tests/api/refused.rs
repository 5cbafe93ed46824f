//! Why the last requests of an app were refused, and the id that each answer has.

use std::net::SocketAddr;

use earmark::http::{Console, OperatorToken, Operators};
use serde_json::{Value, json};

use crate::support::document::check_named;
use crate::support::*;

const TOKEN: &str = "operator-token-of-the-tests";

/// A service with a console and the admin API.
async fn open() -> (TestApp, SocketAddr, SocketAddr) {
    let mut app = TestApp::start().await;
    let operators = Operators::WithToken(OperatorToken::parse(TOKEN).unwrap());
    let front = Front { console: Console::On, operators, ..Front::default() };
    let at = app.start_front(front).await;
    (app, at.api, at.admin.unwrap())
}

async fn ask(at: SocketAddr, line: &str, headers: &str, body: &str) -> Page {
    let headers =
        format!("content-type: application/json\r\nauthorization: Bearer {TOKEN}\r\n{headers}");
    Page::ask(at, "localhost", line, &headers, body).await
}

/// The entries, newest first. Their times and ids are checked and taken out.
async fn refused(at: SocketAddr) -> Vec<Value> {
    let page = ask(at, &format!("GET /admin/v1/apps/{APP}/refused"), "", "").await;
    assert_eq!(page.status, 200, "{page:?}");
    let mut list = page.json();
    check_named("RefusedList", &list);
    let entries = list["refused"].as_array_mut().unwrap();
    for entry in entries.iter_mut() {
        let entry = entry.as_object_mut().unwrap();
        assert!(entry.shift_remove("at").unwrap().as_u64().unwrap() > 1_700_000_000);
        assert!(!entry.shift_remove("request_id").unwrap().as_str().unwrap().is_empty());
    }
    entries.clone()
}

#[actix_web::test]
async fn a_refused_call_is_kept_with_its_user_and_its_reason() {
    let (app, at, _) = open().await;
    let body = json!({ "From_Account": "u", "MarkItem": [{ "OptType": 7 }] });
    for _ in 0..2 {
        app.call_at(at, MARK_CONTACT, body.clone()).await.assert_code(BadParameter);
    }
    app.mark_at(at, "u", [set("p", 0)]).await.assert_ok();
    assert_eq!(
        refused(at).await,
        [json!({
            "call": "mark_contact", "code": 50002, "user": "u", "refused_items": null, "items": null, "times": 2,
            "info": "MarkItem[0].OptType: must be 1 (standard mark), 2 (custom mark) or 3 (both)",
        })]
    );
}

#[actix_web::test]
async fn a_call_of_which_items_were_refused_is_kept_with_their_number() {
    let (app, at, _) = open().await;
    app.change(set_limits(&["marked=1"])).await;
    app.mark_at(at, "u", [set("a", 0), set("b", 0), set("c", 0)]).await.assert_items([
        Ok,
        ConversationsFull,
        ConversationsFull,
    ]);
    assert_eq!(
        refused(at).await,
        [json!({
            "call": "mark_contact", "code": 51008, "user": "u", "refused_items": 2, "items": 3, "times": 1,
            "info": "ContactItem: at most 1 conversations can be marked",
        })]
    );
}

#[actix_web::test]
async fn a_refused_call_of_the_native_api_is_kept_with_the_user_of_its_path() {
    let (_app, at, _) = open().await;
    let sig = user_sig(KEY, APP, ADMIN);
    let path = format!("/v1/apps/{APP}/users/a%2Fb");
    let bearer = format!("authorization: Bearer {sig}\r\n");
    let line = format!("PATCH {path}/conversations/user/p");
    let page = Page::ask(at, "localhost", &line, &bearer, r#"{"set":["nothing"]}"#).await;
    assert_eq!(page.status, 400, "{page:?}");
    let changes = r#"{"changes":[{"type":"user","id":"p","add_to":["none"]}]}"#;
    let page = Page::ask(at, "localhost", &format!("POST {path}/batch"), &bearer, changes).await;
    assert_eq!(page.status, 200, "{page:?}");
    let kept = refused(at).await;
    let shown: Vec<_> =
        kept.iter().map(|entry| (&entry["call"], &entry["user"], &entry["code"])).collect();
    assert_eq!(
        shown,
        [
            (&json!("v1_batch"), &json!("a/b"), &json!(51009)),
            (&json!("v1_patch_conversation"), &json!("a/b"), &json!(50002)),
        ]
    );
}

#[actix_web::test]
async fn strangers_share_an_entry_that_names_no_user() {
    let (app, at, _) = open().await;
    let forged = user_sig("another-secret-key-0123456789abc", APP, ADMIN);
    for (command, user) in [(GET, "u"), (GET_LIST, "v")] {
        let url = format!("http://{at}/v4/{command}?{}", query_of(APP, ADMIN, &forged));
        let body = json!({ "From_Account": user }).to_string();
        app.send(awc::http::Method::POST, &url, body.into_bytes()).await.assert_code(UserSigForged);
    }
    // An app that does not exist has no entries: anyone could name it.
    let unknown = query_of(APP + 1, ADMIN, &forged);
    let url = format!("http://{at}/v4/{GET}?{unknown}");
    app.send(awc::http::Method::POST, &url, b"{}".to_vec()).await.assert_code(UnknownApp);
    assert_eq!(
        refused(at).await,
        [json!({
            "call": "get_list", "code": 70009, "user": null, "refused_items": null, "items": null, "times": 2,
            "info": "usersig: was not made with a secret key of this app",
        })]
    );
    let page = ask(at, &format!("GET /admin/v1/apps/{}/refused", APP + 1), "", "").await;
    assert_eq!(page.status, 404, "{page:?}");
}

#[actix_web::test]
async fn what_was_about_a_user_goes_when_the_user_is_erased() {
    let (app, at, _) = open().await;
    for user in ["stays", "goes"] {
        let body = json!({ "From_Account": user, "MarkItem": [] });
        app.call_at(at, MARK_CONTACT, body).await.assert_code(ItemCount);
    }
    let line = format!("DELETE /admin/v1/apps/{APP}/users/goes?confirm=goes");
    assert_eq!(ask(at, &line, "", "").await.status, 200);
    let users: Vec<_> = refused(at).await.iter().map(|entry| entry["user"].clone()).collect();
    assert_eq!(users, ["stays"]);
    let line = format!("POST /admin/v1/apps/{APP}/reset?confirm={APP}");
    assert_eq!(ask(at, &line, "", "{}").await.status, 200);
    assert_eq!(refused(at).await, EMPTY);
}

#[actix_web::test]
async fn every_answer_has_the_id_of_its_request() {
    let (_app, at, admin) = open().await;
    let browser = "accept: text/html\r\n";
    for (address, path, headers) in [
        (at, "/", browser),
        (at, "/console", ""),
        (at, "/console/app.js", ""),
        (at, "/console/nothing", ""),
        (at, "/console/session.json", ""),
        (at, "/openapi.json", ""),
        (at, "/v1/openapi.json", ""),
        (at, "/v1/nothing", ""),
        (at, "/v4/recentcontact/nothing", ""),
        (at, "/livez", ""),
        (at, "/admin/v1/apps", ""),
        (at, "/admin/v1/apps/7", ""),
        (at, "/admin/v1/apps", "authorization: Bearer wrong\r\n"),
        (admin, "/admin/v1/nothing", ""),
        (admin, "/metrics", ""),
        (admin, "/readyz", ""),
        (admin, "/nothing", ""),
    ] {
        let made = ask(address, &format!("GET {path}"), headers, "").await;
        assert!(made.header("x-request-id").is_some_and(|id| id.len() == 36), "{path}: {made:?}");
        let headers = format!("{headers}x-request-id: of-the-client\r\n");
        let sent = ask(address, &format!("GET {path}"), &headers, "").await;
        assert_eq!(sent.header("x-request-id"), Some("of-the-client"), "{path}: {sent:?}");
    }
}
