//! The checks before a call, in their order: a request that fails two checks gets the code of the first one.

use actix_web::http::Method;
use earmark::domain::{Directory, Edition};
use earmark::http::Console;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::document;
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
async fn only_the_exact_path_is_served() {
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
        answer.assert_refused(UnknownCommand, UNKNOWN_PATH);
    }
}

#[actix_web::test]
async fn the_path_is_checked_before_the_method() {
    let app = TestApp::start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = app.send(method, &url(&app, "/v4/nothing/here"), Vec::new()).await;
        answer.assert_refused(UnknownCommand, UNKNOWN_PATH);
    }
}

#[actix_web::test]
async fn the_method_is_checked_before_the_query() {
    let app = TestApp::start().await;
    for command in document::commands() {
        let url = url(&app, &format!("/v4/{command}"));
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
            let wanted = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = app.send(wanted, &url, b"{}".to_vec()).await;
            answer.assert_refused(BadRequest, &format!("{NOT_POST}{method}"));
        }
        let answer = app.send(Method::GET, &url, Vec::new()).await;
        answer.assert_refused(BadRequest, &format!("{NOT_POST}GET without a body"));
    }
}

#[actix_web::test]
async fn a_head_request_is_refused_without_a_body() {
    let app = TestApp::start().await;
    let path = format!("/v4/{MARK_CONTACT}");
    let request = format!("HEAD {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
    let answer = raw_text(app.addresses.api, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(body, "", "the answer to HEAD has no body");
}

#[actix_web::test]
async fn the_size_of_the_body_is_checked_before_the_query() {
    let app = TestApp::start().await;
    let body = " ".repeat(1024 * 1024 + 1);
    app.call_as(MARK_CONTACT, "", body).await.assert_refused(BadRequest, TOO_LARGE);
}

#[actix_web::test]
async fn the_parameters_of_the_query_are_checked_in_order() {
    let app = TestApp::start().await;
    let not_a_number = "sdkappid: must be a positive integer";
    let missing = |name| format!("{name}: missing from the query");
    for (query, code, info) in [
        ("", SdkAppIdMissing, missing("sdkappid")),
        ("SDKAppID=1&identifier=administrator", SdkAppIdMissing, missing("sdkappid")),
        ("sdkappid", SdkAppIdInvalid, not_a_number.to_owned()),
        ("sdkappid=", SdkAppIdInvalid, not_a_number.to_owned()),
        ("sdkappid=x", SdkAppIdInvalid, not_a_number.to_owned()),
        ("sdkappid=0", SdkAppIdInvalid, not_a_number.to_owned()),
        ("sdkappid=-1400000001", SdkAppIdInvalid, not_a_number.to_owned()),
        ("sdkappid=1400000001.0", SdkAppIdInvalid, not_a_number.to_owned()),
        ("sdkappid=9223372036854775808", SdkAppIdInvalid, not_a_number.to_owned()),
        ("sdkappid=7", CallerMissing, missing("identifier")),
        ("sdkappid=7&usersig=", CallerMissing, missing("identifier")),
        ("sdkappid=7&identifier=&usersig=x", CallerMissing, missing("identifier")),
        ("sdkappid=7&identifier=x", CallerMissing, missing("usersig")),
        ("sdkappid=7&identifier=x&usersig=", UserSigEmpty, "usersig: empty".to_owned()),
        ("sdkappid=7&identifier=x&usersig=x", UnknownApp, "sdkappid: no such app".to_owned()),
        (
            "sdkappid=9223372036854775807&identifier=x&usersig=x",
            UnknownApp,
            "sdkappid: no such app".to_owned(),
        ),
    ] {
        app.call_as(MARK_CONTACT, query, NOT_JSON).await.assert_refused(code, &info);
    }
}

#[actix_web::test]
async fn a_disabled_app_is_refused_before_the_usersig_is_read() {
    let app = TestApp::start().await;
    app.change(set_disabled(true)).await;
    let query = query_of(APP, ADMIN, "x");
    let info = "sdkappid: the app is disabled";
    app.call_as(MARK_CONTACT, &query, NOT_JSON).await.assert_refused(AppDisabled, info);
}

#[actix_web::test]
async fn the_properties_of_a_usersig_are_checked_in_order() {
    let app = TestApp::start().await;
    let other_key = "another-secret-key-0123456789abc";
    let cut_short = &user_sig(KEY, APP, ADMIN)[..40];
    for (sig, code, info) in [
        (
            "x".to_owned(),
            UserSigUnreadable,
            "usersig: invalid, perhaps cut short: it is not base64",
        ),
        (
            "eJw_".to_owned(),
            UserSigUnreadable,
            "usersig: invalid, perhaps cut short: it is not a zlib stream",
        ),
        (
            cut_short.to_owned(),
            UserSigUnreadable,
            "usersig: invalid, perhaps cut short: it is not a zlib stream",
        ),
        (
            user_sig(other_key, 7, "x"),
            UserSigForged,
            "usersig: was not made with a secret key of this app",
        ),
        (
            user_sig_from(0, KEY, 7, "x"),
            UserSigOfOtherUser,
            "usersig: was made for another identifier",
        ),
        (
            user_sig_from(0, KEY, 7, "user0"),
            UserSigOfOtherApp,
            "usersig: was made for another sdkappid",
        ),
        (user_sig_from(0, KEY, APP, "user0"), UserSigExpired, "usersig: expired"),
        (user_sig(KEY, APP, "user0"), NotAdmin, "identifier: not an admin of the app"),
    ] {
        let query = query_of(APP, "user0", &sig);
        app.call_as(MARK_CONTACT, &query, NOT_JSON).await.assert_refused(code, info);
    }
}

#[actix_web::test]
async fn a_usersig_is_valid_until_its_last_second() {
    let app = TestApp::start().await;
    let day_s = 24 * 3600;
    let now = unix_now();
    let call_with_sig_of = async |issued_at| {
        let query = query_of(APP, ADMIN, &user_sig_from(issued_at, KEY, APP, ADMIN));
        app.call_as(MARK_CONTACT, &query, good()).await
    };
    call_with_sig_of(now - day_s + 60).await.assert_ok();
    call_with_sig_of(now - day_s).await.assert_code(UserSigExpired);
    // The clock of the signer may be ahead.
    call_with_sig_of(now + day_s).await.assert_ok();
}

#[actix_web::test]
async fn an_accepted_usersig_is_refused_for_another_app_and_another_user() {
    let app = TestApp::start().await;
    app.add_app(APP + 1, KEY).await;
    let sig = user_sig(KEY, APP, ADMIN);
    app.call_as(MARK_CONTACT, &query_of(APP, ADMIN, &sig), good()).await.assert_ok();
    let other_app = query_of(APP + 1, ADMIN, &sig);
    app.call_as(MARK_CONTACT, &other_app, good()).await.assert_code(UserSigOfOtherApp);
    // The other name has the same length.
    let other_user = query_of(APP, "administrat0r", &sig);
    app.call_as(MARK_CONTACT, &other_user, good()).await.assert_code(UserSigOfOtherUser);
}

#[actix_web::test]
async fn a_usersig_that_inflates_to_too_much_is_refused() {
    let app = TestApp::start().await;
    let sig = user_sig(KEY, APP, &"x".repeat(5000));
    assert!(sig.len() < 1000, "it is small: {} bytes", sig.len());
    let info = "usersig: invalid, perhaps cut short: it is too large";
    let answer = app.call_as(MARK_CONTACT, &query_of(APP, ADMIN, &sig), good()).await;
    answer.assert_refused(UserSigUnreadable, info);
}

#[actix_web::test]
async fn every_call_of_a_user_who_is_no_admin_is_refused_with_the_code_of_the_service() {
    let app = TestApp::start().await;
    let query = query_of(APP, "user0", &user_sig(KEY, APP, "user0"));
    for command in document::commands() {
        let code =
            if command.starts_with("recentcontact/") { NotAdmin } else { NotAdminOfDirectory };
        let info = "identifier: not an admin of the app";
        app.call_as(command, &query, NOT_JSON).await.assert_refused(code, info);
    }
}

#[actix_web::test]
async fn the_caller_is_checked_before_the_rate_limit_and_the_rate_limit_before_the_body() {
    let app = TestApp::with_limits(&["calls-per-second=1"]).await;
    // The machine may be slow, so the test calls until it reaches the limit.
    let mut refused = app.call(MARK_CONTACT, NOT_JSON).await;
    for _ in 0..10_000 {
        if refused.code() != BodyNotJson {
            break;
        }
        refused = app.call(MARK_CONTACT, NOT_JSON).await;
    }
    refused.assert_refused(TooManyCalls, "rate: more than 1 calls per second of this command");
    let no_admin = query_of(APP, "user0", &user_sig(KEY, APP, "user0"));
    app.call_as(MARK_CONTACT, &no_admin, NOT_JSON).await.assert_code(NotAdmin);
}

#[actix_web::test]
async fn every_command_and_every_app_has_a_rate_limit_of_its_own() {
    let app = TestApp::with_limits(&["calls-per-second=1"]).await;
    app.add_app(APP + 1, KEY).await;
    let check = json!({ "CheckItem": [{ "UserID": "user0" }] });
    while app.call(MARK_CONTACT, good()).await.code() != TooManyCalls {}
    // The first call of another command, and the first call of another app.
    app.call(ACCOUNT_CHECK, check).await.assert_ok();
    let other = query_of(APP + 1, ADMIN, &user_sig(KEY, APP + 1, ADMIN));
    app.call_as(MARK_CONTACT, &other, NOT_JSON).await.assert_code(BodyNotJson);
}

#[actix_web::test]
async fn the_body_is_checked_in_order() {
    let app = TestApp::with(Edition::Trial, Directory::Owners).await;
    let many = |item: serde_json::Value| vec![item; 101];
    let wrong_type = json!({ "From_Account": 7, "MarkItem": 8 });
    let wrong_field = mark_contact("user0", many(json!({ "OptType": 9 })));
    let wrong_count = mark_contact("user0", many(set("user1", 0)));
    let wrong_edition = mark_contact("user0", [set("user1", 0)]);
    let wrong_user = mark_contact("user0", [custom("user1", "x")]);
    for (body, code) in [
        (NOT_JSON.to_owned(), BodyNotJson),
        (wrong_type.to_string(), AccountNotString),
        (wrong_field.to_string(), BadParameter),
        (wrong_count.to_string(), ItemCount),
        (wrong_edition.to_string(), EditionTooLow),
        (wrong_user.to_string(), UnknownUser),
    ] {
        app.call(MARK_CONTACT, &body).await.assert_code(code);
    }
    assert_eq!(app.state_rows().await, 0, "a refused call writes nothing");
}

#[actix_web::test]
async fn a_browser_is_led_to_the_console_or_told_what_is_here() {
    let mut app = TestApp::start().await;
    let ask = |accept: &str| {
        format!("GET / HTTP/1.1\r\nhost: here\r\naccept: {accept}\r\nconnection: close\r\n\r\n")
    };
    let browser = ask("text/html,application/xhtml+xml,*/*;q=0.8");
    let page = raw_text(app.addresses.api, browser.as_bytes()).await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("/openapi.json"), "{page}");
    let program = raw_text(app.addresses.api, ask("*/*").as_bytes()).await;
    assert!(program.contains("\"ErrorCode\":60009"), "{program}");
    let front = Front { console: Console::On, ..Front::default() };
    let address = app.start_front(front).await.api;
    let page = raw_text(address, browser.as_bytes()).await;
    assert!(page.starts_with("HTTP/1.1 302 "), "{page}");
    assert!(page.contains("location: /console\r\n"), "{page}");
}

#[actix_web::test]
async fn an_unknown_path_or_method_leaves_the_connection_open() {
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.addresses.api).await.unwrap();
    for request in [
        "POST /v4/openim/sendmsg HTTP/1.1\r\nhost: here\r\ncontent-length: 2\r\n\r\n{}",
        "DELETE /v4/recentcontact/top HTTP/1.1\r\nhost: here\r\n\r\n",
        "GET /nothing HTTP/1.1\r\nhost: here\r\n\r\n",
    ] {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "closed after {request}");
        }
    }
}

#[actix_web::test]
async fn both_addresses_serve_the_health_checks() {
    let app = TestApp::start().await;
    let admin = app.addresses.admin.unwrap();
    for (admin, path) in [admin, app.addresses.api]
        .into_iter()
        .flat_map(|address| ["/livez", "/readyz"].map(|path| (address, path)))
    {
        let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
        // The first check may take longer than a probe waits.
        until(async || {
            let answer = raw_text(admin, request.as_bytes()).await;
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n")
        })
        .await;
    }
}
