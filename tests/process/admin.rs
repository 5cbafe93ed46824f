//! The console and the admin API.

use std::net::SocketAddr;

use serde_json::Value;
use testkit::postgres::Database;
use testkit::{APP, Answer, SECRET_KEY, Scratch, mark_body, request, request_with, text};

use crate::EARMARK;

const TOKEN: &str = "operator-token-of-the-process-tests";
const JSON: &str = "content-type: application/json\r\n";

/// Sends a request. Each header is a line with its `\r\n`.
fn ask(at: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    request_with(at, method, path, &format!("host: localhost\r\n{headers}"), body).unwrap()
}

#[test]
fn dev_serves_a_signed_in_console_and_the_admin_api() {
    let scratch = Scratch::create();
    let dev = EARMARK.start_dev(&scratch);
    let page = ask(dev.address, "GET", "/console", "", "");
    assert!(page.status == 200 && page.body.contains("/console/app.js"), "{page:?}");

    let bearer = format!("authorization: Bearer {}\r\n", dev.token);
    let session = ask(dev.address, "GET", "/console/session.json", &bearer, "").json();
    let query = format!(
        "sdkappid={}&identifier={}&usersig={}",
        session["sdkappid"],
        session["identifier"].as_str().unwrap(),
        session["usersig"].as_str().unwrap()
    );
    let path = format!("/v4/recentcontact/mark_contact?{query}");
    let marked = request(dev.address, "POST", &path, &mark_body("u", "p")).unwrap();
    assert_eq!(marked.code(), 0, "{marked:?}");

    let apps = ask(dev.address, "GET", "/admin/v1/apps", &bearer, "").json();
    assert_eq!(apps["apps"][0]["sdkappid"], session["sdkappid"], "{apps}");
    let json = format!("{bearer}{JSON}");
    let created = ask(dev.address, "POST", "/admin/v1/apps", &json, r#"{"sdkappid":5}"#);
    assert_eq!(created.status, 201, "{created:?}");
    let headers = format!("host: example.com\r\n{bearer}");
    let other_host = request_with(dev.address, "GET", "/admin/v1/apps", &headers, "").unwrap();
    assert_eq!(other_host.status, 403, "{other_host:?}");
    dev.process.stop();
}

/// They can connect, but cannot read the terminal of the user who has started `dev`.
#[test]
fn other_users_of_the_machine_get_neither_a_session_nor_the_admin_api_of_dev() {
    let scratch = Scratch::create();
    let first = EARMARK.start_dev(&scratch);
    let rotate = format!("/admin/v1/apps/{APP}/rotate-key");
    let check_closed = |at: SocketAddr, headers: &str, status: u16| {
        let session = ask(at, "GET", "/console/session.json", headers, "");
        assert!(!session.body.contains("usersig"), "{session:?}");
        let rotated = ask(at, "POST", &rotate, &format!("{headers}{JSON}"), "{}");
        assert_eq!(rotated.status, status, "{rotated:?}");
    };
    check_closed(first.address, "", 401);
    let bearer = format!("authorization: Bearer {}\r\n", first.token);
    // Through a proxy, the token does not help.
    check_closed(first.address, &format!("{bearer}x-forwarded-for: 192.0.2.7\r\n"), 403);
    first.process.stop();

    let second = EARMARK.start_dev(&scratch);
    assert_ne!(second.token, first.token);
    check_closed(second.address, &bearer, 401);
    second.process.stop();
}

#[test]
fn serve_has_no_console_and_no_admin_api_by_default() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    for path in ["/console", "/console/session.json", "/admin/v1/apps"] {
        let answer = ask(service.api, "GET", path, "", "");
        assert!(answer.body.contains("60009"), "{path}: {answer:?}");
    }
    assert_eq!(ask(service.admin, "GET", "/admin/v1/apps", "", "").status, 404);
    service.process.stop();
}

#[test]
fn the_operator_token_opens_the_admin_api_and_is_never_logged() {
    let (scratch, database) = (Scratch::create(), Database::create());
    EARMARK.prepare(&database.url);
    let file = text(&scratch.write("token", format!("{TOKEN}\n")));
    let program = EARMARK
        .serve(&database.url)
        .args(["--console", "--operator-token-file", &file])
        .env("EARMARK_LOG", "trace");
    let service = EARMARK.start(program);
    let bearer = format!("authorization: Bearer {TOKEN}\r\n{JSON}");
    let app = format!("/admin/v1/apps/{APP}");
    for at in [service.api, service.admin] {
        assert_eq!(ask(at, "GET", &app, "", "").status, 401);
        assert_eq!(ask(at, "GET", &app, &bearer, "").status, 200);
        let wrong = ask(at, "PATCH", &app, &bearer, r#"{"limits":{"pinned":"many"}}"#);
        assert_eq!((wrong.status, &wrong.json()["field"]), (400, &Value::from("limits.pinned")));
    }
    let rotated = ask(service.api, "POST", &format!("{app}/rotate-key"), &bearer, "{}").json();
    let key = rotated["secret_key"].as_str().unwrap().to_owned();
    let session = ask(service.api, "GET", "/console/session.json", "", "");
    assert_eq!(session.body, r#"{"mode":"serve"}"#);
    let exit = service.process.stop();
    let output = exit.stdout + &exit.stderr;
    assert!(output.contains("app changed by the admin API"), "changes are logged");
    for secret in [TOKEN, SECRET_KEY, &key] {
        assert!(!output.contains(secret), "a secret was logged");
    }
}

#[test]
fn a_changed_name_of_a_mark_is_logged_with_the_admin_who_changed_it() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let headers = format!("authorization: Bearer {}\r\n{JSON}", service.client().user_sig);
    let path = format!("/v1/apps/{APP}/marks/40");
    let named = ask(service.api, "PUT", &path, &headers, r#"{"name":"vip"}"#);
    assert_eq!(named.status, 200, "{named:?}");
    assert_eq!(ask(service.api, "DELETE", &path, &headers, "").status, 200);
    let exit = service.process.stop();
    let output = exit.stdout + &exit.stderr;
    let is_change = |line: &&str| line.contains("app changed by the native API");
    let lines: Vec<_> = output.lines().filter(is_change).collect();
    assert_eq!(lines.len(), 2, "{output}");
    for (line, what) in lines.into_iter().zip(["\"name-mark\"", "\"unname-mark\""]) {
        assert!(line.contains(what) && line.contains("administrator"), "{line}");
    }
}
