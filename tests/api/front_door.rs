//! The checks that every call passes, in their order: a request that fails two of them gets the earlier code.

use actix_web::http::Method;
use earmark::domain::{Directory, Edition};
use serde_json::json;

use crate::support::*;

const NOT_JSON: &str = "{";
const NOT_POST: &str = "the method must be POST, got ";
const UNKNOWN_PATH: &str = "no such service or command: expected POST /v4/<service>/<command>";
const TOO_LARGE: &str = "the body must be at most 1048576 bytes";

fn url(app: &TestApp, path: &str) -> String {
    format!("http://{}{path}", app.addresses.api)
}

fn good() -> String {
    mark_contact("user0", [custom("user1", "x")]).to_string()
}

#[actix_web::test]
async fn a_path_is_served_letter_by_letter_or_not_at_all() {
    let app = TestApp::start().await;
    let query = query();
    for path in [
        "/",
        "/v4",
        "/v4/recentcontact",
        "/v4/recentcontact/",
        "/v4/recentcontact/mark_contact/",
        "/v4//recentcontact/mark_contact",
        "//v4/recentcontact/mark_contact",
        "/v4/recentcontact/Mark_Contact",
        "/V4/recentcontact/mark_contact",
        "/v3/recentcontact/mark_contact",
        "/v4/recentcontact/mark_contacts",
        "/v4/im_open_login_svc/mark_contact",
        "/v4/openim/sendmsg",
        "/livez",
        "/metrics",
        "/v4/recentcontact/%00",
        "/v4/recentcontact/%ff",
    ] {
        let url = url(&app, &format!("{path}?{query}"));
        let answer = app.send(Method::POST, &url, good().into()).await;
        assert_fails(&answer.json, 60009, UNKNOWN_PATH);
    }
}

#[actix_web::test]
async fn the_path_comes_before_the_method() {
    let app = TestApp::start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = app.send(method, &url(&app, "/v4/nothing/here"), Vec::new()).await;
        assert_fails(&answer.json, 60009, UNKNOWN_PATH);
    }
}

#[actix_web::test]
async fn the_method_comes_before_the_query() {
    let app = TestApp::start().await;
    for command in COMMANDS {
        let url = url(&app, &format!("/v4/{command}"));
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
            let wanted = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = app.send(wanted, &url, b"{}".to_vec()).await;
            assert_fails(&answer.json, 60002, &format!("{NOT_POST}{method}"));
        }
        let answer = app.send(Method::GET, &url, Vec::new()).await;
        assert_fails(&answer.json, 60002, &format!("{NOT_POST}GET without a body"));
    }
}

#[actix_web::test]
async fn a_head_is_answered_as_the_failure_it_is() {
    let app = TestApp::start().await;
    let path = format!("/v4/{MARK_CONTACT}");
    let request = format!("HEAD {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
    let answer = raw_text(app.addresses.api, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(body, "", "a HEAD has no body to its answer");
}

#[actix_web::test]
async fn the_size_of_the_body_comes_before_the_query() {
    let app = TestApp::start().await;
    let body = " ".repeat(1024 * 1024 + 1);
    assert_fails(&app.ask(MARK_CONTACT, "", body).await, 60002, TOO_LARGE);
}

#[actix_web::test]
async fn what_the_query_lacks_is_named_one_after_the_other() {
    let app = TestApp::start().await;
    let not_a_number = "sdkappid: must be a positive integer";
    let missing = |name| format!("{name}: missing from the query");
    for (query, code, info) in [
        ("", 60012, missing("sdkappid")),
        ("SDKAppID=1&identifier=administrator", 60012, missing("sdkappid")),
        ("sdkappid", 60006, not_a_number.to_owned()),
        ("sdkappid=", 60006, not_a_number.to_owned()),
        ("sdkappid=x", 60006, not_a_number.to_owned()),
        ("sdkappid=0", 60006, not_a_number.to_owned()),
        ("sdkappid=-1400000001", 60006, not_a_number.to_owned()),
        ("sdkappid=1400000001.0", 60006, not_a_number.to_owned()),
        ("sdkappid=9223372036854775808", 60006, not_a_number.to_owned()),
        ("sdkappid=7", 60004, missing("identifier")),
        ("sdkappid=7&usersig=", 60004, missing("identifier")),
        ("sdkappid=7&identifier=&usersig=x", 60004, missing("identifier")),
        ("sdkappid=7&identifier=x", 60004, missing("usersig")),
        ("sdkappid=7&identifier=x&usersig=", 70002, "usersig: empty".to_owned()),
        ("sdkappid=7&identifier=x&usersig=x", 70020, "sdkappid: no such app".to_owned()),
        (
            "sdkappid=9223372036854775807&identifier=x&usersig=x",
            70020,
            "sdkappid: no such app".to_owned(),
        ),
    ] {
        assert_fails(&app.ask(MARK_CONTACT, query, NOT_JSON).await, code, &info);
    }
}

#[actix_web::test]
async fn a_disabled_app_comes_before_the_usersig() {
    let app = TestApp::start().await;
    app.change(disabled(true)).await;
    let query = query_of(APP, ADMIN, "x");
    let info = "sdkappid: the app is disabled";
    assert_fails(&app.ask(MARK_CONTACT, &query, NOT_JSON).await, 60016, info);
}

#[actix_web::test]
async fn what_is_wrong_with_a_usersig_is_named_in_order() {
    let app = TestApp::start().await;
    let other_key = "another-secret-key-0123456789abc";
    let cut_short = &user_sig(KEY, APP, ADMIN)[..40];
    for (sig, code, info) in [
        ("x".to_owned(), 70003, "usersig: invalid, perhaps cut short: it is not base64"),
        ("eJw_".to_owned(), 70003, "usersig: invalid, perhaps cut short: it is not a zlib stream"),
        (
            cut_short.to_owned(),
            70003,
            "usersig: invalid, perhaps cut short: it is not a zlib stream",
        ),
        (user_sig(other_key, 7, "x"), 70009, "usersig: was not made with a secret key of this app"),
        (user_sig_from(0, KEY, 7, "x"), 70013, "usersig: was made for another identifier"),
        (user_sig_from(0, KEY, 7, "nobody"), 70014, "usersig: was made for another sdkappid"),
        (user_sig_from(0, KEY, APP, "nobody"), 70001, "usersig: expired"),
        (user_sig(KEY, APP, "nobody"), 50003, "identifier: not an admin of the app"),
    ] {
        let query = query_of(APP, "nobody", &sig);
        assert_fails(&app.ask(MARK_CONTACT, &query, NOT_JSON).await, code, info);
    }
}

#[actix_web::test]
async fn a_usersig_is_good_until_its_last_second() {
    let app = TestApp::start().await;
    let day_s = 24 * 3600;
    let now = unix_now();
    let ask = async |issued_at| {
        let query = query_of(APP, ADMIN, &user_sig_from(issued_at, KEY, APP, ADMIN));
        app.ask(MARK_CONTACT, &query, good()).await["ErrorCode"].as_u64().unwrap()
    };
    assert_eq!(ask(now - day_s + 60).await, 0, "it has a minute to go");
    assert_eq!(ask(now - day_s).await, 70001, "its time is over this second");
    assert_eq!(ask(now + day_s).await, 0, "a clock that is ahead is no reason to refuse");
}

#[actix_web::test]
async fn a_usersig_that_was_good_is_not_good_for_anything_else() {
    let app = TestApp::start().await;
    app.add_app(APP + 1, KEY).await;
    let sig = user_sig(KEY, APP, ADMIN);
    assert_eq!(app.ask(MARK_CONTACT, &query_of(APP, ADMIN, &sig), good()).await["ErrorCode"], 0);
    let for_another_app = app.ask(MARK_CONTACT, &query_of(APP + 1, ADMIN, &sig), good()).await;
    assert_eq!(for_another_app["ErrorCode"], 70014);
    // As long a name, so that only the name can tell them apart.
    let for_another_user =
        app.ask(MARK_CONTACT, &query_of(APP, "administrat0r", &sig), good()).await;
    assert_eq!(for_another_user["ErrorCode"], 70013);
}

#[actix_web::test]
async fn a_small_usersig_that_inflates_to_a_large_one_is_refused() {
    let app = TestApp::start().await;
    let sig = user_sig(KEY, APP, &"x".repeat(5000));
    assert!(sig.len() < 1000, "it is small: {} bytes", sig.len());
    let info = "usersig: invalid, perhaps cut short: it is too large";
    assert_fails(&app.ask(MARK_CONTACT, &query_of(APP, ADMIN, &sig), good()).await, 70003, info);
}

#[actix_web::test]
async fn only_an_admin_may_call_and_each_service_says_so_with_its_own_code() {
    let app = TestApp::start().await;
    let query = query_of(APP, "user0", &user_sig(KEY, APP, "user0"));
    for command in COMMANDS {
        let code = if command.starts_with("recentcontact/") { 50003 } else { 60010 };
        let info = "identifier: not an admin of the app";
        assert_fails(&app.ask(command, &query, NOT_JSON).await, code, info);
    }
}

#[actix_web::test]
async fn who_calls_comes_before_how_often_and_that_before_the_body() {
    let app = TestApp::with_limits(&["calls-per-second=1"]).await;
    // How fast this test is, is not in its hands: it asks until the limit is met.
    let mut refused = app.call(MARK_CONTACT, NOT_JSON).await;
    for _ in 0..10_000 {
        if refused["ErrorCode"] != 60003 {
            break;
        }
        refused = app.call(MARK_CONTACT, NOT_JSON).await;
    }
    assert_fails(&refused, 60007, "more than 1 calls per second of this command");
    let nobody = query_of(APP, "nobody", &user_sig(KEY, APP, "nobody"));
    assert_eq!(app.ask(MARK_CONTACT, &nobody, NOT_JSON).await["ErrorCode"], 50003);
}

#[actix_web::test]
async fn commands_and_apps_are_counted_apart() {
    let app = TestApp::with_limits(&["calls-per-second=1"]).await;
    app.add_app(APP + 1, KEY).await;
    let check = json!({ "CheckItem": [{ "UserID": "user0" }] });
    // The only call of this command, and the only one for that app.
    while app.call(MARK_CONTACT, good()).await["ErrorCode"] != 60007 {}
    assert_eq!(app.call(ACCOUNT_CHECK, check).await["ErrorCode"], 0);
    let other = query_of(APP + 1, ADMIN, &user_sig(KEY, APP + 1, ADMIN));
    assert_eq!(app.ask(MARK_CONTACT, &other, NOT_JSON).await["ErrorCode"], 60003);
}

#[actix_web::test]
async fn the_body_is_json_before_its_fields_are_right_before_their_count_is() {
    let app = TestApp::with(Edition::Trial, Directory::Owners).await;
    let many = |item: serde_json::Value| vec![item; 101];
    let wrong_type = json!({ "From_Account": 7, "MarkItem": 8 });
    let wrong_field = mark_contact("nobody", many(json!({ "OptType": 9 })));
    let wrong_count = mark_contact("nobody", many(set("user1", 0)));
    let wrong_edition = mark_contact("nobody", [set("user1", 0)]);
    let wrong_user = mark_contact("nobody", [custom("user1", "x")]);
    for (body, code) in [
        (NOT_JSON.to_owned(), 60003),
        (wrong_type.to_string(), 60015),
        (wrong_field.to_string(), 50002),
        (wrong_count.to_string(), 51006),
        (wrong_edition.to_string(), 51013),
        (wrong_user.to_string(), 50001),
    ] {
        assert_eq!(app.call(MARK_CONTACT, &body).await["ErrorCode"], code, "{body:.100}");
    }
    assert_eq!(app.state_rows().await, 0, "what fails as a whole has written nothing");
}

#[actix_web::test]
async fn operators_ask_after_health_on_an_address_of_its_own() {
    let app = TestApp::start().await;
    let admin = app.addresses.admin.unwrap();
    for path in ["/livez", "/readyz"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
        let answer = raw_text(admin, request.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"),
            "{answer}"
        );
    }
}
