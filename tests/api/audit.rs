//! The audit trail: every change of an operator leaves an entry, in the transaction of the change, and without a secret.

use std::net::SocketAddr;

use earmark::audit::Action;
use earmark::http::{Console, OperatorToken, Operators};
use serde_json::{Value, json};

use crate::support::document::check_named;
use crate::support::*;

const TOKEN: &str = "operator-token-of-the-tests";
const CHOSEN_KEY: &str = "a-hidden-key-that-was-chosen";

/// A service with a console and the admin API.
async fn open() -> (TestApp, SocketAddr) {
    let mut app = TestApp::start().await;
    let operators = Operators::WithToken(OperatorToken::parse(TOKEN).unwrap());
    let at = app.start_front(Front { console: Console::On, operators, ..Front::default() }).await;
    (app, at.api)
}

/// Sends a request; `line` is the method and the path after `/admin/v1`.
async fn ask(at: SocketAddr, line: &str, body: impl ToString) -> Page {
    let (method, path) = line.split_once(' ').unwrap();
    let headers = format!(
        "content-type: application/json\r\nauthorization: Bearer {TOKEN}\r\nx-request-id: the-request\r\n"
    );
    let line = format!("{method} /admin/v1{path}");
    Page::ask(at, "localhost", &line, &headers, &body.to_string()).await
}

async fn change(at: SocketAddr, line: &str, body: impl ToString) -> Value {
    let page = ask(at, line, body).await;
    assert!((200..300).contains(&page.status), "{line}: {page:?}");
    if page.body.is_empty() { Value::Null } else { page.json() }
}

async fn page(at: SocketAddr, query: &str) -> Value {
    let page = ask(at, &format!("GET /audit{query}"), "").await;
    assert_eq!(page.status, 200, "{page:?}");
    check_named("AuditPage", &page.json());
    page.json()
}

/// The newest entry of an app, without what differs from run to run. That is checked here.
async fn newest(at: SocketAddr) -> Value {
    let mut entry = page(at, &format!("?sdkappid={APP}&limit=1")).await["entries"][0].take();
    let fields = entry.as_object_mut().unwrap();
    assert!(fields.shift_remove("number").unwrap().as_i64().unwrap() > 0);
    assert!(fields.shift_remove("at").unwrap().as_u64().unwrap().abs_diff(unix_now()) < 60);
    assert!(!fields.shift_remove("role").unwrap().as_str().unwrap().is_empty());
    assert_eq!(fields.shift_remove("operator").unwrap(), "operator-token");
    assert_eq!(fields.shift_remove("from").unwrap(), "127.0.0.1");
    assert_eq!(fields.shift_remove("request_id").unwrap(), "the-request");
    assert_eq!(fields.shift_remove("sdkappid").unwrap(), APP);
    entry
}

fn entry(action: &str, target: Option<&str>, before: Value, after: Value) -> Value {
    let fields = [
        ("action", action.into()),
        ("target", target.into()),
        ("before", before),
        ("after", after),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[actix_web::test]
async fn every_change_of_settings_is_recorded_with_what_differs() {
    let (_app, at) = open().await;
    let app = format!("/apps/{APP}");
    for (body, before, after) in [
        (json!({ "edition": "pro" }), json!({ "edition": "premium" }), json!({ "edition": "pro" })),
        (json!({ "name": "Shop" }), json!({ "name": "" }), json!({ "name": "Shop" })),
        (json!({ "disabled": true }), json!({ "disabled": false }), json!({ "disabled": true })),
        (json!({ "disabled": false }), json!({ "disabled": true }), json!({ "disabled": false })),
        (json!({ "feed": true }), json!({ "feed": false }), json!({ "feed": true })),
        (
            json!({ "limits": { "pinned": 3, "marked": 1000 } }),
            json!({ "limits": { "pinned": 50 } }),
            json!({ "limits": { "pinned": 3 } }),
        ),
        (
            json!({ "directory": "strict", "user_access": "read" }),
            json!({ "directory": "open", "user_access": "none" }),
            json!({ "directory": "strict", "user_access": "read" }),
        ),
        (
            json!({ "allowed_origins": ["https://a.example"] }),
            json!({ "allowed_origins": [] }),
            json!({ "allowed_origins": ["https://a.example"] }),
        ),
    ] {
        let changed = change(at, &format!("PATCH {app}"), body).await;
        assert_eq!(changed["changed"], true, "{changed}");
        assert_eq!(newest(at).await, entry("app set", None, before, after));
    }
}

#[actix_web::test]
async fn every_other_change_of_an_app_is_recorded_without_secrets() {
    let (app, at) = open().await;
    let path = format!("/apps/{APP}");
    let key = app.app().await.key.id;
    app.mark("user0", [set("friend", 0)]).await.assert_ok();

    change(at, &format!("PUT {path}/admins/second"), "").await;
    let admins = |names: &[&str]| json!({ "admins": names });
    assert_eq!(
        newest(at).await,
        entry("app add-admin", Some("second"), admins(&[]), admins(&["second"]))
    );
    change(at, &format!("DELETE {path}/admins/second"), "").await;
    assert_eq!(
        newest(at).await,
        entry("app remove-admin", Some("second"), admins(&["second"]), admins(&[]))
    );

    let body = json!({ "secret_key": CHOSEN_KEY });
    let rotated = change(at, &format!("POST {path}/rotate-key"), body).await;
    let new = rotated["secret_keys"][0]["id"].as_i64().unwrap();
    let keys = |ids: &[i64]| json!({ "secret_keys": ids });
    assert_eq!(newest(at).await, entry("app rotate-key", None, keys(&[]), keys(&[new])));
    change(at, &format!("DELETE {path}/keys/{key}"), "").await;
    let target = key.to_string();
    assert_eq!(newest(at).await, entry("app retire-key", Some(&target), keys(&[key]), keys(&[])));

    change(at, &format!("DELETE {path}/users/user0?confirm=user0"), "").await;
    let erased = json!({ "account": false, "conversations": 1, "contact_groups": 0, "lists": 0, "complete": true });
    assert_eq!(newest(at).await, entry("user erase", Some("user0"), Value::Null, erased));

    change(at, &format!("POST {path}/reset?confirm={APP}"), "{}").await;
    let reset = newest(at).await;
    assert_eq!((&reset["action"], &reset["before"]), (&json!("app reset"), &Value::Null));
    assert_eq!(
        (&reset["after"]["complete"], &reset["after"]["removed"]["users"]),
        (&json!(true), &json!(1))
    );

    change(at, &format!("DELETE {path}?confirm={APP}"), "").await;
    let deleted = newest(at).await;
    assert_eq!(deleted["action"], "app delete");
    assert_eq!(deleted["before"]["edition"], "premium", "what the app was: {deleted}");
    assert_eq!(deleted["after"]["complete"], true, "{deleted}");

    let body = json!({ "sdkappid": APP, "secret_key": CHOSEN_KEY, "name": "Shop" });
    change(at, "POST /apps", body).await;
    let created = newest(at).await;
    assert_eq!((&created["action"], &created["before"]), (&json!("app create"), &Value::Null));
    assert_eq!(
        (&created["after"]["name"], &created["after"]["limits"]["marked"]),
        (&json!("Shop"), &json!(1000))
    );

    let all = page(at, "").await.to_string();
    for secret in [KEY, CHOSEN_KEY, TOKEN] {
        assert!(!all.contains(secret), "{all}");
    }
}

#[actix_web::test]
async fn changes_of_webhooks_are_recorded_with_the_host_only() {
    let (_app, at) = open().await;
    let hooks = format!("/apps/{APP}/webhooks");
    let url = "https://hooks.example/hidden-path?hidden=1";
    let created = change(at, &format!("POST {hooks}"), json!({ "url": url })).await;
    let id = created["id"].to_string();
    let hook = json!({ "host": "https://hooks.example", "users": true, "directory": true, "disabled": false });
    let id_is = Some(id.as_str());
    assert_eq!(newest(at).await, entry("webhook create", id_is, Value::Null, hook.clone()));

    change(at, &format!("PATCH {hooks}/{id}"), json!({ "disabled": true })).await;
    let (off, on) = (json!({ "disabled": false }), json!({ "disabled": true }));
    assert_eq!(newest(at).await, entry("webhook set", id_is, off, on));
    let other_path = json!({ "url": "https://hooks.example/other-hidden-path" });
    change(at, &format!("PATCH {hooks}/{id}"), other_path).await;
    let host = json!({ "host": "https://hooks.example" });
    assert_eq!(newest(at).await, entry("webhook set", id_is, host.clone(), host));

    let rotated = change(at, &format!("POST {hooks}/{id}/rotate-secret"), "{}").await;
    assert_eq!(newest(at).await, entry("webhook rotate-secret", id_is, Value::Null, Value::Null));
    change(at, &format!("POST {hooks}/{id}/replay"), json!({ "from": 1, "to": 9 })).await;
    let numbers = json!({ "from": 1, "to": 9 });
    assert_eq!(newest(at).await, entry("webhook replay", id_is, Value::Null, numbers));
    change(at, &format!("DELETE {hooks}/{id}"), "").await;
    let before = json!({ "host": "https://hooks.example", "users": true, "directory": true, "disabled": true });
    assert_eq!(newest(at).await, entry("webhook delete", id_is, before, Value::Null));

    let all = page(at, "").await.to_string();
    let secrets = [&created, &rotated].map(|hook| hook["secret"].as_str().unwrap().to_owned());
    for hidden in [&secrets[0], &secrets[1], "hidden"] {
        assert!(!all.contains(hidden), "{all}");
    }
}

#[actix_web::test]
async fn what_changes_nothing_and_what_is_refused_leaves_no_entry() {
    let (_app, at) = open().await;
    let count = async || page(at, "").await["entries"].as_array().unwrap().len();
    let before = count().await;
    for (line, body) in [
        (format!("PATCH /apps/{APP}"), json!({})),
        (format!("PATCH /apps/{APP}"), json!({ "edition": "premium", "disabled": false })),
        (format!("PUT /apps/{APP}/admins/{ADMIN}"), json!("")),
        (format!("DELETE /apps/{APP}/admins/user9"), json!("")),
    ] {
        let unchanged = change(at, &line, body).await;
        assert_eq!(unchanged["changed"], false, "{line}: {unchanged}");
    }
    for (line, body, status) in [
        (format!("PATCH /apps/{APP}"), json!({ "edition": "gold" }), 400),
        ("PATCH /apps/7".to_owned(), json!({ "edition": "pro" }), 404),
        ("POST /apps".to_owned(), json!({ "sdkappid": APP }), 409),
        (format!("DELETE /apps/{APP}/keys/7"), json!(""), 404),
        (format!("DELETE /apps/{APP}/users/user0?confirm=other"), json!(""), 400),
        ("DELETE /apps/7?confirm=7".to_owned(), json!(""), 404),
        (format!("DELETE /apps/{APP}/webhooks/7"), json!(""), 404),
    ] {
        assert_eq!(ask(at, &line, body).await.status, status, "{line}");
    }
    // The app's own admins are no operators.
    let sig = user_sig(KEY, APP, ADMIN);
    let headers = format!("content-type: application/json\r\nauthorization: Bearer {sig}\r\n");
    let line = format!("PUT /v1/apps/{APP}/marks/40");
    let named = Page::ask(at, "localhost", &line, &headers, r#"{"name":"vip"}"#).await;
    assert_eq!(named.status, 200, "{named:?}");
    assert_eq!(count().await, before);
}

#[actix_web::test]
async fn a_change_that_cannot_be_recorded_is_not_made() {
    let (app, at) = open().await;
    sqlx::query("ALTER TABLE audit ADD CONSTRAINT nothing CHECK (false) NOT VALID")
        .execute(&app.db)
        .await
        .unwrap();
    let path = format!("/apps/{APP}");
    for (line, body) in [
        (format!("PATCH {path}"), json!({ "edition": "pro" })),
        (format!("PUT {path}/admins/second"), json!("")),
        (format!("POST {path}/rotate-key"), json!({})),
        (format!("DELETE {path}/users/user0?confirm=user0"), json!("")),
        (format!("POST {path}/reset?confirm={APP}"), json!({})),
        (format!("DELETE {path}?confirm={APP}"), json!("")),
        (format!("POST {path}/webhooks"), json!({ "url": "https://a.example" })),
        ("POST /apps".to_owned(), json!({ "sdkappid": 7 })),
    ] {
        let failed = ask(at, &line, body).await;
        assert_eq!(failed.status, 500, "{line}: {failed:?}");
    }
    let now = app.app().await;
    assert_eq!((now.edition.name(), now.keys().count(), now.disabled), ("premium", 1, false));
    assert_eq!(now.admins, [ADMIN]);
    for query in ["SELECT count(*) FROM webhooks", "SELECT count(*) FROM apps WHERE sdk_app_id = 7"]
    {
        let found: i64 = sqlx::query_scalar(query).fetch_one(&app.db).await.unwrap();
        assert_eq!(found, 0, "{query}");
    }
}

#[actix_web::test]
async fn the_trail_is_read_in_pages_by_app_and_by_time() {
    let (app, at) = open().await;
    change(at, "POST /apps", json!({ "sdkappid": 7 })).await;
    for nr in 0..120 {
        change(at, &format!("PATCH /apps/{APP}"), json!({ "limits": { "pinned": nr + 1 } })).await;
    }
    let first = page(at, "").await;
    let numbers = |page: &Value| -> Vec<i64> {
        let entries = page["entries"].as_array().unwrap();
        entries.iter().map(|entry| entry["number"].as_i64().unwrap()).collect()
    };
    assert_eq!(numbers(&first).len(), 100, "a page is bounded");
    let next = first["next"].as_i64().unwrap();
    assert_eq!(next, *numbers(&first).last().unwrap());
    let second = page(at, &format!("?before={next}")).await;
    assert_eq!(second["next"], Value::Null, "{second}");
    let mut all = numbers(&first);
    all.extend(numbers(&second));
    assert!(all.is_sorted_by(|one, other| one > other), "newest first: {all:?}");
    assert!(all.len() >= 122, "{}", all.len());

    let of_app = page(at, "?sdkappid=7").await;
    assert_eq!(
        (numbers(&of_app).len(), &of_app["entries"][0]["action"]),
        (1, &json!("app create"))
    );
    sqlx::query("UPDATE audit SET at = at - INTERVAL '1 day' WHERE sdk_app_id <> 7")
        .execute(&app.db)
        .await
        .unwrap();
    let since = page(at, &format!("?since={}", unix_now() - 3600)).await;
    assert_eq!(since["entries"], of_app["entries"]);
    assert_eq!(numbers(&page(at, "?limit=2").await), all[..2]);

    for (query, field) in [
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?limit=x", "limit"),
        ("?before=0", "before"),
        ("?since=-1", "since"),
        ("?since=99999999999999", "since"),
        ("?sdkappid=0", "sdkappid"),
    ] {
        let refused = ask(at, &format!("GET /audit{query}"), "").await;
        check_named("ProblemDetails", &refused.json());
        assert_eq!((refused.status, &refused.json()["field"]), (400, &json!(field)), "{query}");
    }
    let twice = ask(at, "GET /audit?since=1&since=2", "").await;
    check_named("ProblemDetails", &twice.json());
    assert_eq!(twice.status, 400);
}

#[test]
fn the_operators_guide_lists_every_action() {
    let guide = include_str!("../../docs/operations.md");
    for action in Action::ALL {
        assert!(guide.contains(&format!("`{}`", action.name())), "{}", action.name());
    }
}
