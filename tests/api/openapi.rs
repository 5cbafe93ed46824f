//! The OpenAPI document is true: it has every call, its examples work, and its shapes are those that are checked.
//!
//! That every answer has the documented shape is checked wherever a test calls, see `support/document.rs`.

use std::collections::BTreeSet;

use earmark::http::{Console, Operators};
use earmark::limits::Limits;
use serde_json::{Value, json};

use crate::support::document::{DOCUMENT, calls, is_request, operation};
use crate::support::*;

/// The examples, each after those that it builds upon.
const SCENE: [&str; 17] = [
    MARK_CONTACT,
    CREATE,
    UPDATE,
    SEARCH,
    GET,
    TOP,
    GET_LIST,
    DEL,
    DELETE,
    ACCOUNT_IMPORT,
    MULTIACCOUNT_IMPORT,
    ACCOUNT_CHECK,
    ACCOUNT_DELETE,
    CREATE_GROUP,
    IMPORT_GROUP,
    DESTROY_GROUP,
    GET_GROUP_INFO,
];

#[actix_web::test]
async fn the_document_is_served_as_json() {
    let app = TestApp::start().await;
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    let answer = raw_text(app.addresses.api, request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), *DOCUMENT);
}

#[test]
fn it_has_the_calls_that_are_served_and_no_others() {
    let documented: BTreeSet<String> = calls().map(|(command, _)| command).collect();
    assert_eq!(documented, COMMANDS.map(str::to_owned).into());
    for command in COMMANDS {
        let (family, name) = command.split_once('/').unwrap();
        assert_eq!(operation(command)["operationId"], name);
        assert_eq!(operation(command)["tags"], json!([family]));
    }
}

/// A documented path of the admin API and of the console serves exactly its documented methods. From outside, no test can
/// find a path that the document does not have.
#[actix_web::test]
async fn it_has_the_paths_that_are_not_the_originals() {
    let mut app = TestApp::start().await;
    let front =
        Front { console: Console::On, operators: Operators::ThisMachine, ..Front::default() };
    let at = app.start_front(front).await;
    let mut found = BTreeSet::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        if path.starts_with("/v4/") {
            continue;
        }
        let address = if item.get("servers").is_some() { at.admin.unwrap() } else { at.api };
        for method in ["get", "post", "patch", "put", "delete"] {
            let filled = path.replace("{sdkappid}", "7").replace("{identifier}", "a");
            let line = format!("{} {filled}", method.to_uppercase());
            let headers = "content-type: application/json\r\n";
            let page = Page::ask(address, "localhost", &line, headers, "{}").await;
            // App 7 is not there, which a method that is not there does not say.
            let (status, text) = (page.status, page.text());
            let answer: Value = serde_json::from_str(&text).unwrap_or_default();
            let is_served = status != 405
                && answer["ErrorCode"] != 60009
                && (status != 404 || text.contains("no such app"));
            assert_eq!(item.get(method).is_some(), is_served, "{line}: {status}");
            if is_served {
                found.insert(line);
            }
        }
    }
    assert_eq!(found.len(), 13, "{found:?}");
}

/// Times become those of the example, which cannot know them.
fn take_times_over(answer: &mut Value, example: &Value) {
    if let Some(fields) = answer.as_object_mut() {
        for (name, value) in fields {
            let expected = &example[name.as_str()];
            if ["Timestamp", "MsgTime"].contains(&name.as_str()) && *value != 0 {
                *value = expected.clone();
            }
            take_times_over(value, expected);
        }
    }
    for (nr, item) in answer.as_array_mut().into_iter().flatten().enumerate() {
        take_times_over(item, &example[nr]);
    }
}

#[actix_web::test]
async fn every_example_is_answered_as_it_says() {
    let app = TestApp::start().await;
    for command in SCENE {
        let json = "content/application~1json/example";
        let request = operation(command).pointer(&format!("/requestBody/{json}")).unwrap();
        let expected = operation(command).pointer(&format!("/responses/200/{json}")).unwrap();
        assert!(is_request(command, request), "{command}: {request}");
        let mut answer = app.call(command, request).await;
        take_times_over(&mut answer, expected);
        assert_eq!(answer.to_string(), expected.to_string(), "{command}");
    }
}

/// Every limit that an app may have is named where it holds, with its default.
#[test]
fn the_limits_are_those_of_the_service() {
    let mut limits = Limits::default();
    let mut found = BTreeSet::new();
    collect_limits(&DOCUMENT, &mut found);
    let expected: BTreeSet<(String, u64)> = limits
        .named()
        .into_iter()
        .filter(|(name, _)| name.ends_with("-bytes") || name.ends_with("-items"))
        // Pages have no field: they are as long as they are.
        .filter(|(name, _)| *name != "page-items")
        .map(|(name, value)| (name.to_owned(), u64::from(*value)))
        .collect();
    assert_eq!(found, expected);
}

fn collect_limits(value: &Value, found: &mut BTreeSet<(String, u64)>) {
    if let Some(limit) = value.get("x-limit") {
        let most = value.get("maxLength").or(value.get("maxItems")).unwrap();
        found.insert((limit.as_str().unwrap().to_owned(), most.as_u64().unwrap()));
    }
    let fields = value.as_object().into_iter().flatten().map(|(_, field)| field);
    let items = value.as_array().into_iter().flatten();
    fields.chain(items).for_each(|child| collect_limits(child, found));
}

/// A body that the document forbids is refused, and one that it allows is not.
#[actix_web::test]
async fn what_the_shapes_forbid_is_refused() {
    let app = TestApp::start().await;
    let user1 = user("user1");
    let item = |fields: Value| {
        let mut item = json!({ "OptType": 1, "ContactItem": user1 });
        item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        mark_contact("user0", [item])
    };
    for (good, body) in [
        (true, item(json!({ "SetMark": [0, 63] }))),
        (true, item(json!({ "ClearMark": [] }))),
        (true, item(json!({ "OptType": 2, "CustomMark": "x".repeat(256) }))),
        (true, item(json!({ "OptType": 3, "CustomMark": "" }))),
        (false, item(json!({}))),
        (false, item(json!({ "SetMark": [64] }))),
        (false, item(json!({ "SetMark": [-1] }))),
        (false, item(json!({ "OptType": 2, "SetMark": [0] }))),
        (false, item(json!({ "OptType": 2, "CustomMark": "x".repeat(257) }))),
        (false, item(json!({ "OptType": 2, "CustomMark": "\0" }))),
        (false, item(json!({ "OptType": 4, "SetMark": [0] }))),
        (
            false,
            item(json!({ "SetMark": [0], "ContactItem": { "Type": 2, "To_Account": "user1" } })),
        ),
        (false, item(json!({ "SetMark": [0], "ContactItem": user("") }))),
        (false, item(json!({ "SetMark": [0], "ContactItem": user(&"x".repeat(33)) }))),
        (false, mark_contact("user0", [] as [Value; 0])),
        (false, mark_contact("user0", vec![set("user1", 0); 101])),
        (true, mark_contact("user0", vec![set("user1", 0); 100])),
        (false, json!({ "MarkItem": [set("user1", 0)] })),
        (false, json!([])),
    ] {
        assert_eq!(is_request(MARK_CONTACT, &body), good, "{body}");
        let answer = app.call(MARK_CONTACT, &body).await;
        assert_eq!(answer["ErrorCode"] == 0, good, "{body}: {answer}");
    }
}
