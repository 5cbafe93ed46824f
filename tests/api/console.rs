//! The console: its files, their headers, and the session of dev mode.

use std::net::SocketAddr;

use earmark::domain::SdkAppId;
use earmark::http::user_sig::UserSig;
use earmark::http::{Console, Environment, OperatorToken, Operators};
use serde_json::json;

use crate::support::*;

const TOKEN: &str = "the-token-in-the-printed-address";

/// A service with the console of dev mode, and its address.
async fn dev() -> (TestApp, SocketAddr) {
    let sdk_app_id = SdkAppId::new(APP).unwrap();
    let token = OperatorToken::parse(TOKEN).unwrap();
    let console = Console::SignedIn { sdk_app_id, identifier: ADMIN.to_owned() };
    start(Front { console, operators: Operators::ThisMachine(token), ..Front::default() }).await
}

/// Asks for the session, with the token and these headers.
async fn session(at: SocketAddr, host: &str, headers: &str) -> Page {
    let headers = format!("authorization: Bearer {TOKEN}\r\n{headers}");
    Page::get(at, host, "/console/session.json", &headers).await
}

async fn with(console: Console) -> (TestApp, SocketAddr) {
    start(Front { console, ..Front::default() }).await
}

async fn start(front: Front) -> (TestApp, SocketAddr) {
    let mut app = TestApp::start().await;
    let at = app.start_front(front).await;
    (app, at.api)
}

async fn get(at: SocketAddr, path: &str, headers: &str) -> Page {
    Page::get(at, "localhost", path, headers).await
}

#[actix_web::test]
async fn the_console_is_off_by_default() {
    let app = TestApp::start().await;
    for path in ["/console", "/console/app.js", "/console/session.json"] {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = raw(app.addresses.api, request.as_bytes()).await;
        answer.assert_code(UnknownCommand);
    }
}

#[actix_web::test]
async fn every_file_has_its_type_and_may_load_nothing_from_other_sites() {
    let (_app, at) = with(Console::On).await;
    for (path, content_type) in [
        ("/console", "text/html; charset=utf-8"),
        ("/console/", "text/html; charset=utf-8"),
        ("/console/index.html", "text/html; charset=utf-8"),
        ("/console/app.js", "text/javascript; charset=utf-8"),
        ("/console/app.css", "text/css; charset=utf-8"),
    ] {
        let page = get(at, path, "").await;
        assert_eq!((page.status, page.header("content-type")), (200, Some(content_type)), "{path}");
        assert_eq!(page.header("cache-control"), Some("no-cache"));
        check_guarded(&page);
    }
    for path in ["/console/nothing", "/console/../Cargo.toml", "/console/..%2f..%2fCargo.toml"] {
        let page = get(at, path, "").await;
        assert_eq!(page.status, 404, "{path}");
        check_guarded(&page);
    }
}

#[track_caller]
fn check_guarded(page: &Page) {
    assert_eq!(
        page.header("content-security-policy"),
        Some(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
}

#[actix_web::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let (_app, at) = with(Console::On).await;
    let first = get(at, "/console", "").await;
    let etag = first.header("etag").unwrap();
    for known in [etag, &format!("\"x\", {etag}"), etag.trim_start_matches("W/")] {
        let again = get(at, "/console", &format!("if-none-match: {known}\r\n")).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
        assert_eq!(again.header("etag"), Some(etag));
    }
    assert_eq!(get(at, "/console", "if-none-match: \"x\"\r\n").await.status, 200);
}

#[actix_web::test]
async fn files_are_compressed_for_clients_that_accept_gzip() {
    let (_app, at) = with(Console::On).await;
    for (path, coding) in
        [("/console", "gzip"), ("/console", "br, gzip"), ("/openapi.json", "gzip;q=0.5, *")]
    {
        let plain = get(at, path, "").await;
        assert_eq!(plain.header("content-encoding"), None);
        let page = get(at, path, &format!("accept-encoding: {coding}\r\n")).await;
        assert!(page.body.len() < plain.body.len(), "{path}");
        assert_eq!(page.header("content-encoding"), Some("gzip"), "{coding}");
        assert_eq!(page.header("vary"), Some("accept-encoding"));
        let mut inflated = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(page.body.as_slice());
        std::io::Read::read_to_end(&mut decoder, &mut inflated).unwrap();
        assert_eq!(inflated, plain.body);
    }
    for coding in ["br", "gzip;q=0", "gzip; q=0.000", "x-gzip"] {
        let page = get(at, "/console", &format!("accept-encoding: {coding}\r\n")).await;
        assert_eq!(page.header("content-encoding"), None, "{coding}");
    }
}

#[actix_web::test]
async fn the_session_of_dev_mode_can_call_the_api() {
    let (app, at) = dev().await;
    let page = session(at, "localhost", "sec-fetch-site: same-origin\r\n").await;
    let session = page.json();
    assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")), "{session}");
    assert_eq!(
        (&session["mode"], &session["sdkappid"], &session["identifier"]),
        (&json!("dev"), &json!(APP), &json!(ADMIN))
    );
    let usersig = session["usersig"].as_str().unwrap();
    assert!(UserSig::decode(usersig).is_ok());
    assert!(!page.text().contains(KEY));
    let answer = app.call_as(MARK_CONTACT, &query_of(APP, ADMIN, usersig), json!({})).await;
    answer.assert_code(BadParameter);
}

#[actix_web::test]
async fn without_the_token_of_the_printed_address_there_is_no_session() {
    let (_app, at) = dev().await;
    let page = get(at, "/console/session.json", "").await;
    assert_eq!((page.status, page.json()), (200, json!({ "mode": "dev" })));
    // The service does not look for the token in the query: the page removes it from the address.
    let in_query = get(at, &format!("/console/session.json?token={TOKEN}"), "").await;
    assert_eq!(in_query.json(), json!({ "mode": "dev" }));
    for wrong in ["Bearer x", &format!("Bearer {TOKEN}x"), &format!("Basic {TOKEN}"), "Bearer"] {
        let headers = format!("authorization: {wrong}\r\n");
        let page = get(at, "/console/session.json", &headers).await;
        assert_eq!(page.status, 401, "{wrong}: {page:?}");
        assert_eq!(page.header("content-type"), Some("application/problem+json"));
        assert!(!page.text().contains("usersig"), "{page:?}");
    }
}

#[actix_web::test]
async fn other_sites_and_proxies_get_no_session() {
    let (_app, at) = dev().await;
    for (host, headers) in [
        // A name of another site that resolves to this machine.
        ("example.com", ""),
        ("localhost.example.com:8080", ""),
        // Another page in the same browser.
        ("localhost", "sec-fetch-site: cross-site\r\n"),
        ("localhost", "sec-fetch-site: same-site\r\n"),
        ("localhost", "origin: http://example.com\r\n"),
        ("localhost", "origin: http://localhost:3000\r\n"),
        // A proxy on this machine.
        ("localhost", "forwarded: for=192.0.2.7\r\n"),
        ("localhost", "x-forwarded-for: 127.0.0.1\r\n"),
        ("localhost", "x-forwarded-host: localhost\r\n"),
        ("localhost", "x-real-ip: 127.0.0.1\r\n"),
        ("localhost", "via: 1.1 proxy\r\n"),
    ] {
        let page = session(at, host, headers).await;
        let answer = page.json();
        assert_eq!(page.status, 403, "{host} {headers}: {answer}");
        assert_eq!(page.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer["status"], 403);
        assert!(answer.get("usersig").is_none(), "{answer}");
    }
}

#[actix_web::test]
async fn the_console_of_serve_has_no_session() {
    let (_app, at) = with(Console::On).await;
    let session = get(at, "/console/session.json", "").await.json();
    assert_eq!(session, json!({ "mode": "serve" }));
}

#[actix_web::test]
async fn the_console_of_serve_names_its_environment() {
    let environment = Environment { label: "production".to_owned(), color: "red" };
    let (_app, at) = start(Front { console: Console::On, environment, ..Front::default() }).await;
    let session = get(at, "/console/session.json", "").await.json();
    assert_eq!(session, json!({ "mode": "serve", "label": "production", "color": "red" }));
}
