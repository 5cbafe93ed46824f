//! The OpenAPI document of the native API agrees with the service.
//!
//! Every test that calls the API also compares the answer with the document, see `document.rs`.

use std::collections::BTreeSet;

use actix_web::http::Method;
use serde_json::Value;

use super::Ask;
use super::document::{DOCUMENT, Operation, is_request, operations};
use crate::support::*;

/// The calls of the examples. The answer to an example depends on the calls before it.
const EXAMPLES: [&str; 12] = [
    "GET /users/{user}",
    "GET /users/{user}/conversations",
    "GET /users/{user}/conversations/{type}/{id}",
    "PATCH /users/{user}/conversations/{type}/{id}",
    "DELETE /users/{user}/conversations/{type}/{id}",
    "POST /users/{user}/batch",
    "PUT /users/{user}/groups/{name}",
    "PATCH /users/{user}/groups/{name}",
    "DELETE /users/{user}/groups/{name}",
    "PUT /marks/{bit}",
    "GET /marks",
    "DELETE /marks/{bit}",
];

#[actix_web::test]
async fn the_document_is_served_as_json() {
    let app = TestApp::start().await;
    let page = Page::get(app.addresses.api, "localhost", "/v1/openapi.json", "").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("application/json")));
    assert_eq!(page.json(), *DOCUMENT);
}

#[test]
fn the_document_has_an_example_for_every_call() {
    let documented: BTreeSet<_> = operations()
        .filter(|operation| !is_stream(operation) && !needs_cursor(operation))
        // An operator must turn the feed on.
        .filter(|operation| operation.path != "/changes")
        .map(|operation| operation.name())
        .collect();
    assert_eq!(documented, EXAMPLES.map(str::to_owned).into());
}

/// Only an answer of the service gives a cursor, so there is no example of one.
fn needs_cursor(operation: &Operation) -> bool {
    let mut parameters = operation.described["parameters"].as_array().unwrap().iter();
    parameters.any(|parameter| parameter["name"] == "since" && parameter["required"] == true)
}

/// A stream has no end, so its example cannot be compared.
fn is_stream(operation: &Operation) -> bool {
    operation.described["responses"]["200"]["content"].get("text/event-stream").is_some()
}

#[test]
fn requests_and_answers_are_named() {
    for operation in operations() {
        let is_named = |pointer: &str| match operation.described.pointer(pointer) {
            Some(schema) => schema["$ref"].as_str().unwrap().starts_with("#/components/schemas/"),
            None => true,
        };
        let schema = "content/application~1json/schema";
        assert!(is_named(&format!("/requestBody/{schema}")), "{}", operation.name());
        assert!(is_named(&format!("/responses/200/{schema}")), "{}", operation.name());
        assert!(is_named(&format!("/responses/201/{schema}")), "{}", operation.name());
    }
}

#[test]
fn an_object_in_an_answer_has_no_other_fields() {
    let requests: Vec<_> = operations().filter_map(|operation| operation.request()).collect();
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        if schema["type"] == "object" && !requests.contains(&name.as_str()) {
            assert_eq!(schema["additionalProperties"], false, "{name}");
        }
    }
}

#[actix_web::test]
async fn every_example_is_answered_as_documented() {
    let app = TestApp::start().await;
    app.mark("user0", [set("user1", 0)]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "work", [user("user1")])).await;
    for name in EXAMPLES {
        let operation = operations().find(|operation| operation.name() == name).unwrap();
        let json = "content/application~1json";
        let request = operation.described.pointer(&format!("/requestBody/{json}/example"));
        let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap();
        let mut ask = Ask::new(method, filled(&operation));
        if let Some(body) = request {
            assert!(is_request(&operation, body), "{name}: {body}");
            ask = ask.body(body.clone());
        }
        let reply = ask.send(&app).await;
        let status = reply.status;
        let mut answer = reply.ok();
        let expected = format!("/responses/{status}/{json}/example");
        let expected = operation.described.pointer(&expected).unwrap();
        replace_what_no_example_can_predict(&mut answer, expected);
        assert_eq!(answer.to_string(), expected.to_string(), "{name}");
    }
}

/// The path with the examples of its parameters.
fn filled(operation: &Operation) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut path = operation.path.to_owned();
    for parameter in operation.parameters("path") {
        let name = format!("{{{}}}", parameter["name"].as_str().unwrap());
        path = path.replace(&name, &text(&parameter["example"]));
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for parameter in operation.parameters("query") {
        let (name, example) = (parameter["name"].as_str().unwrap(), &parameter["example"]);
        if !example.is_null() {
            query.append_pair(name, &text(example));
        }
    }
    let query = query.finish();
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

/// Times and cursors.
fn replace_what_no_example_can_predict(answer: &mut Value, example: &Value) {
    for (name, value) in answer.as_object_mut().into_iter().flatten() {
        let expected = &example[name.as_str()];
        let is_unpredictable = ["changed_at", "cursor", "next"].contains(&name.as_str());
        if is_unpredictable && value.is_string() && expected.is_string() {
            *value = expected.clone();
        }
        replace_what_no_example_can_predict(value, expected);
    }
    for (nr, item) in answer.as_array_mut().into_iter().flatten().enumerate() {
        replace_what_no_example_can_predict(item, &example[nr]);
    }
}
