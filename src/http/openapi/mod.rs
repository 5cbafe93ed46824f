//! The OpenAPI document: all paths, fields and codes.
//!
//! The schemas of answers are derived from their structs. The rest is written by hand beside the code, and tests compare
//! the two: all answers in the tests must match the schemas, every example is sent, and the service must accept requests
//! that are generated from the schemas.

mod audit;
mod codes;
mod erasing;
mod operators;
pub(super) mod schema;
mod webhooks;

pub(super) use codes::code_at_the_top;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::admin::{
    AppList, AuditPage, DeliveryList, RefusedList, Replayed, ShownErased, ShownRemoved, ShownToken,
    ShownUser, UserIdList, WebhookList,
};
use super::asset::Asset;
use super::problem_details::ProblemDetails;
use crate::http::tencent::codes::{Code, Family};
use crate::http::tencent::envelope::FailureAnswer;
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
    /// The codes that not every command of the family has.
    pub codes: &'static [Code],
    /// A request body and its answer. The answer assumes that the examples of the calls before it have been sent.
    pub example: (&'static str, &'static str),
}

const ABOUT: &str = "\
Self-hosted conversation marks, with exactly the wire format of the REST API of Tencent Cloud Chat.

Every call under `/v4/` returns HTTP status 200. `ErrorCode` says whether the call succeeded, `ResultCode` whether an \
item succeeded. A field that is `null` counts as absent. Unknown fields are ignored. Lengths of texts are in bytes of \
UTF-8 (`x-maxBytes`). `x-limit` names a limit that an operator can change per app; this document shows the defaults. \
`x-bits` names the bits, `x-meanings` explains numbers, `x-codes` lists the codes of a call, and `x-error-codes` \
explains all codes. A call with `x-readOnly` changes nothing. `x-scope` is the scope that an operator's token needs.

The native API, `/v1/`, has a document of its own: `/v1/openapi.json`.";

fn built() -> Value {
    let limits = Limits::default();
    let mut schemas = shared_schemas(&limits);
    let mut paths = Map::new();
    for call in CALLS {
        let operation = (call.operation)(&limits);
        paths.insert(call.path(), described(call, &operation));
        schemas = schema::joined(schemas, schemas_of(call, operation).into());
    }
    paths.extend(operators::paths());
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
        "externalDocs": { "url": "/v1/openapi.json", "description": "The document of the native API." },
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
            "schemas": schemas,
            "parameters": schema::joined(parameters(), operators::parameters()),
            "securitySchemes": security_schemes(),
        },
        "x-error-codes": *codes::TABLE,
    })
}

/// The schemas that do not belong to one call.
fn shared_schemas(limits: &Limits) -> Value {
    let mut generator = schema::generator(Vec::new());
    generator.subschema_for::<FailureAnswer<'_>>();
    generator.subschema_for::<ProblemDetails<'_>>();
    generator.subschema_for::<AppList<'_>>();
    generator.subschema_for::<RefusedList>();
    generator.subschema_for::<WebhookList>();
    generator.subschema_for::<DeliveryList>();
    generator.subschema_for::<Replayed>();
    generator.subschema_for::<ShownUser>();
    generator.subschema_for::<UserIdList>();
    generator.subschema_for::<ShownErased>();
    generator.subschema_for::<ShownRemoved>();
    generator.subschema_for::<AuditPage<'_>>();
    generator.subschema_for::<ShownToken>();
    let answers = generator.take_definitions(true);
    let by_hand = schema::joined(schema::schemas(limits), operators::schemas(&answers["App"]));
    let by_hand = schema::joined(by_hand, webhooks::schemas(&answers["Webhook"]));
    schema::joined(by_hand, answers.into())
}

/// The schemas of a call's request, of its two answers, and of the items in them.
fn schemas_of(call: &Entry, mut operation: Operation) -> Map<String, Value> {
    let mut schemas = answers_of(call, operation.codes);
    schema::move_titled(&mut operation.request, &mut schemas);
    schemas.insert(schema_name(call, "Request"), operation.request);
    schemas
}

/// The schemas of a call's two answers, and of the items in them.
fn answers_of(call: &Entry, codes: &[Code]) -> Map<String, Value> {
    let mut generator = schema::generator(codes::of_items(call.family, codes));
    let answer = (call.answer)(&mut generator);
    generator.definitions_mut().insert(schema_name(call, "Answer"), answer.into());
    let mut schemas = generator.take_definitions(true);
    let at_the_top = codes::at_the_top(call.family, codes);
    schemas.insert(schema_name(call, "Failure"), schema::failure(&at_the_top));
    schemas
}

/// The name in `PascalCase`: `MarkContactAnswer` for `mark_contact` and `Answer`.
fn schema_name(call: &Entry, what: &str) -> String {
    let words = call.command.split('_').filter_map(|word| word.split_at_checked(1));
    words.map(|(first, rest)| first.to_uppercase() + rest).collect::<String>() + what
}

fn described(call: &Entry, operation: &Operation) -> Value {
    let Entry { family, command, .. } = *call;
    let at_the_top = codes::at_the_top(family, operation.codes);
    let of_items = codes::of_items(family, operation.codes);
    let all: BTreeSet<u32> = at_the_top.iter().chain(&of_items).copied().collect();
    let (request, answer) = operation.example;
    let named_answer = schema::named(&schema_name(call, "Answer"));
    let named_failure = schema::named(&schema_name(call, "Failure"));
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
                "schema": schema::named(&schema_name(call, "Request")), "example": example(request),
            } },
        },
        "responses": { "200": {
            "description": "Success or failure, see `ErrorCode`.",
            "content": { "application/json": {
                "schema": {
                    "oneOf": [named_answer, named_failure],
                    "discriminator": { "propertyName": "ActionStatus", "mapping": {
                        "OK": named_answer["$ref"], "FAIL": named_failure["$ref"],
                    } },
                },
                "example": example(answer),
            } },
        } },
        "x-codes": all,
        "x-readOnly": call.is_read_only,
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
            "description": "The operators' token (`--operator-token-file`), or one of `earmark token create`. `dev` prints its token in the address of the console.",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schemas_of_all_calls() -> impl Iterator<Item = (String, Value)> {
        let limits = Limits::default();
        CALLS.iter().flat_map(move |call| schemas_of(call, (call.operation)(&limits)))
    }

    fn schemas_of_answers() -> impl Iterator<Item = (String, Value)> {
        let limits = Limits::default();
        CALLS.iter().flat_map(move |call| answers_of(call, (call.operation)(&limits).codes))
    }

    #[test]
    fn a_schema_of_one_name_is_the_same_in_all_calls() {
        let mut found = shared_schemas(&Limits::default());
        let found = found.as_object_mut().unwrap();
        for (name, schema) in schemas_of_all_calls() {
            let earlier = found.entry(name.clone()).or_insert_with(|| schema.clone());
            assert_eq!(*earlier, schema, "{name}");
        }
    }

    #[test]
    fn the_calls_that_change_nothing_say_so() {
        let read_only = CALLS.iter().filter(|call| {
            described(call, &(call.operation)(&Limits::default()))["post"]["x-readOnly"] == true
        });
        assert_eq!(
            read_only.map(|call| call.command).collect::<Vec<_>>(),
            [
                "search_contact_group",
                "get_contact_group",
                "get_list",
                "account_check",
                "get_group_info"
            ]
        );
    }

    #[test]
    fn an_object_in_an_answer_has_no_other_fields() {
        for (name, schema) in schemas_of_answers() {
            if schema["type"] == "object" {
                assert_eq!(schema["additionalProperties"], false, "{name}");
            }
        }
    }

    #[test]
    fn the_result_code_of_an_item_is_0_or_a_code_of_the_call() {
        let items: Vec<_> = schemas_of_answers()
            .filter_map(|(name, schema)| {
                let codes = schema.pointer("/properties/ResultCode/enum")?;
                Some((name, codes.to_string()))
            })
            .collect();
        let items: Vec<_> = items.iter().map(|(name, codes)| (&**name, &**codes)).collect();
        assert_eq!(
            items,
            [
                ("MarkContactResultItem", "[0,50001,50004,51007,51008]"),
                ("CreateContactGroupResultItem", "[0,50001,50004,51007,51008]"),
                ("UpdateContactGroupResultItem", "[0,50001,50004,51007,51008]"),
                ("TopResultItem", "[0,50001,50004,51007,51012]"),
                ("AccountCheckResultItem", "[0,50004,70402]"),
                ("AccountDeleteResultItem", "[0,50004,70107,70402]"),
            ]
        );
    }
}
