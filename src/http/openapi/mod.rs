//! The OpenAPI document: all paths, fields and codes.
//!
//! It is written by hand beside the code, and tests compare the two. All answers in the tests must match the schemas,
//! every example is sent, and the service must accept requests that are generated from the schemas.

mod codes;
mod operators;
pub(super) mod schema;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::asset::Asset;
use crate::http::tencent::codes::{Code, Family};
use crate::http::tencent::registry::{CALLS, Entry};
use crate::limits::Limits;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| built().to_string());

#[must_use]
pub fn openapi() -> &'static str {
    &DOCUMENT
}

static ASSET: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("application/json", openapi().as_bytes()));

pub(super) async fn document(request: HttpRequest) -> HttpResponse {
    ASSET.send(&request, HttpResponse::build)
}

#[derive(Debug)]
pub struct Operation {
    pub summary: &'static str,
    pub description: &'static str,
    /// The schema of the request body.
    pub request: Value,
    /// The schemas of the answer's fields, by name and without the envelope. No field is optional.
    pub answer: Value,
    /// The codes that not every command of the family has.
    pub codes: &'static [Code],
    /// A request body and its answer. The answer assumes that the examples of the calls before it have been sent.
    pub example: (&'static str, &'static str),
}

pub(super) fn item_codes(family: Family, of_its_own: &[Code]) -> Vec<u32> {
    codes::of_items(family, of_its_own)
}

const ABOUT: &str = "\
Self-hosted conversation marks, with exactly the wire format of the REST API of Tencent Cloud Chat.

Every call under `/v4/` returns HTTP status 200. `ErrorCode` says whether the call succeeded, `ResultCode` whether an \
item succeeded. A field that is `null` counts as absent. Unknown fields are ignored. Lengths of texts are in bytes of \
UTF-8 (`x-maxBytes`). `x-limit` names a limit that an operator can change per app; this document shows the defaults. \
`x-bits` names the bits, `x-meanings` explains numbers, `x-codes` lists the codes of a call, and `x-error-codes` \
explains all codes.";

fn built() -> Value {
    let limits = Limits::default();
    let paths: Map<String, Value> = CALLS
        .iter()
        .map(|call| (call.path(), described(call, &(call.operation)(&limits))))
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
            { "name": Family::RecentContact.service(), "description": "Marks, contact groups, pins." },
            { "name": Family::Accounts.service(), "description": "The users in the directory." },
            { "name": Family::ChatGroups.service(), "description": "The chat groups in the directory." },
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

fn described(call: &Entry, operation: &Operation) -> Value {
    let Entry { family, command, .. } = *call;
    let at_the_top = codes::at_the_top(family, operation.codes);
    let of_items = codes::of_items(family, operation.codes);
    let all: BTreeSet<u32> = at_the_top.iter().chain(&of_items).copied().collect();
    let fields = operation.answer.as_object().map(|fields| fields.keys().map(String::as_str));
    let names: Vec<&str> = fields.into_iter().flatten().collect();
    let (request, answer) = operation.example;
    json!({ "post": {
        "operationId": command,
        "tags": [family.service()],
        "summary": operation.summary,
        "description": operation.description,
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
            "description": "Success or failure, see `ErrorCode`.",
            "content": { "application/json": {
                "schema": { "oneOf": [
                    schema::success(&names, &operation.answer),
                    schema::failure(&at_the_top),
                ] },
                "example": example(answer),
            } },
        } },
        "x-codes": all,
    } })
}

fn example(json: &str) -> Value {
    #[expect(
        clippy::expect_used,
        reason = "the examples are part of the program, and tests send them"
    )]
    let example = serde_json::from_str(json).expect("an example is JSON");
    example
}

fn parameters() -> Value {
    json!({
        "random": {
            "name": "random", "in": "query", "schema": { "type": "integer", "minimum": 0, "maximum": u32::MAX },
            "description": "Tencent Cloud Chat asks for a random number. Ignored here.", "example": 4_294_967_295_u32,
        },
        "contenttype": {
            "name": "contenttype", "in": "query", "schema": { "const": "json" },
            "description": "Tencent Cloud Chat asks for `json`. Ignored here.",
        },
    })
}

fn security_schemes() -> Value {
    let key = |name: &str, about: &str| json!({ "type": "apiKey", "in": "query", "name": name, "description": about });
    json!({
        "sdkappid": key("sdkappid", "The number of the app, a positive integer."),
        "identifier": key("identifier", "The caller, an admin of the app."),
        "usersig": key("usersig", "A UserSig for this identifier, signed with the app's secret key (`earmark sig`)."),
        "operatorToken": {
            "type": "http", "scheme": "bearer",
            "description": "The operators' token (`--operator-token-file`). In `dev`, requests from this machine need none.",
        },
    })
}
