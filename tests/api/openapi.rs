//! The OpenAPI document agrees with the service: its calls, examples, limits and shapes.
//!
//! Every test that calls the API also compares the answer with the document, see `support/document.rs`.

use std::collections::BTreeSet;

use earmark::http::{Console, OperatorToken, Operators};
use earmark::limits::Limits;
use serde_json::{Value, json};

use crate::support::document::{DOCUMENT, commands, is_request, operation, paths};
use crate::support::*;

/// The calls of the examples. The answer to an example depends on the calls before it.
const EXAMPLES: [&str; 17] = [
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
    CREATE_CHAT_GROUP,
    IMPORT_CHAT_GROUP,
    DESTROY_CHAT_GROUP,
    GET_CHAT_GROUP_INFO,
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
fn the_document_has_an_example_for_every_call() {
    assert_eq!(commands().collect::<BTreeSet<_>>(), EXAMPLES.into());
    for command in EXAMPLES {
        let (service, name) = command.split_once('/').unwrap();
        assert_eq!(operation(command)["operationId"], name);
        assert_eq!(operation(command)["tags"], json!([service]));
    }
}

#[test]
fn the_document_names_the_request_and_the_answer_of_every_call() {
    for command in EXAMPLES {
        let schema = "content/application~1json/schema";
        let named = |place: &str| {
            let name = operation(command).pointer(&format!("/{place}/$ref")).unwrap();
            name.as_str().unwrap().trim_start_matches("#/components/schemas/").to_lowercase()
        };
        let (_, name) = command.split_once('/').unwrap();
        let name = name.replace('_', "");
        assert_eq!(named(&format!("requestBody/{schema}")), format!("{name}request"));
        assert_eq!(named(&format!("responses/200/{schema}/oneOf/0")), format!("{name}answer"));
    }
}

#[test]
fn the_document_calls_each_code_what_the_tests_call_it() {
    for code in DOCUMENT["x-error-codes"].as_array().unwrap() {
        assert_eq!(code["name"], format!("{:?}", Code::read(&code["code"])));
    }
}

#[test]
fn the_document_has_exactly_the_codes_that_the_tests_name() {
    let codes = DOCUMENT["x-error-codes"].as_array().unwrap();
    let documented: BTreeSet<_> = codes.iter().map(|code| Code::read(&code["code"])).collect();
    let named: BTreeSet<_> = Code::ALL.iter().copied().filter(|code| *code != Ok).collect();
    assert_eq!(documented, named);
}

/// A documented path of the admin API and of the console serves exactly its documented methods. From outside, no test can
/// find a path that the document does not have.
#[actix_web::test]
async fn the_document_has_the_methods_of_the_admin_api_and_the_console() {
    let mut app = TestApp::start().await;
    let token = "operator-token-of-the-tests";
    let operators = Operators::WithToken(OperatorToken::parse(token).unwrap());
    let front = Front { console: Console::On, operators, ..Front::default() };
    let at = app.start_front(front).await;
    let mut found = BTreeSet::new();
    for (path, item) in paths() {
        if path.starts_with("/v4/") {
            continue;
        }
        let address = if item.get("servers").is_some() { at.admin.unwrap() } else { at.api };
        for method in ["get", "post", "patch", "put", "delete"] {
            let filled = path.replace("{sdkappid}", "7").replace("{identifier}", "a");
            let filled =
                filled.replace("{key_id}", "1").replace("{webhook_id}", "1").replace("{user}", "u");
            let line = format!("{} {filled}", method.to_uppercase());
            let headers =
                format!("content-type: application/json\r\nauthorization: Bearer {token}\r\n");
            let page = Page::ask(address, "localhost", &line, &headers, "{}").await;
            // App 7 does not exist. A served method says so; a method that is not served answers otherwise.
            let (status, text) = (page.status, page.text());
            let answer: Value = serde_json::from_str(&text).unwrap_or_default();
            let is_served = status != 405
                && answer["ErrorCode"] != UnknownCommand
                && (status != 404 || text.contains("no such app"));
            assert_eq!(item.get(method).is_some(), is_served, "{line}: {status}");
            if is_served {
                found.insert(line);
            }
        }
    }
    assert_eq!(found.len(), 32, "{found:?}");
}

/// Replaces the times of an answer with those of the example, which no example can predict.
fn replace_times(answer: &mut Value, example: &Value) {
    if let Some(fields) = answer.as_object_mut() {
        for (name, value) in fields {
            let expected = &example[name.as_str()];
            if ["Timestamp", "MsgTime"].contains(&name.as_str()) && *value != 0 {
                *value = expected.clone();
            }
            replace_times(value, expected);
        }
    }
    for (nr, item) in answer.as_array_mut().into_iter().flatten().enumerate() {
        replace_times(item, &example[nr]);
    }
}

#[actix_web::test]
async fn every_example_is_answered_as_documented() {
    let app = TestApp::start().await;
    for command in EXAMPLES {
        let json = "content/application~1json/example";
        let request = operation(command).pointer(&format!("/requestBody/{json}")).unwrap();
        let expected = operation(command).pointer(&format!("/responses/200/{json}")).unwrap();
        assert!(is_request(command, request), "{command}: {request}");
        let mut answer = (*app.call(command, request).await).clone();
        replace_times(&mut answer, expected);
        assert_eq!(answer.to_string(), expected.to_string(), "{command}");
    }
}

#[test]
fn every_limit_of_a_field_is_documented_with_its_default() {
    let mut limits = Limits::default();
    let mut found = BTreeSet::new();
    collect_limits(&DOCUMENT, &mut found);
    let expected: BTreeSet<(String, u64)> = limits
        .named()
        .into_iter()
        .filter(|(name, _)| name.ends_with("-bytes") || name.ends_with("-items"))
        // No field of a request is limited by the size of a page.
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

#[actix_web::test]
async fn the_service_accepts_exactly_the_bodies_that_the_document_allows() {
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
        (false, mark_contact("user0", EMPTY)),
        (false, mark_contact("user0", vec![set("user1", 0); 101])),
        (true, mark_contact("user0", vec![set("user1", 0); 100])),
        (false, json!({ "MarkItem": [set("user1", 0)] })),
        (false, json!([])),
    ] {
        assert_eq!(is_request(MARK_CONTACT, &body), good, "{body}");
        let answer = app.call(MARK_CONTACT, &body).await;
        assert_eq!(answer.code() == Ok, good, "{answer}");
    }
}
