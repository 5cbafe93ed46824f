//! The named tokens of operators: what each may do, when it was last used, and its end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use earmark::domain::{Scope, TokenName};
use earmark::http::{Console, OperatorToken, Operators};
use earmark::service::{create_token, revoke_token};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::document::{check_named, paths};
use crate::support::*;

const SETTING: &str = "operator-token-of-the-tests";

async fn open(operators: Operators) -> (TestApp, SocketAddr) {
    let mut app = TestApp::start().await;
    let at = app.start_front(Front { console: Console::On, operators, ..Front::default() }).await;
    (app, at.api)
}

fn with_setting() -> Operators {
    Operators::WithToken(OperatorToken::parse(SETTING).unwrap())
}

/// Creates a token, as another process does, and returns its text.
async fn token(app: &TestApp, name: &'static str, scopes: &'static [Scope]) -> String {
    let partitions = app.partitions.clone();
    on_runtime(async move {
        let name = TokenName::parse(name).unwrap();
        let created = create_token(&partitions, &name, scopes, &operator()).await;
        created.unwrap().unwrap().reveal().to_owned()
    })
    .await
}

async fn ask(at: SocketAddr, token: &str, line: &str) -> Page {
    let headers = format!("content-type: application/json\r\nauthorization: Bearer {token}\r\n");
    Page::ask(at, "localhost", line, &headers, "{}").await
}

#[track_caller]
fn check_refused(page: &Page, status: u16, detail: &str) {
    let answer = page.json();
    check_named("ProblemDetails", &answer);
    assert_eq!((page.status, answer["detail"].as_str()), (status, Some(detail)), "{page:?}");
}

/// Every operation of the admin API with its scope, and with parameters in its path that name nothing.
fn operations() -> Vec<(String, String)> {
    let of_path = |(path, item): (&'static str, &'static Value)| {
        let filled = path
            .replace("{sdkappid}", "7")
            .replace("{identifier}", "user9")
            .replace("{user}", "user9")
            .replace("{key_id}", "7")
            .replace("{webhook_id}", "7");
        let methods = item.as_object().unwrap().iter();
        methods.filter(|(name, _)| !["parameters", "description"].contains(&name.as_str())).map(
            move |(method, operation)| {
                let line = format!("{} {filled}", method.to_uppercase());
                (line, operation["x-scope"].as_str().unwrap().to_owned())
            },
        )
    };
    paths().filter(|(path, _)| path.starts_with("/admin/v1/")).flat_map(of_path).collect()
}

#[actix_web::test]
async fn a_token_does_what_its_scopes_let_it_do_and_nothing_else() {
    let (app, at) = open(with_setting()).await;
    let operations = operations();
    assert!(operations.len() > 20, "{operations:?}");
    for scope in Scope::ALL {
        let name = scope.name();
        let token = match scope {
            Scope::Read => token(&app, "reader", &[Scope::Read]).await,
            Scope::Apps => token(&app, "changer", &[Scope::Apps]).await,
            Scope::Users => token(&app, "eraser", &[Scope::Users]).await,
        };
        let mut allowed = 0;
        for (line, needed) in &operations {
            let page = ask(at, &token, line).await;
            if needed == name || needed == "any" {
                assert!(![401, 403].contains(&page.status), "{name}: {line}: {page:?}");
                allowed += 1;
            } else {
                let text = page.json()["detail"].to_string();
                assert_eq!(page.status, 403, "{name}: {line}: {page:?}");
                assert!(text.contains(&format!("with the scope {needed};")), "{text}");
            }
        }
        assert!(allowed >= 2, "{name}");
    }
    for (line, _) in &operations {
        let page = ask(at, SETTING, line).await;
        assert!(![401, 403].contains(&page.status), "{line}: {page:?}");
    }
}

#[actix_web::test]
async fn a_refusal_names_the_token_its_scopes_and_the_scope_that_is_needed() {
    let (app, at) = open(with_setting()).await;
    let token = token(&app, "support", &[Scope::Read, Scope::Users]).await;
    let line = format!("PATCH /admin/v1/apps/{APP}");
    let detail = "this needs a token with the scope apps; the token support has read, users";
    check_refused(&ask(at, &token, &line).await, 403, detail);
    let own = ask(at, &token, "GET /admin/v1/token").await;
    check_named("OperatorToken", &own.json());
    assert_eq!(own.json(), json!({ "name": "support", "scopes": ["read", "users"] }));
    let own = ask(at, SETTING, "GET /admin/v1/token").await;
    let all = json!({ "name": "operator-token", "scopes": ["read", "apps", "users"] });
    assert_eq!(own.json(), all);
}

#[actix_web::test]
async fn the_audit_trail_names_the_token() {
    let (app, at) = open(with_setting()).await;
    let token = token(&app, "deploy@ci", &[Scope::Read, Scope::Apps]).await;
    let path = format!("/admin/v1/apps/{APP}");
    assert_eq!(ask(at, &token, &format!("PUT {path}/admins/second")).await.status, 200);
    let trail = ask(at, &token, "GET /admin/v1/audit").await.json();
    let [added, created] = [0, 1].map(|nr| trail["entries"][nr].clone());
    assert_eq!((&added["operator"], &added["target"]), (&json!("deploy@ci"), &json!("second")));
    assert_eq!(
        (&created["action"], &created["target"]),
        (&json!("token create"), &json!("deploy@ci"))
    );
    assert_eq!(created["after"], json!({ "scopes": ["read", "apps"] }));
    assert!(!trail.to_string().contains(&token), "{trail}");
}

#[actix_web::test]
async fn a_revoked_token_ends_at_once() {
    let (app, at) = open(with_setting()).await;
    let token = token(&app, "support", &[Scope::Read]).await;
    assert_eq!(ask(at, &token, "GET /admin/v1/apps").await.status, 200);
    let partitions = app.partitions.clone();
    let revoked =
        on_runtime(async move { revoke_token(&partitions, "support", &operator()).await }).await;
    assert!(revoked.unwrap());
    let detail = "this is no operator token, or it was revoked";
    let refused = ask(at, &token, "GET /admin/v1/apps").await;
    check_refused(&refused, 401, detail);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
}

#[actix_web::test]
async fn without_the_setting_named_tokens_are_let_in() {
    let (app, at) = open(Operators::Off).await;
    let token = token(&app, "support", &[Scope::Read]).await;
    assert_eq!(ask(at, &token, "GET /admin/v1/apps").await.status, 200);
    let detail = "no operator token is set, so only tokens of `earmark token create` are let in";
    check_refused(&ask(at, "x", "GET /admin/v1/apps").await, 404, detail);
    let unknown = format!("earmark_{}", "0".repeat(64));
    let refused = ask(at, &unknown, "GET /admin/v1/apps").await;
    check_refused(&refused, 401, "this is no operator token, or it was revoked");
}

#[actix_web::test]
async fn a_page_of_another_site_is_refused_with_a_named_token_too() {
    let (app, at) = open(with_setting()).await;
    let token = token(&app, "support", &[Scope::Read]).await;
    let headers = format!("authorization: Bearer {token}\r\norigin: https://evil.example\r\n");
    let page = Page::get(at, "localhost", "/admin/v1/apps", &headers).await;
    check_refused(&page, 403, "the request was sent by a page of another site");
}

#[actix_web::test]
async fn only_the_digest_of_a_token_is_stored() {
    let (app, _) = open(with_setting()).await;
    let token = token(&app, "support", &[Scope::Read]).await;
    assert_eq!(token.len(), "earmark_".len() + 64);
    let stored: String = sqlx::query_scalar("SELECT operator_tokens::text FROM operator_tokens")
        .fetch_one(&app.db)
        .await
        .unwrap();
    assert!(!stored.contains(&token[8..]), "{stored}");
}

#[actix_web::test]
async fn the_last_use_is_stored_at_most_once_a_minute() {
    let (app, at) = open(with_setting()).await;
    let token = token(&app, "support", &[Scope::Read]).await;
    let last_use = async || -> Option<i64> {
        let stored =
            "SELECT floor(extract(epoch FROM last_used_at) * 1000000)::bigint FROM operator_tokens";
        sqlx::query_scalar(stored).fetch_one(&app.db).await.unwrap()
    };
    assert_eq!(last_use().await, None);
    // Asks until the use is stored, and returns it.
    let stored_after = async |before: Option<i64>| {
        let begun = Instant::now();
        loop {
            assert_eq!(ask(at, &token, "GET /admin/v1/token").await.status, 200);
            let found = last_use().await;
            if found != before {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{found:?}");
        }
    };
    let first = stored_after(None).await;
    for _ in 0..20 {
        assert_eq!(ask(at, &token, "GET /admin/v1/token").await.status, 200);
    }
    assert_eq!(last_use().await, first);
    sqlx::query("UPDATE operator_tokens SET last_used_at = last_used_at - INTERVAL '61 seconds'")
        .execute(&app.db)
        .await
        .unwrap();
    let aged = last_use().await;
    assert!(stored_after(aged).await > first);
}

#[actix_web::test]
async fn a_look_up_waits_no_longer_than_a_request_may() {
    let (app, at) = open(with_setting()).await;
    let token = token(&app, "support", &[Scope::Read]).await;
    let mut other = app.db.begin().await.unwrap();
    sqlx::query("LOCK TABLE operator_tokens IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *other)
        .await
        .unwrap();
    let begun = Instant::now();
    let late = ask(at, &token, "GET /admin/v1/token").await;
    assert_eq!(late.status, 503, "{late:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(ask(at, SETTING, "GET /admin/v1/token").await.status, 200, "it needs no look-up");
    other.rollback().await.unwrap();
    assert_eq!(ask(at, &token, "GET /admin/v1/token").await.status, 200);
}

#[actix_web::test]
async fn unknown_tokens_share_a_rate_of_look_ups() {
    let (app, at) = open(with_setting()).await;
    let token = token(&app, "support", &[Scope::Read]).await;
    assert_eq!(ask(at, &token, "GET /admin/v1/token").await.status, 200);
    let begun = Instant::now();
    let unknown: Vec<_> = (0..300).map(|nr| format!("earmark_{nr:064x}")).collect();
    let asked = unknown.iter().map(|token| ask(at, token, "GET /admin/v1/token"));
    let pages = join_all(asked).await;
    let looked_up = pages.iter().filter(|page| page.status == 401).count();
    let most = 51.0 + begun.elapsed().as_secs_f64() * 50.0;
    assert!(f64::from(u32::try_from(looked_up).unwrap()) <= most, "{looked_up} of {most}");
    let refused = pages.iter().find(|page| page.status == 503).unwrap();
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("operator token that was not seen before"), "{detail}");
    assert_eq!(ask(at, &token, "GET /admin/v1/token").await.status, 200, "it is known");
    // What is no token of this form is not looked for.
    for _ in 0..60 {
        assert_eq!(ask(at, "some-other-text", "GET /admin/v1/token").await.status, 401);
    }
}
