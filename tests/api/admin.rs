//! The admin API: every operation, and every field that can be wrong.

use std::net::SocketAddr;

use earmark::http::{Console, OperatorToken, Operators};
use earmark::limits::BODY_BYTES_MAX;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::document::check_named;
use crate::support::*;

const TOKEN: &str = "operator-token-of-the-tests";

/// A service with a console and the admin API, and its address.
async fn open() -> (TestApp, SocketAddr) {
    let mut app = TestApp::start().await;
    let operators = Operators::WithToken(OperatorToken::parse(TOKEN).unwrap());
    let front = Front { console: Console::On, operators, ..Front::default() };
    let at = app.start_front(front).await;
    (app, at.api)
}

/// Sends a request; `line` is the method and the path after `/admin/v1/apps`.
async fn request(at: SocketAddr, line: &str, body: impl ToString) -> Page {
    let (method, path) = line.split_once(' ').unwrap_or((line, ""));
    let line = format!("{method} /admin/v1/apps{path}");
    let headers = format!("content-type: application/json\r\nauthorization: Bearer {TOKEN}\r\n");
    let page = Page::ask(at, "localhost", &line, &headers, &body.to_string()).await;
    let answer = page.json();
    match answer["apps"].as_array() {
        Some(apps) => apps.iter().for_each(|app| check_named("App", app)),
        None => check_named(if page.status < 300 { "App" } else { "ProblemDetails" }, &answer),
    }
    page
}

async fn request_ok(at: SocketAddr, line: &str, body: impl ToString) -> Value {
    let page = request(at, line, body).await;
    assert_eq!(page.status, 200, "{line}: {page:?}");
    page.json()
}

#[actix_web::test]
async fn apps_are_listed_and_shown_without_their_keys() {
    let (app, at) = open().await;
    app.add_app(7, "another-secret-key-0123456789abc").await;
    let listed = request(at, "GET", "").await;
    assert!(!listed.text().contains("secret-key"), "{listed:?}");
    let numbers: Vec<_> = listed.json()["apps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|app| app["sdkappid"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, [7, APP]);
    let mut shown = request_ok(at, "GET /1400000001", "").await;
    for changing in ["id", "created_at"] {
        let value = &mut shown["secret_keys"][0][changing];
        assert!(value.as_i64().unwrap() > 0, "{changing}: {value}");
        *value = 0.into();
    }
    insta::assert_snapshot!(shown, @r#"{"sdkappid":1400000001,"name":"","edition":"premium","directory":"open","disabled":false,"feed":false,"secret_keys":[{"id":0,"created_at":0,"last_used_at":null}],"admins":["administrator"],"user_access":"none","allowed_origins":[],"limits":{"marked":1000,"grouped":1000,"groups":20,"group-name-bytes":32,"custom-mark-bytes":256,"mark-items":100,"group-items":100,"search-items":300,"page-items":100,"pinned":50,"user-id-bytes":32,"chat-group-id-bytes":48,"calls-per-second":200}}"#);
}

#[actix_web::test]
async fn an_app_is_created_and_its_key_is_shown_once() {
    let (app, at) = open().await;
    let created = request(at, "POST", json!({ "sdkappid": 5 })).await;
    let location = "/admin/v1/apps/5";
    assert_eq!((created.status, created.header("location")), (201, Some(location)), "{created:?}");
    let mut shown = created.json();
    let key = shown.as_object_mut().unwrap().shift_remove("secret_key").unwrap();
    let key = key.as_str().unwrap();
    assert_eq!(key.len(), 64);
    assert_eq!(request_ok(at, "GET /5", "").await, shown);
    assert_eq!((&shown["edition"], &shown["directory"]), (&json!("premium"), &json!("open")));
    assert_eq!(shown["admins"], json!([ADMIN]));
    let sig = user_sig(key, 5, ADMIN);
    let answer = app.call_as(GET, &query_of(5, ADMIN, &sig), json!({ "From_Account": "u" })).await;
    answer.assert_code(Ok);
}

#[actix_web::test]
async fn an_app_is_created_with_the_given_settings() {
    let (_app, at) = open().await;
    let body = json!({
        "sdkappid": 6, "edition": "trial", "directory": "strict", "disabled": true,
        "limits": { "marked": 5, "calls-per-second": 0 }, "admins": ["b", "a", "b"],
        "secret_key": "a-key-that-was-chosen-elsewhere", "user_access": "read",
        "allowed_origins": ["https://b.example", "https://a.example", "https://b.example"],
    });
    let created = request(at, "POST", body).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert!(!created.text().contains("chosen-elsewhere"), "the operator who gave the key knows it");
    let shown = request_ok(at, "GET /6", "").await;
    assert_eq!(created.json(), shown, "admins are shown in the order in which they are stored");
    assert_eq!(shown["admins"], json!(["a", "b"]));
    assert_eq!((&shown["edition"], &shown["directory"]), (&json!("trial"), &json!("strict")));
    assert_eq!((&shown["disabled"], &shown["limits"]["marked"]), (&json!(true), &json!(5)));
    assert_eq!(shown["limits"]["calls-per-second"], 0);
    assert_eq!(shown["user_access"], "read");
    assert_eq!(shown["allowed_origins"], json!(["https://a.example", "https://b.example"]));
    let again = request(at, "POST", json!({ "sdkappid": 6 })).await;
    assert_eq!((again.status, &again.json()["field"]), (409, &json!("sdkappid")), "{again:?}");
    assert_eq!(request_ok(at, "GET /6", "").await, shown, "the refused request changes nothing");
}

#[actix_web::test]
async fn a_change_leaves_other_settings_as_they_are() {
    let (_app, at) = open().await;
    let mut expected = request_ok(at, "GET /1400000001", "").await;
    for (change, place, value) in [
        (json!({ "edition": "pro" }), "/edition", json!("pro")),
        (json!({ "directory": "strict" }), "/directory", json!("strict")),
        (json!({ "disabled": true }), "/disabled", json!(true)),
        (json!({ "disabled": false }), "/disabled", json!(false)),
        (json!({ "limits": { "pinned": 3 } }), "/limits/pinned", json!(3)),
        (json!({ "user_access": "write" }), "/user_access", json!("write")),
        (json!({ "name": "Shop of Müller" }), "/name", json!("Shop of Müller")),
        (json!({ "name": null }), "/name", json!("Shop of Müller")),
        (json!({ "name": "" }), "/name", json!("")),
        (
            json!({ "allowed_origins": ["http://localhost:3000", "https://a.example"] }),
            "/allowed_origins",
            json!(["http://localhost:3000", "https://a.example"]),
        ),
        (
            json!({ "allowed_origins": ["https://b.example"] }),
            "/allowed_origins",
            json!(["https://b.example"]),
        ),
        (json!({ "allowed_origins": null }), "/allowed_origins", json!(["https://b.example"])),
        (json!({ "allowed_origins": [] }), "/allowed_origins", json!([])),
        (json!({ "edition": null, "limits": null }), "/edition", json!("pro")),
        (json!({}), "/edition", json!("pro")),
    ] {
        let is_changed = *expected.pointer(place).unwrap() != value;
        *expected.pointer_mut(place).unwrap() = value;
        let mut changed = request_ok(at, "PATCH /1400000001", change).await;
        assert_eq!(
            changed.as_object_mut().unwrap().shift_remove("changed"),
            Some(json!(is_changed))
        );
        assert_eq!(changed, expected);
        assert_eq!(request_ok(at, "GET /1400000001", "").await, expected);
    }
}

fn origins(count: usize) -> Vec<String> {
    (0..count).map(|nr| format!("https://{nr}.example")).collect()
}

#[actix_web::test]
async fn an_app_may_have_twenty_origins() {
    let (_app, at) = open().await;
    for count in [19, 20] {
        let change = json!({ "allowed_origins": origins(count) });
        let shown = request_ok(at, "PATCH /1400000001", change).await;
        assert_eq!(shown["allowed_origins"].as_array().unwrap().len(), count);
    }
}

#[actix_web::test]
async fn a_change_takes_effect_at_once_on_the_same_process() {
    let (app, at) = open().await;
    let mark = async || app.mark_at(at, "u", [set("p", 0)]).await;
    mark().await.assert_ok();
    request_ok(at, "PATCH /1400000001", json!({ "disabled": true })).await;
    mark().await.assert_code(AppDisabled);
    request_ok(at, "PATCH /1400000001", json!({ "disabled": false, "edition": "trial" })).await;
    mark().await.assert_code(EditionTooLow);
}

#[actix_web::test]
async fn a_change_takes_effect_at_once_on_every_thread() {
    let (app, at) = open().await;
    // actix hands connections to its threads in turn, and each thread has its own cache of apps.
    let mark_on_threads = async || {
        let users: Vec<_> = (0..8).map(|nr| format!("u{nr}")).collect();
        join_all(users.iter().map(|user| app.mark_at(at, user, [set("p", 0)]))).await
    };
    assert_codes(&mark_on_threads().await, [(Ok, 8)]);
    request_ok(at, "PATCH /1400000001", json!({ "disabled": true })).await;
    assert_codes(&mark_on_threads().await, [(AppDisabled, 8)]);
}

#[actix_web::test]
async fn admins_are_added_and_removed() {
    let (_app, at) = open().await;
    for name in ["second", "with%20space", "sl%2Fash", "%E4%B8%AD", "second"] {
        request_ok(at, &format!("PUT /1400000001/admins/{name}"), "").await;
    }
    let shown = request_ok(at, "GET /1400000001", "").await;
    assert_eq!(shown["admins"], json!([ADMIN, "second", "sl/ash", "with space", "中"]));
    for name in ["second", "sl%2Fash", "with%20space", "%E4%B8%AD", "stranger"] {
        request_ok(at, &format!("DELETE /1400000001/admins/{name}"), "").await;
    }
    assert_eq!(request_ok(at, "GET /1400000001", "").await["admins"], json!([ADMIN]));
    for name in ["%00", &"x".repeat(256)] {
        let page = request(at, &format!("PUT /1400000001/admins/{name}"), "").await;
        assert_eq!((page.status, &page.json()["field"]), (400, &json!("identifier")), "{page:?}");
    }
}

#[actix_web::test]
async fn a_key_is_rotated_and_the_previous_one_is_retired() {
    let (app, at) = open().await;
    let rotated = request_ok(at, "POST /1400000001/rotate-key", json!({})).await;
    let key = rotated["secret_key"].as_str().unwrap();
    let ids = |app: &Value| -> Vec<i64> {
        let keys = app["secret_keys"].as_array().unwrap().iter();
        keys.map(|key| key["id"].as_i64().unwrap()).collect()
    };
    let [new, old] = ids(&rotated)[..] else { panic!("{rotated}") };
    // With a valid key, the call fails only because of its body.
    let code = async |key: &str| {
        let query = query_of(APP, ADMIN, &user_sig(key, APP, ADMIN));
        let url = format!("http://{at}/v4/{MARK_CONTACT}?{query}");
        app.send(actix_web::http::Method::POST, &url, b"{}".to_vec()).await.code()
    };
    assert_eq!([code(KEY).await, code(key).await], [BadParameter, BadParameter]);
    let retired = request_ok(at, &format!("DELETE /1400000001/keys/{old}"), "").await;
    assert_eq!((ids(&retired), retired.get("secret_key")), (vec![new], None));
    assert_eq!([code(KEY).await, code(key).await], [UserSigForged, BadParameter]);
    let given = json!({ "secret_key": "a-key-that-was-chosen-elsewhere" });
    let rotated = request_ok(at, "POST /1400000001/rotate-key", given).await;
    assert_eq!((ids(&rotated).len(), rotated.get("secret_key")), (2, None));
    assert_eq!(code("a-key-that-was-chosen-elsewhere").await, BadParameter);
}

#[actix_web::test]
async fn a_rotation_that_would_end_a_valid_key_is_refused_unless_forced() {
    let (app, at) = open().await;
    request_ok(at, "POST /1400000001/rotate-key", json!({})).await;
    let before = request_ok(at, "GET /1400000001", "").await;
    let refused = request(at, "POST /1400000001/rotate-key", json!({})).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    for words in ["two valid keys", "DELETE", "\"force\": true"] {
        assert!(detail.contains(words), "{detail}");
    }
    assert_eq!(request_ok(at, "GET /1400000001", "").await, before, "nothing changed");
    app.mark_at(at, "u", [set("p", 0)]).await.assert_ok();
    let forced = request_ok(at, "POST /1400000001/rotate-key", json!({ "force": true })).await;
    let (kept, new) = (&forced["secret_keys"][1]["id"], &forced["secret_keys"][0]["id"]);
    assert_eq!(kept, &before["secret_keys"][0]["id"], "the newer key became the older one");
    assert!(new.as_i64() > kept.as_i64(), "{forced}");
    app.mark_at(at, "u", [set("p", 0)]).await.assert_code(UserSigForged);
}

#[actix_web::test]
async fn a_key_change_that_the_rules_refuse_says_why() {
    let (_app, at) = open().await;
    let given = json!({ "secret_key": "a-key-that-was-chosen-elsewhere" });
    let shown = request_ok(at, "GET /1400000001", "").await;
    let only = format!("DELETE /1400000001/keys/{}", shown["secret_keys"][0]["id"]);
    let refused = async |line: &str, body: &Value, status: u16, words: &str| {
        let page = request(at, line, body).await;
        assert_eq!(page.status, status, "{line}: {page:?}");
        assert!(page.json()["detail"].as_str().unwrap().contains(words), "{page:?}");
    };
    refused(&only, &json!(null), 409, "only valid key").await;
    for unknown in ["9999999", "0", "-1", "x", "99999999999999999999"] {
        let line = format!("DELETE /1400000001/keys/{unknown}");
        refused(&line, &json!(null), 404, "no valid key with this id").await;
    }
    request_ok(at, "POST /1400000001/rotate-key", &given).await;
    refused("POST /1400000001/rotate-key", &given, 409, "secret_key: this is key").await;
    let shown = request_ok(at, "GET /1400000001", "").await;
    assert_eq!(shown["secret_keys"].as_array().unwrap().len(), 2, "{shown}");
}

#[actix_web::test]
async fn a_refused_request_names_the_bad_field_and_writes_nothing() {
    let (_app, at) = open().await;
    let apps = async || {
        let mut apps = request(at, "GET", "").await.json();
        // The service may have counted the app meanwhile.
        for app in apps["apps"].as_array_mut().unwrap() {
            app.as_object_mut().unwrap().shift_remove("size");
        }
        apps
    };
    let before = apps().await;
    for (line, body, field) in [
        ("POST", json!({}), "sdkappid"),
        ("POST", json!({ "sdkappid": "5" }), "sdkappid"),
        ("POST", json!({ "sdkappid": 0 }), "sdkappid"),
        ("POST", json!({ "sdkappid": -5 }), "sdkappid"),
        ("POST", json!({ "sdkappid": u64::MAX }), "sdkappid"),
        ("POST", json!({ "sdkappid": 5, "editoin": "pro" }), "editoin"),
        ("POST", json!({ "sdkappid": 5, "edition": "gold" }), "edition"),
        ("POST", json!({ "sdkappid": 5, "directory": 1 }), "directory"),
        ("POST", json!({ "sdkappid": 5, "admins": "a" }), "admins"),
        ("POST", json!({ "sdkappid": 5, "admins": ["a", ""] }), "admins[1]"),
        ("POST", json!({ "sdkappid": 5, "admins": ["a\0"] }), "admins[0]"),
        ("POST", json!({ "sdkappid": 5, "secret_key": "short" }), "secret_key"),
        ("POST", json!({ "sdkappid": 5, "secret_key": "x".repeat(1025) }), "secret_key"),
        ("POST", json!({ "sdkappid": 5, "secret_key": " a-key-with-white-space " }), "secret_key"),
        ("POST", json!({ "sdkappid": 5, "user_access": "all" }), "user_access"),
        ("POST", json!({ "sdkappid": 5, "name": "x".repeat(65) }), "name"),
        ("POST", json!([]), "body"),
        ("PATCH /1400000001", json!({ "user_access": true }), "user_access"),
        ("PATCH /1400000001", json!({ "name": "two\nlines" }), "name"),
        ("PATCH /1400000001", json!({ "allowed_origins": "https://a" }), "allowed_origins"),
        (
            "PATCH /1400000001",
            json!({ "allowed_origins": ["https://a", "*"] }),
            "allowed_origins[1]",
        ),
        ("PATCH /1400000001", json!({ "allowed_origins": ["https://a/"] }), "allowed_origins[0]"),
        ("PATCH /1400000001", json!({ "allowed_origins": origins(21) }), "allowed_origins"),
        ("PATCH /1400000001", json!({ "sdkappid": 5 }), "sdkappid"),
        ("PATCH /1400000001", json!({ "edition": "pro", "disabled": "yes" }), "disabled"),
        ("PATCH /1400000001", json!({ "edition": "pro", "limits": [] }), "limits"),
        (
            "PATCH /1400000001",
            json!({ "edition": "pro", "limits": { "mraked": 1 } }),
            "limits.mraked",
        ),
        ("PATCH /1400000001", json!({ "limits": { "pinned": 1, "marked": 0 } }), "limits.marked"),
        ("PATCH /1400000001", json!({ "limits": { "marked": 1_u64 << 31 } }), "limits.marked"),
        ("PATCH /1400000001", json!({ "limits": { "marked": 1.5 } }), "limits.marked"),
        ("POST /1400000001/rotate-key", json!({ "secret_key": 1 }), "secret_key"),
        ("POST /1400000001/rotate-key", json!({ "key": "x" }), "key"),
        ("POST /1400000001/rotate-key", json!({ "force": "yes" }), "force"),
    ] {
        let page = request(at, line, &body).await;
        let answer = page.json();
        assert_eq!((page.status, &answer["field"]), (400, &json!(field)), "{body}: {answer}");
        assert!(answer["detail"].as_str().unwrap().starts_with(&format!("{field}: ")), "{answer}");
        assert_eq!(page.header("content-type"), Some("application/problem+json"));
    }
    for body in ["", "{", "\u{feff}", "{}x"] {
        let page = request(at, "PATCH /1400000001", body).await;
        assert_eq!(page.status, 400, "{page:?}");
    }
    assert_eq!(apps().await, before);
}

#[actix_web::test]
async fn a_body_of_more_than_a_mebibyte_is_refused() {
    let (_app, at) = open().await;
    let longest = " ".repeat(BODY_BYTES_MAX - 2) + "{}";
    assert_eq!(request(at, "PATCH /1400000001", &longest).await.status, 200);
    let page = request(at, "PATCH /1400000001", format!(" {longest}")).await;
    assert_eq!(page.status, 413, "{page:?}");
    assert_eq!(page.header("content-type"), Some("application/problem+json"));
    assert_eq!(page.json()["detail"], "the body must be at most 1048576 bytes");

    // Here the server learns the length only at the end.
    let length = longest.len() + 1;
    let chunked = format!(
        "PATCH /admin/v1/apps/1400000001 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         authorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
         {length:x}\r\n {longest}\r\n0\r\n\r\n"
    );
    let answer = String::from_utf8(raw_bytes(at, chunked.as_bytes()).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[actix_web::test]
async fn an_unknown_app_is_not_found() {
    let (_app, at) = open().await;
    for path in ["/9", "/0", "/x", "/99999999999999999999"] {
        for line in [
            format!("GET {path}"),
            format!("PATCH {path}"),
            format!("PUT {path}/admins/a"),
            format!("DELETE {path}/admins/a"),
            format!("POST {path}/rotate-key"),
            format!("DELETE {path}/keys/1"),
        ] {
            let page = request(at, &line, "{}").await;
            assert_eq!(page.status, 404, "{line}: {page:?}");
        }
    }
}

#[actix_web::test]
async fn no_concurrent_change_is_lost() {
    let (_app, at) = open().await;
    let names = ["pinned", "groups", "marked", "grouped", "mark-items", "page-items"];
    let changes = names
        .map(|name| request(at, "PATCH /1400000001", json!({ "limits": { name: 7 } }).to_string()));
    for page in join_all(changes).await {
        assert_eq!(page.status, 200, "{page:?}");
    }
    let shown = request_ok(at, "GET /1400000001", "").await;
    for name in names {
        assert_eq!(shown["limits"][name], 7, "{name}: {shown}");
    }
}
