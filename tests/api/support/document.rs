//! The OpenAPI document. The tests compare every answer with it.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

/// The document, as it is served.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(earmark::http::openapi()).unwrap());

static ANSWERS: LazyLock<HashMap<&str, Validator>> = LazyLock::new(|| {
    commands().map(|command| (command, validator(command, "responses/200"))).collect()
});

static REQUESTS: LazyLock<HashMap<&str, Validator>> = LazyLock::new(|| {
    commands().map(|command| (command, validator(command, "requestBody"))).collect()
});

/// Every documented command, as `service/command`.
///
/// `metrics::every_call_that_is_served_is_documented` checks that the service serves no others.
pub(crate) fn commands() -> impl Iterator<Item = &'static str> {
    paths().filter_map(|(path, _)| path.strip_prefix("/v4/"))
}

/// Every documented path with its operations.
pub(crate) fn paths() -> impl Iterator<Item = (&'static str, &'static Value)> {
    DOCUMENT["paths"].as_object().unwrap().iter().map(|(path, item)| (path.as_str(), item))
}

/// Every documented call of the native API, as the metrics name it.
pub(crate) fn native_calls() -> Vec<String> {
    let document: Value = serde_json::from_str(earmark::http::openapi_v1()).unwrap();
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    operations.map(|call| format!("v1_{}", call["operationId"].as_str().unwrap())).collect()
}

/// The operation of a command.
pub(crate) fn operation(command: &str) -> &'static Value {
    &DOCUMENT["paths"][format!("/v4/{command}")]["post"]
}

fn validator(command: &str, place: &str) -> Validator {
    let path = format!("/v4/{command}").replace('/', "~1");
    let mut schema = DOCUMENT.clone();
    schema["$ref"] = json!(format!("#/paths/{path}/post/{place}/content/application~1json/schema"));
    jsonschema::validator_for(&schema).unwrap()
}

/// The answer has the documented shape. Paths that are not documented have none.
#[track_caller]
pub(crate) fn check_answer(command: &str, answer: &Value) {
    if let Some(validator) = ANSWERS.get(command) {
        check(validator, answer);
    }
}

/// The answer has the shape that the document has under this name.
#[track_caller]
pub(crate) fn check_named(name: &str, answer: &Value) {
    let mut schema = DOCUMENT.clone();
    schema["$ref"] = json!(format!("#/components/schemas/{name}"));
    check(&jsonschema::validator_for(&schema).unwrap(), answer);
}

/// The body has the shape that the document asks for.
pub(crate) fn is_request(command: &str, body: &Value) -> bool {
    REQUESTS[command].is_valid(body)
}

#[track_caller]
fn check(validator: &Validator, value: &Value) {
    let wrong: Vec<_> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{value} is not as documented: {wrong:#?}");
}
