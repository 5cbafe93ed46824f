//! The OpenAPI document: every path, every field, every code.
//!
//! It is written by hand beside the code, and held to it by tests: every answer of the tests has the shape that stands
//! here, every example is sent, and requests made from the shapes are taken.

mod accounts;
mod chat_groups;
mod codes;
mod operators;
mod recent_contact;
mod schema;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::asset::Asset;
use crate::error::Family;
use crate::http::tencent::{path_of, service_of};
use crate::limits::Limits;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| built().to_string());

/// The document, as it is served.
#[must_use]
pub fn openapi() -> &'static str {
    &DOCUMENT
}

static ASSET: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("application/json", openapi().as_bytes()));

/// Serves the document.
pub(super) async fn document(request: HttpRequest) -> HttpResponse {
    ASSET.send(&request, HttpResponse::build)
}

/// A call of the API.
struct Operation {
    family: Family,
    command: &'static str,
    summary: &'static str,
    description: &'static str,
    /// The body.
    request: Value,
    /// What stands in an answer beside the envelope: names, all of which are always there, with their shapes.
    answer: Value,
    /// The codes that not every command of the family has.
    codes: &'static [u32],
    /// A body, and what it is answered after the examples before it were sent.
    example: (&'static str, &'static str),
}

const ABOUT: &str = "\
Conversation marks as a service, wire-exact with the REST API of Tencent Cloud Chat.

Every call under `/v4/` is answered with HTTP status 200; the truth is in `ErrorCode`, and for what concerns one item in \
`ResultCode`. `null` is the same as absent, unknown fields are ignored. Lengths of texts are bytes of UTF-8 \
(`x-maxBytes`). Where `x-limit` names a limit, an app may have another than the default that stands here. Bits have \
names in `x-bits`, numbers that stand for something in `x-meanings`, the codes of a call are in `x-codes`, all codes in \
`x-error-codes`.";

fn built() -> Value {
    let limits = Limits::default();
    let operations: Vec<Operation> =
        [recent_contact::operations, accounts::operations, chat_groups::operations]
            .into_iter()
            .flat_map(|operations| operations(&limits))
            .collect();
    let paths: Map<String, Value> = operations
        .iter()
        .map(|operation| (path_of(operation.family, operation.command), described(operation)))
        .chain(operators::paths())
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "earmark",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Self-hosted conversation marks",
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": service_of(Family::RecentContact), "description": "Marks, conversation groups, pins." },
            { "name": service_of(Family::Accounts), "description": "The users that the directory has." },
            { "name": service_of(Family::ChatGroups), "description": "The chat groups that the directory has." },
            { "name": "admin", "description": "The admin API, for operators: apps and their settings." },
            { "name": "service", "description": "The service itself." },
        ],
        "security": [{ "sdkappid": [], "identifier": [], "usersig": [] }],
        "paths": paths,
        "components": {
            "schemas": schema::joined(schema::schemas(&limits), operators::schemas(&limits)),
            "parameters": schema::joined(parameters(), operators::parameters()),
            "securitySchemes": security_schemes(),
        },
        "x-error-codes": *codes::TABLE,
    })
}

fn described(operation: &Operation) -> Value {
    let Operation { family, command, summary, description, .. } = *operation;
    let at_the_top = codes::at_the_top(family, operation.codes);
    let of_items = codes::of_items(family, operation.codes);
    let all: BTreeSet<u32> = at_the_top.iter().chain(&of_items).copied().collect();
    let fields = operation.answer.as_object().map(|fields| fields.keys().map(String::as_str));
    let names: Vec<&str> = fields.into_iter().flatten().collect();
    let (request, answer) = operation.example;
    json!({ "post": {
        "operationId": command,
        "tags": [service_of(family)],
        "summary": summary,
        "description": description,
        "parameters": [
            { "$ref": "#/components/parameters/random" },
            { "$ref": "#/components/parameters/contenttype" },
        ],
        "requestBody": {
            "required": true,
            "content": { "application/json": {
                "schema": operation.request, "example": example(request),
            } },
        },
        "responses": { "200": {
            "description": "Done, or refused: see `ErrorCode`.",
            "content": { "application/json": {
                "schema": { "oneOf": [
                    schema::success(&names, operation.answer.clone()),
                    schema::failure(&at_the_top),
                ] },
                "example": example(answer),
            } },
        } },
        "x-codes": all,
    } })
}

fn example(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

fn parameters() -> Value {
    json!({
        "random": {
            "name": "random", "in": "query", "schema": { "type": "integer", "minimum": 0, "maximum": u32::MAX },
            "description": "The original wants a random number; it is not looked at here.", "example": 4_294_967_295_u32,
        },
        "contenttype": {
            "name": "contenttype", "in": "query", "schema": { "const": "json" },
            "description": "The original wants `json`; it is not looked at here.",
        },
    })
}

fn security_schemes() -> Value {
    let key = |name: &str, about: &str| json!({ "type": "apiKey", "in": "query", "name": name, "description": about });
    json!({
        "sdkappid": key("sdkappid", "The number of the app, a positive integer."),
        "identifier": key("identifier", "Who calls: an admin of the app."),
        "usersig": key("usersig", "A UserSig for this identifier, signed with the app's secret key (`earmark sig`)."),
        "operatorToken": {
            "type": "http", "scheme": "bearer",
            "description": "The operators' token (`--operator-token-file`). In `dev` this machine needs none.",
        },
    })
}
