//! The console and the admin API as the program serves them.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::{
    APP, Answer, Database, Dev, KEY, Scratch, Service, mark_body, prepare, request, request_with,
    serve, text,
};

const TOKEN: &str = "operator-token-of-the-process-tests";
const JSON: &str = "content-type: application/json\r\n";

#[track_caller]
fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// `headers` are whole lines.
fn ask(at: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    request_with(at, method, path, &format!("host: localhost\r\n{headers}"), body).unwrap()
}

#[test]
fn a_try_out_has_a_console_that_is_signed_in_and_manages_apps() {
    let scratch = Scratch::new();
    let dev = Dev::start(&scratch);
    let page = ask(dev.address, "GET", "/console", "", "");
    assert!(page.status == 200 && page.body.contains("/console/app.js"), "{page:?}");

    let session = json(&ask(dev.address, "GET", "/console/session.json", "", ""));
    let query = format!(
        "sdkappid={}&identifier={}&usersig={}",
        session["sdkappid"],
        session["identifier"].as_str().unwrap(),
        session["usersig"].as_str().unwrap()
    );
    let path = format!("/v4/recentcontact/mark_contact?{query}");
    let marked = json(&request(dev.address, "POST", &path, &mark_body("u", "p")).unwrap());
    assert_eq!(marked["ErrorCode"], 0, "{marked}");

    let apps = json(&ask(dev.address, "GET", "/admin/v1/apps", "", ""));
    assert_eq!(apps["apps"][0]["sdkappid"], session["sdkappid"], "{apps}");
    let created = ask(dev.address, "POST", "/admin/v1/apps", JSON, r#"{"sdkappid":5}"#);
    assert_eq!(created.status, 201, "{created:?}");
    let elsewhere = request(dev.address, "GET", "/admin/v1/apps", "").unwrap();
    assert_eq!(elsewhere.status, 403, "by another name: {elsewhere:?}");
    dev.process.stop();
}

#[test]
fn a_service_has_neither_unless_it_is_told() {
    let database = Database::new();
    let service = Service::on(&database);
    for path in ["/console", "/console/session.json", "/admin/v1/apps"] {
        let answer = ask(service.api, "GET", path, "", "");
        assert!(answer.body.contains("60009"), "{path}: {answer:?}");
    }
    assert_eq!(ask(service.admin, "GET", "/admin/v1/apps", "", "").status, 404);
    service.process.stop();
}

#[test]
fn operators_have_a_token_that_stays_secret() {
    let (scratch, database) = (Scratch::new(), Database::new());
    prepare(&database.url);
    let file = text(&scratch.write("token", format!("{TOKEN}\n")));
    let program = serve(&database.url)
        .args(["--console", "--operator-token-file", &file])
        .env("EARMARK_LOG", "trace");
    let service = Service::start(program);
    let bearer = format!("authorization: Bearer {TOKEN}\r\n{JSON}");
    let app = format!("/admin/v1/apps/{APP}");
    for at in [service.api, service.admin] {
        assert_eq!(ask(at, "GET", &app, "", "").status, 401);
        assert_eq!(ask(at, "GET", &app, &bearer, "").status, 200);
        let wrong = ask(at, "PATCH", &app, &bearer, r#"{"limits":{"pinned":"many"}}"#);
        assert_eq!((wrong.status, &json(&wrong)["field"]), (400, &Value::from("limits.pinned")));
    }
    let rotated = json(&ask(service.api, "POST", &format!("{app}/rotate-key"), &bearer, "{}"));
    let key = rotated["secret_key"].as_str().unwrap().to_owned();
    let session = ask(service.api, "GET", "/console/session.json", "", "");
    assert_eq!(session.body, r#"{"mode":"serve"}"#);
    let ended = service.process.stop();
    let said = ended.stdout + &ended.stderr;
    assert!(said.contains("app changed by the admin API"), "who changes what is logged");
    for secret in [TOKEN, KEY, &key] {
        assert!(!said.contains(secret), "it was logged");
    }
}
