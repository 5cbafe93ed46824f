//! Who may use the admin API, and who may not.

use std::net::SocketAddr;

use earmark::http::{Console, OperatorToken, Operators};

use crate::support::*;

const TOKEN: &str = "operator-token-of-the-tests";

async fn with(console: Console, operators: Operators) -> (TestApp, SocketAddr, SocketAddr) {
    let mut app = TestApp::start().await;
    let at = app.start_front(Front { console, operators, ..Front::default() }).await;
    (app, at.api, at.admin.unwrap())
}

fn token() -> Operators {
    Operators::WithToken(OperatorToken::parse(TOKEN).unwrap())
}

fn bearer() -> String {
    format!("authorization: Bearer {TOKEN}\r\n")
}

async fn apps(at: SocketAddr, host: &str, headers: &str) -> Page {
    Page::get(at, host, "/admin/v1/apps", headers).await
}

#[track_caller]
fn check_refused(page: &Page, status: u16, detail: &str) {
    let answer = page.json();
    assert_eq!((page.status, answer["detail"].as_str()), (status, Some(detail)), "{page:?}");
    assert_eq!(page.header("content-type"), Some("application/problem+json"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(answer["status"], status);
    assert!(!page.text().contains(TOKEN), "{page:?}");
}

#[actix_web::test]
async fn without_a_token_there_is_no_admin_api() {
    let (app, api, admin) = with(Console::On, Operators::Off).await;
    let detail = "no operator token is set, so only tokens of `earmark token create` are let in";
    for at in [api, admin] {
        check_refused(&apps(at, "h", "").await, 404, detail);
        check_refused(&apps(at, "h", "authorization: Bearer x\r\n").await, 404, detail);
    }
    // Without a console, the path is unknown like any other path.
    let request = b"GET /admin/v1/apps HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    let answer = raw(app.addresses.api, request).await;
    answer.assert_code(UnknownCommand);
}

/// The console reads them where it reads apps: `dev` has no admin listener, and that of `serve` is on another origin.
#[actix_web::test]
async fn the_metrics_are_beside_the_console_for_operators_only() {
    let (_app, api, admin) = with(Console::On, token()).await;
    for at in [api, admin] {
        let page = Page::get(at, "h", "/admin/v1/metrics", &bearer()).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4"));
        assert!(page.text().contains("earmark_build_info{"), "{page:?}");
        let detail = "Authorization must be `Bearer` and the operator token";
        check_refused(&Page::get(at, "h", "/admin/v1/metrics", "").await, 401, detail);
    }
}

#[actix_web::test]
async fn only_the_token_opens_the_admin_api() {
    let (_app, api, admin) = with(Console::On, token()).await;
    for at in [api, admin] {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let page = apps(at, "h", &format!("authorization: {scheme} {TOKEN}\r\n")).await;
            assert_eq!(page.status, 200, "{page:?}");
        }
        let missing = "Authorization must be `Bearer` and the operator token";
        for headers in ["", "authorization: Basic b3A6b3A=\r\n", "authorization: Bearer\r\n"] {
            let page = apps(at, "h", headers).await;
            check_refused(&page, 401, missing);
            assert_eq!(page.header("www-authenticate"), Some("Bearer"));
        }
        let longer = format!("{TOKEN}x");
        for wrong in ["x", &TOKEN[1..], &longer, &TOKEN.to_uppercase(), &format!("{TOKEN} x")] {
            let page = apps(at, "h", &format!("authorization: Bearer {wrong}\r\n")).await;
            check_refused(&page, 401, "this is not the operator token");
            assert_eq!(page.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
        }
    }
    // With a token configured, this machine has no privilege. The service does not look for tokens in the query.
    check_refused(
        &Page::get(api, "localhost", &format!("/admin/v1/apps?token={TOKEN}"), "").await,
        401,
        "Authorization must be `Bearer` and the operator token",
    );
}

#[actix_web::test]
async fn without_a_console_the_admin_api_is_only_on_the_admin_address() {
    let (_app, api, admin) = with(Console::Off, token()).await;
    let headers = format!("authorization: Bearer {TOKEN}\r\n");
    assert_eq!(apps(api, "h", &headers).await.json()["ErrorCode"], UnknownCommand);
    assert_eq!(apps(admin, "h", &headers).await.status, 200);
}

#[actix_web::test]
async fn requests_of_other_sites_are_refused_even_with_the_token() {
    let (_app, api, _) = with(Console::On, token()).await;
    for from in [
        "sec-fetch-site: cross-site",
        "sec-fetch-site: same-site",
        "origin: http://example.com",
        "origin: null",
    ] {
        for line in
            ["GET /admin/v1/apps", "POST /admin/v1/apps", "DELETE /admin/v1/apps/1/admins/a"]
        {
            let headers = format!("authorization: Bearer {TOKEN}\r\n{from}\r\n");
            let page = Page::ask(api, "localhost:8080", line, &headers, "").await;
            check_refused(&page, 403, "the request was sent by a page of another site");
        }
    }
    let own = format!("authorization: Bearer {TOKEN}\r\norigin: http://localhost:8080\r\n");
    assert_eq!(apps(api, "localhost:8080", &own).await.status, 200);
}

#[actix_web::test]
async fn in_dev_mode_this_machine_is_let_in_with_the_token_and_under_its_own_name() {
    let operators = Operators::ThisMachine(OperatorToken::parse(TOKEN).unwrap());
    let (_app, api, admin) = with(Console::On, operators).await;
    let refused = "only this machine is let in, as localhost and without a proxy; --allow-remote lets others in";
    for at in [api, admin] {
        for host in ["localhost:8080", "127.0.0.1", "[::1]:8080"] {
            assert_eq!(apps(at, host, &bearer()).await.status, 200, "{host}");
            let same_origin = format!("{}sec-fetch-site: same-origin\r\n", bearer());
            assert_eq!(apps(at, host, &same_origin).await.status, 200);
            // Another user of the machine does not have the token.
            assert_eq!(apps(at, host, "").await.status, 401);
            let wrong = "authorization: Bearer operator-token-of-another\r\n";
            check_refused(&apps(at, host, wrong).await, 401, "this is not the operator token");
        }
        for host in ["example.com", "localhost.example.com", "192.0.2.7:8080"] {
            check_refused(&apps(at, host, &bearer()).await, 403, refused);
        }
        for forwarded in
            ["forwarded: for=192.0.2.7", "via: 1.1 proxy", "x-forwarded-for: 127.0.0.1"]
        {
            let headers = format!("{}{forwarded}\r\n", bearer());
            check_refused(&apps(at, "localhost", &headers).await, 403, refused);
        }
        let page = apps(at, "localhost", "sec-fetch-site: cross-site\r\n").await;
        check_refused(&page, 403, "the request was sent by a page of another site");
    }
}

#[actix_web::test]
async fn writes_must_be_json() {
    let (_app, api, _) = with(Console::On, token()).await;
    for line in [
        "POST /admin/v1/apps",
        "PATCH /admin/v1/apps/1400000001",
        "POST /admin/v1/apps/1400000001/rotate-key",
    ] {
        for headers in ["", "content-type: text/plain\r\n", "content-type: application/jsonp\r\n"] {
            let headers = format!("{}{headers}", bearer());
            let page = Page::ask(api, "localhost", line, &headers, "{}").await;
            check_refused(&page, 415, "Content-Type must be application/json");
        }
        let headers = format!("{}content-type: application/json; charset=utf-8\r\n", bearer());
        assert_ne!(Page::ask(api, "localhost", line, &headers, "{}").await.status, 415);
    }
}

#[actix_web::test]
async fn unknown_paths_and_methods_are_refused() {
    let (_app, api, _) = with(Console::On, token()).await;
    for (line, status) in [
        ("GET /admin/v1", 404),
        ("GET /admin/v1/nothing", 404),
        ("DELETE /admin/v1/apps", 405),
        ("PUT /admin/v1/apps/1400000001", 405),
        ("GET /admin/v1/apps/1400000001/rotate-key", 405),
    ] {
        let page = Page::ask(api, "localhost", line, &bearer(), "").await;
        assert_eq!(page.status, status, "{line}: {page:?}");
        assert_eq!(page.header("content-type"), Some("application/problem+json"), "{line}");
    }
}

#[test]
fn a_token_is_long_enough_and_fits_a_header() {
    for good in [&"x".repeat(16), TOKEN, &"x".repeat(5000)] {
        assert!(OperatorToken::parse(good).is_ok());
    }
    for bad in [
        "",
        &"x".repeat(15),
        "white space in the middle",
        "umläute-in-the-middle",
        "line\nbreak-in-the-middle",
    ] {
        assert!(OperatorToken::parse(bad).is_err(), "{bad:?}");
    }
    assert_eq!(
        format!("{:?}", OperatorToken::parse(TOKEN).unwrap()),
        "OperatorToken(SecretBox<[u8]>([REDACTED]))"
    );
}
