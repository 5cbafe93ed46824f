//! Which pages of other sites may call the native API.

use std::net::SocketAddr;

use earmark::domain::Origin;
use earmark::service::{AppChange, AppSettings};
use futures_util::future::join_all;

use crate::support::*;

const ALLOWED: &str = "https://chat.example.com";
const USER: &str = "/v1/apps/1400000001/users/user0";

/// A service whose app allows [`ALLOWED`] and another origin.
async fn start() -> TestApp {
    let app = TestApp::start().await;
    allow(&app, &["http://localhost:3000", ALLOWED]).await;
    app
}

async fn allow(app: &TestApp, origins: &[&str]) {
    let origins = origins.iter().map(|origin| Origin::parse(origin).unwrap()).collect();
    let settings = AppSettings { allowed_origins: Some(origins), ..AppSettings::default() };
    app.change(AppChange::Set(settings)).await;
}

async fn ask(at: SocketAddr, line: &str, headers: &[(&str, &str)]) -> Page {
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    Page::ask(at, "localhost", line, &headers, "").await
}

async fn preflight(at: SocketAddr, path: &str, origin: &str) -> Page {
    let headers = [("origin", origin), ("access-control-request-method", "PATCH")];
    ask(at, &format!("OPTIONS {path}"), &headers).await
}

/// The headers for a page: which origin may read, and what the answer depends on.
fn shared(page: &Page) -> (Option<&str>, Option<&str>) {
    (page.header("access-control-allow-origin"), page.header("vary"))
}

#[actix_web::test]
async fn a_preflight_says_what_a_page_of_an_allowed_origin_may_send() {
    let app = start().await;
    for origin in [ALLOWED, "http://localhost:3000"] {
        let page = preflight(app.addresses.api, USER, origin).await;
        assert_eq!((page.status, page.text().as_str()), (204, ""), "{page:?}");
        assert_eq!(shared(&page), (Some(origin), Some("Origin")));
        for (name, value) in [
            ("access-control-allow-methods", "GET"),
            (
                "access-control-allow-headers",
                "Authorization, Content-Type, If-Match, Last-Event-ID",
            ),
            ("access-control-max-age", "600"),
        ] {
            assert_eq!(page.header(name), Some(value), "{page:?}");
        }
        assert_eq!(page.header("access-control-allow-credentials"), None, "there are no cookies");
    }
}

#[actix_web::test]
async fn a_preflight_of_another_origin_allows_nothing() {
    let app = start().await;
    for origin in ["https://other.example.com", "http://chat.example.com", "null", "*", ""] {
        let page = preflight(app.addresses.api, USER, origin).await;
        assert_eq!((page.status, shared(&page)), (204, (None, Some("Origin"))), "{page:?}");
        assert_eq!(page.header("access-control-allow-methods"), None, "{page:?}");
        assert_eq!(page.header("access-control-allow-headers"), None, "{page:?}");
    }
}

#[actix_web::test]
async fn every_answer_to_an_allowed_origin_can_be_read_by_its_page() {
    let app = start().await;
    let at = app.addresses.api;
    let bearer = format!("Bearer {}", user_sig(KEY, APP, ADMIN));
    let (known, stranger) = (("authorization", bearer.as_str()), ("authorization", "Bearer x"));
    for (line, caller, status) in [
        (format!("GET {USER}"), known, 200),
        (format!("GET {USER}"), stranger, 401),
        (format!("GET {USER}/conversations/room/x"), known, 400),
        (format!("POST {USER}"), known, 405),
        ("GET /v1/apps/1400000001/nothing".to_owned(), known, 404),
    ] {
        let page = ask(at, &line, &[("origin", ALLOWED), caller]).await;
        assert_eq!(page.status, status, "{page:?}");
        assert_eq!(shared(&page), (Some(ALLOWED), Some("Origin")), "{page:?}");
        let exposed = page.header("access-control-expose-headers");
        assert_eq!(exposed, Some("ETag, X-Request-Id, Retry-After"), "{page:?}");

        let other = ask(at, &line, &[("origin", "https://other.example"), caller]).await;
        assert_eq!((other.status, shared(&other)), (status, (None, Some("Origin"))), "{other:?}");
        assert_eq!(other.header("access-control-expose-headers"), None);
        let no_page = ask(at, &line, &[caller]).await;
        assert_eq!((no_page.status, shared(&no_page)), (status, (None, Some("Origin"))));
    }
}

#[actix_web::test]
async fn a_refusal_for_the_rate_can_be_read_by_the_page() {
    let app = TestApp::with_limits(&["calls-per-second=1"]).await;
    allow(&app, &[ALLOWED]).await;
    let at = app.addresses.api;
    let bearer = format!("Bearer {}", user_sig(KEY, APP, ADMIN));
    let headers = [("origin", ALLOWED), ("authorization", bearer.as_str())];
    let refused = async {
        loop {
            let page = ask(at, &format!("GET {USER}"), &headers).await;
            if page.status == 429 {
                return page;
            }
        }
    };
    let page = refused.await;
    assert_eq!(shared(&page), (Some(ALLOWED), Some("Origin")), "{page:?}");
    assert_eq!(page.header("retry-after"), Some("1"));
}

#[actix_web::test]
async fn origins_belong_to_one_app() {
    let app = start().await;
    app.add_app(7, "another-secret-key-0123456789abc").await;
    let page = preflight(app.addresses.api, "/v1/apps/7/users/user0", ALLOWED).await;
    assert_eq!(shared(&page), (None, Some("Origin")), "{page:?}");
    for unknown in ["8", "0", "x"] {
        let path = format!("/v1/apps/{unknown}/users/user0");
        let page = preflight(app.addresses.api, &path, ALLOWED).await;
        assert_eq!((page.status, shared(&page)), (404, (None, Some("Origin"))), "{page:?}");
    }
}

#[actix_web::test]
async fn an_origin_that_was_removed_is_no_longer_allowed() {
    let app = start().await;
    let at = app.addresses.api;
    assert_eq!(shared(&preflight(at, USER, ALLOWED).await).0, Some(ALLOWED));
    allow(&app, &[]).await;
    until(async || shared(&preflight(at, USER, ALLOWED).await).0.is_none()).await;
}

#[actix_web::test]
async fn preflights_for_unknown_apps_share_the_rate_of_look_ups() {
    let app = start().await;
    let ask = async |number| {
        let path = format!("/v1/apps/{number}/users/user0");
        preflight(app.addresses.api, &path, ALLOWED).await.status
    };
    let mut statuses = Vec::new();
    for hundred in 0..10 {
        statuses.extend(join_all((1..=100).map(|nr| ask(hundred * 100 + nr))).await);
        if statuses.contains(&503) {
            break;
        }
    }
    assert!(statuses.contains(&404) && statuses.contains(&503), "{statuses:?}");
}

#[actix_web::test]
async fn options_that_no_page_sent_are_refused_like_any_other_method() {
    let app = start().await;
    for headers in [&[][..], &[("origin", ALLOWED)], &[("access-control-request-method", "GET")]] {
        let page = ask(app.addresses.api, &format!("OPTIONS {USER}"), headers).await;
        assert_eq!((page.status, page.header("allow")), (405, Some("GET")), "{page:?}");
    }
}

#[actix_web::test]
async fn preflights_count_neither_as_calls_of_the_app_nor_against_its_rate() {
    let app = TestApp::with_limits(&["calls-per-second=1"]).await;
    allow(&app, &[ALLOWED]).await;
    for _ in 0..20 {
        assert_eq!(preflight(app.addresses.api, USER, ALLOWED).await.status, 204);
    }
    let bearer = format!("Bearer {}", user_sig(KEY, APP, ADMIN));
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(ask(app.addresses.api, &format!("GET {USER}"), &headers).await.status, 200);
}
