//! The OpenAPI document, held against every answer of the tests.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

/// The document, as it is served.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(earmark::http::openapi()).unwrap());

static ANSWERS: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    let calls = calls().map(|(command, path)| (command, validator(&path, "responses/200")));
    calls.collect()
});

static REQUESTS: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    calls().map(|(command, path)| (command, validator(&path, "requestBody"))).collect()
});

/// Every call that the document has: `service/command`, and its path.
pub(crate) fn calls() -> impl Iterator<Item = (String, String)> {
    let paths = DOCUMENT["paths"].as_object().unwrap().keys();
    paths.filter_map(|path| Some((path.strip_prefix("/v4/")?.to_owned(), path.clone())))
}

/// The operation of a call.
pub(crate) fn operation(command: &str) -> &'static Value {
    &DOCUMENT["paths"][format!("/v4/{command}")]["post"]
}

fn validator(path: &str, place: &str) -> Validator {
    let path = path.replace('/', "~1");
    let mut schema = DOCUMENT.clone();
    schema["$ref"] = json!(format!("#/paths/{path}/post/{place}/content/application~1json/schema"));
    jsonschema::validator_for(&schema).unwrap()
}

/// The answer has the shape that the document promises.
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
