//! The OpenAPI document of the native API. The tests compare every answer with it.

use std::collections::HashMap;
use std::sync::LazyLock;

use actix_web::http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

/// The document, as it is served.
pub(super) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(earmark::http::openapi_v1()).unwrap());

const PREFIX: &str = "/v1/apps/{app}";

/// A call of the document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    /// Below `/v1/apps/{app}`.
    pub(super) path: &'static str,
    pub(super) described: &'static Value,
}

impl Operation {
    /// As the tests name it: `GET /users/{user}`.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.path)
    }

    /// Its parameters in the path, the query or a header, in full.
    pub(super) fn parameters(&self, place: &str) -> impl Iterator<Item = &'static Value> {
        let all = self.described["parameters"].as_array().unwrap().iter();
        all.map(resolved).filter(move |parameter| parameter["in"] == place)
    }

    /// The name of the schema of its answers with this status.
    fn answer(&self, status: u16, media_type: &str) -> Option<&'static str> {
        let content = &self.described["responses"][status.to_string()]["content"];
        component(&content[media_type]["schema"])
    }

    /// The name of the schema of its body.
    pub(super) fn request(&self) -> Option<&'static str> {
        let content = &self.described["requestBody"]["content"];
        component(&content["application/json"]["schema"])
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        let (parts, others) = (self.path.split('/'), path.split('/'));
        self.method.eq_ignore_ascii_case(method)
            && parts.clone().count() == others.clone().count()
            && parts.zip(others).all(|(part, other)| part.starts_with('{') || part == other)
    }
}

fn component(schema: &'static Value) -> Option<&'static str> {
    schema["$ref"].as_str()?.strip_prefix("#/components/schemas/")
}

fn resolved(parameter: &'static Value) -> &'static Value {
    match parameter["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(),
        None => parameter,
    }
}

pub(super) fn operations() -> impl Iterator<Item = Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        let path = path.strip_prefix(PREFIX).unwrap();
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, described)| Operation { method, path, described })
    })
}

static SCHEMAS: LazyLock<HashMap<&str, Validator>> = LazyLock::new(|| {
    let names = DOCUMENT["components"]["schemas"].as_object().unwrap().keys();
    names.map(|name| (name.as_str(), validator(name))).collect()
});

fn validator(name: &str) -> Validator {
    let mut schema = DOCUMENT.clone();
    schema["$ref"] = json!(format!("#/components/schemas/{name}"));
    jsonschema::validator_for(&schema).unwrap()
}

/// Checks that the document has an answer of this status and shape.
#[track_caller]
pub(super) fn check_answer(
    method: &Method,
    path: &str,
    status: u16,
    media_type: &str,
    answer: &Value,
) {
    let path = path.split('?').next().unwrap();
    let what = format!("{method} {path}: {status} {media_type}");
    let schema = if status >= 400 {
        assert_eq!(media_type, "application/problem+json", "{what}");
        Some("Problem")
    } else {
        let mut found = operations();
        let found = found.find(|operation| operation.matches(method.as_str(), path));
        found.and_then(|operation| operation.answer(status, media_type))
    };
    let validator = &SCHEMAS[schema.unwrap_or_else(|| panic!("{what} is not documented"))];
    let wrong: Vec<_> = validator
        .iter_errors(answer)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{what}: {answer} is not as documented: {wrong:#?}");
}

/// The body has the shape that the document asks for.
pub(super) fn is_request(operation: &Operation, body: &Value) -> bool {
    SCHEMAS[operation.request().unwrap()].is_valid(body)
}
