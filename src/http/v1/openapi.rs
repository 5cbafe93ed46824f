//! The OpenAPI document of the native API. Paths come from the registry, answers from their structs, and the rest from each
//! call's [`Operation`](super::operation::Operation). Tests send every example, and compare every answer with its schema.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::caller::Access;
use super::problem::{self, ProblemDocument};
use super::registry::{CALLS, Entry};
use crate::http::asset::Asset;
use crate::http::openapi::schema::{generator, text, with};
use crate::limits::Limits;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| built().to_string());

/// The OpenAPI document of the native API.
#[must_use]
pub fn openapi() -> &'static str {
    &DOCUMENT
}

static ASSET: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("application/json", openapi().as_bytes()));

pub(super) async fn document(request: HttpRequest) -> HttpResponse {
    ASSET.send(&request, HttpResponse::build)
}

const ABOUT: &str = "\
The native API: what each user of an app has noted about their conversations, with ordinary HTTP statuses, named marks and \
revisions. `docs/api.md` is the guide; `/openapi.json` describes the API of Tencent Cloud Chat.

Every call can be sent again: the second time changes nothing. A user's state has a revision, which each change raises. \
The header `ETag` has it, and a change with `If-Match` is refused if the state has another one.

Whatever fails is a `Problem`; `x-problems` lists the kinds. Unknown fields of an answer may be added in later versions. \
Ids are percent-encoded in paths, slashes included. Lengths of texts are in bytes of UTF-8 (`x-maxBytes`). `x-limit` names a \
limit that an operator can change per app; this document shows the defaults.

The answer to an example assumes that `user0` has marked the conversation with `user1` as a favorite, that it is the only \
one in the contact group `work`, and that the examples before it have been sent.";

const PREFIX: &str = "/v1/apps/{app}";

fn built() -> Value {
    let mut generator = generator(Vec::new());
    let mut requests = Map::new();
    let mut paths = Map::new();
    for call in CALLS {
        let (operation, answer) = ((call.operation)(), (call.answer)(&mut generator));
        let path = format!("{PREFIX}{}", call.path);
        let described = operation.described(&path, &answer.into(), derived(call));
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[call.method.as_str().to_lowercase()] = described;
        requests.extend(operation.body_schema());
    }
    generator.subschema_for::<ProblemDocument<'_>>();
    let mut schemas = requests;
    schemas.extend(generator.take_definitions(true));
    let tags: BTreeSet<&str> = CALLS.iter().map(|call| tag(call.path)).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "earmark, the native API",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Self-hosted conversation marks",
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags.into_iter().map(|name| json!({ "name": name })).collect::<Value>(),
        "security": [{ "userSig": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": parameters(),
            "headers": headers(),
            "responses": { "Problem": {
                "description": "What is wrong.",
                "headers": { "Retry-After": { "$ref": "#/components/headers/Retry-After" } },
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                } },
            } },
            "securitySchemes": { "userSig": {
                "type": "http", "scheme": "bearer", "bearerFormat": "UserSig",
                "description": "A UserSig, signed with the app's secret key, of an admin of the app or of the user in the path.",
            } },
        },
        "x-problems": problem::table(),
    })
}

/// What follows from the call's constants.
fn derived(call: &Entry) -> Value {
    let id = call.name.strip_prefix("v1_").unwrap_or(call.name);
    let callers = match call.access {
        Access::Admins => "admins".to_owned(),
        Access::Anyone(access) => {
            format!(
                "admins, and all users if `user_access` of the app is at least `{}`",
                access.name()
            )
        }
        Access::Users(access) => {
            format!(
                "admins, and the user if `user_access` of the app is at least `{}`",
                access.name()
            )
        }
    };
    json!({ "operationId": id, "tags": [tag(call.path)], "x-callers": callers })
}

/// The last word of the path that is no parameter.
fn tag(path: &'static str) -> &'static str {
    let mut words = path.split('/').filter(|word| !word.starts_with('{'));
    words.next_back().filter(|word| !word.is_empty()).unwrap_or("apps")
}

fn headers() -> Value {
    json!({
        "ETag": {
            "description": "The user's revision in quotes, for `If-Match`.",
            "schema": { "type": "string", "pattern": "^\"[0-9]+\"$" },
        },
        "Retry-After": {
            "description": "With the statuses 429 and 503: after how many seconds to try again.",
            "schema": { "type": "integer", "minimum": 1 },
        },
    })
}

fn parameters() -> Value {
    let mut all = json!({
        "if_match": {
            "name": "If-Match", "in": "header", "schema": { "type": "string", "pattern": "^(\"[0-9]{1,19}\"|\\*)$" },
            "description": "The revision in quotes that the client has seen. If the state has another one, nothing is changed (409).",
        },
        "last_event_id": {
            "name": "Last-Event-ID", "in": "header", "schema": { "type": "string" },
            "description": "The cursor of the last event that the client has seen.",
        },
    });
    for (name, _, _, example) in path_parameters() {
        all[name] = path_parameter(name, &example);
    }
    all
}

/// The parameter with another example.
pub(super) fn path_parameter(name: &str, example: &Value) -> Value {
    let mut described = json!({ "name": name, "in": "path", "required": true });
    if let Some((_, about, schema, _)) =
        path_parameters().into_iter().find(|(other, ..)| *other == name)
    {
        described["description"] = about.into();
        described["schema"] = schema;
    }
    described["example"] = example.clone();
    described
}

/// Name, meaning, schema and example of every parameter that a path may have.
fn path_parameters() -> [(&'static str, &'static str, Value, Value); 6] {
    let limits = Limits::default();
    let id = |(limit, most)| with(text(1, most, ""), "x-limit", Value::from(limit));
    let user = id(("user-id-bytes", limits.user_id_bytes));
    let peer = id(("chat-group-id-bytes", limits.chat_group_id_bytes));
    let name = id(("group-name-bytes", limits.group_name_bytes));
    let number = json!({ "type": "integer", "format": "int64", "minimum": 1, "maximum": i64::MAX });
    [
        ("app", "The number of the app (SDKAppID).", number, 1_400_000_001.into()),
        ("user", "The user whose state it is.", user, "user0".into()),
        (
            "type",
            "`user`: the conversation with one other user. `group`: that in a chat group.",
            json!({ "type": "string", "enum": ["user", "group"] }),
            "user".into(),
        ),
        ("id", "The other user's or the chat group's.", peer, "user1".into()),
        ("name", "The name of a contact group.", name, "work".into()),
        (
            "bit",
            "A bit of the app's own.",
            json!({ "type": "integer", "minimum": 32, "maximum": 63 }),
            32.into(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_of_a_path_is_described() {
        let known = path_parameters();
        for call in CALLS {
            for name in call.path.split('/').filter_map(|part| part.strip_prefix('{')) {
                let name = name.trim_end_matches('}');
                assert!(known.iter().any(|(other, ..)| *other == name), "{}: {name}", call.path);
            }
        }
    }

    #[test]
    fn the_document_names_no_component_that_it_does_not_have() {
        let document: Value = serde_json::from_str(openapi()).unwrap();
        let text = openapi();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
