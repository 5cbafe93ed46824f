//! The paths that Tencent's API does not have: the admin API, probes, metrics and the console.

use serde_json::{Map, Value, json};

use super::schema::{closed, joined, named, object};
use super::{audit, erasing, webhooks};
use crate::limits::{IDENTIFIER_BYTES_MAX, SECRET_KEY_BYTES_MAX, SECRET_KEY_BYTES_MIN};

pub(super) fn paths() -> Map<String, Value> {
    let new_app = json!({ "schema": named("AppToCreate"), "example": { "sdkappid": 1_400_000_002, "edition": "pro" } });
    let change =
        json!({ "schema": named("AppSettings"), "example": { "limits": { "pinned": 100 } } });
    let listed = json!({ "description": "All apps, sorted by number.", "content": { "application/json": { "schema": named("AppList") } } });
    let entries = [
        (
            "/admin/v1/apps",
            json!({
                "get": operation("list_apps", "Lists all apps", None, [("200", listed)]),
                "post": operation("create_app", "Creates an app", Some(new_app), [
                    ("201", app("The app. A generated secret key is shown only in this answer.")),
                    ("409", problem("An app has this number already.")),
                ]),
            }),
        ),
        (
            "/admin/v1/apps/{sdkappid}",
            json!({
                "parameters": [named_parameter("sdkappid")],
                "get": operation("show_app", "Shows an app", None, [("200", app("The app."))]),
                "patch": operation("change_app", "Changes the given settings", Some(change),
                    [("200", app("The app as it is now."))]),
                "delete": erasing::delete_app(),
            }),
        ),
        (
            "/admin/v1/apps/{sdkappid}/admins/{identifier}",
            json!({
                "parameters": [named_parameter("sdkappid"), named_parameter("identifier")],
                "put": operation("add_admin", "Adds an admin", None, [("200", app("The app as it is now."))]),
                "delete": operation("remove_admin", "Removes an admin", None,
                    [("200", app("The app as it is now."))]),
            }),
        ),
    ];
    let about = "Served on the operators' listener (`--admin-listen`) and, if the console is on, also beside the console.";
    let with_about = |(path, mut item): (&str, Value)| {
        item["description"] = about.into();
        audit::add_scopes(path, &mut item);
        (path.to_owned(), item)
    };
    entries
        .into_iter()
        .chain(of_keys())
        .chain(of_the_process())
        .chain(erasing::paths())
        .chain(webhooks::paths())
        .chain(audit::paths())
        .map(with_about)
        .chain(probes())
        .chain(pages())
        .collect()
}

/// What the process that answers has counted, and remembers.
fn of_the_process() -> [(&'static str, Value); 2] {
    let refused = json!({
        "description": "The last 100 reasons, in the memory of the process that answers, for a day at most.",
        "content": { "application/json": { "schema": named("RefusedList") } },
    });
    [
        (
            "/admin/v1/metrics",
            json!({
                "get": operation("show_metrics", "The metrics of `/metrics`, for those who send the operators' token", None,
                    [("200", text("The metrics, in the Prometheus format."))]),
            }),
        ),
        (
            "/admin/v1/apps/{sdkappid}/refused",
            json!({
                "parameters": [named_parameter("sdkappid")],
                "get": operation("list_refused", "Why the last requests of the app were refused", None, [("200", refused)]),
            }),
        ),
    ]
}

fn of_keys() -> [(&'static str, Value); 2] {
    let force = json!({ "type": "boolean", "default": false,
        "description": "If two keys are valid, end the validity of the older one." });
    let rotation = object(&[], json!({ "secret_key": named("SecretKey"), "force": force }));
    [
        (
            "/admin/v1/apps/{sdkappid}/rotate-key",
            json!({
                "parameters": [named_parameter("sdkappid")],
                "post": operation("rotate_key", "Adds a secret key; the newest one until now stays valid",
                    Some(named_body(&rotation)), [
                        ("200", app("The app. A generated key is shown only in this answer.")),
                        ("409", problem("Two keys are valid and `force` is not true, or the given key is valid already.")),
                    ]),
            }),
        ),
        (
            "/admin/v1/apps/{sdkappid}/keys/{key_id}",
            json!({
                "parameters": [named_parameter("sdkappid"), named_parameter("key_id")],
                "delete": operation("retire_key", "Ends the validity of a secret key", None, [
                    ("200", app("The app as it is now.")),
                    ("409", problem("This is the only valid key of the app.")),
                ]),
            }),
        ),
    ]
}

fn probes() -> impl Iterator<Item = (String, Value)> {
    let server =
        json!([{ "url": "http://127.0.0.1:8081", "description": "The operators' listener." }]);
    let not_ready = ("503", text("`not ready`."));
    [
        ("/livez", "live", "Checks that the process answers", vec![("200", text("`ok`."))]),
        (
            "/readyz",
            "ready",
            "Checks that the service is ready",
            vec![("200", text("`ok`.")), not_ready],
        ),
        (
            "/metrics",
            "metrics",
            "Metrics in the Prometheus format",
            vec![("200", text("The metrics."))],
        ),
    ]
    .into_iter()
    .map(move |(path, id, summary, responses)| {
        (path.to_owned(), json!({ "servers": server, "get": public(id, summary, responses) }))
    })
}

fn pages() -> impl Iterator<Item = (String, Value)> {
    let session = closed(
        &["mode"],
        json!({
            "mode": { "enum": ["dev", "serve"] },
            "label": { "type": "string", "description": "The name of the environment (`--console-label`)." },
            "color": { "type": "string", "description": "The name of the label's colour." },
            "sdkappid": { "type": "integer", "minimum": 1 },
            "identifier": { "type": "string" },
            "usersig": { "type": "string", "description": "Only sent to pages of this service on the same machine that send the token." },
        }),
    );
    let json_of = |schema: Value, about: &str| json!({ "description": about, "content": { "application/json": { "schema": schema } } });
    let document = json_of(json!({ "type": "object" }), "This document.");
    let native = json_of(json!({ "type": "object" }), "The document of the native API.");
    let session = vec![
        (
            "200",
            json_of(
                session,
                "The mode of the service and, in `dev`, the credentials for the console.",
            ),
        ),
        ("401", problem("This is not the token that `dev` has printed.")),
        ("403", problem("The request came from another site, another machine or a proxy.")),
    ];
    [
        ("/openapi.json", public("openapi", "This document", vec![("200", document)])),
        (
            "/v1/openapi.json",
            public("openapi_v1", "The document of the native API", vec![("200", native)]),
        ),
        ("/console/session.json", public("session", "The session of the console", session)),
    ]
    .into_iter()
    .map(|(path, get)| (path.to_owned(), json!({ "get": get })))
}

fn public(id: &str, summary: &str, responses: Vec<(&str, Value)>) -> Value {
    let responses: Map<String, Value> =
        responses.into_iter().map(|(status, response)| (status.to_owned(), response)).collect();
    json!({ "operationId": id, "tags": ["service"], "summary": summary, "security": [], "responses": responses })
}

pub(super) fn operation<const N: usize>(
    id: &str,
    summary: &str,
    body: Option<Value>,
    responses: [(&str, Value); N],
) -> Value {
    let mut all: Map<String, Value> =
        responses.into_iter().map(|(status, response)| (status.to_owned(), response)).collect();
    all.insert("default".to_owned(), problem(
        "400: `field` names the wrong field. 401: the token is missing or wrong. 403: the request came from another site, \
         or the token lacks the scope `x-scope`. 404: no such app or key. 413: the body is too large. 415: the content type is not JSON. 503: the database did not answer.",
    ));
    let mut operation = json!({ "operationId": id, "tags": ["admin"], "summary": summary });
    operation["security"] = json!([{ "operatorToken": [] }]);
    if let Some(media) = body {
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": media } });
    }
    operation["responses"] = all.into();
    operation
}

fn named_body(schema: &Value) -> Value {
    json!({ "schema": schema, "example": {} })
}

pub(super) fn named_parameter(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

fn app(about: &str) -> Value {
    json!({ "description": about, "content": { "application/json": { "schema": named("App") } } })
}

pub(super) fn problem(about: &str) -> Value {
    let media = json!({ "schema": named("ProblemDetails") });
    json!({ "description": about, "content": { "application/problem+json": media } })
}

fn text(about: &str) -> Value {
    json!({ "description": about, "content": { "text/plain": { "schema": { "type": "string" } } } })
}

pub(super) fn parameters() -> Value {
    let number = json!({ "type": "integer", "format": "int64", "minimum": 1 });
    json!({
        "key_id": {
            "name": "key_id", "in": "path", "required": true, "schema": number,
            "description": "The id of a secret key, as the app shows it.", "example": 1,
        },
        "webhook_id": {
            "name": "webhook_id", "in": "path", "required": true, "schema": number,
            "description": "The id of a webhook of the app.", "example": 1,
        },
        "sdkappid": {
            "name": "sdkappid", "in": "path", "required": true, "schema": number,
            "description": "The number of the app.", "example": 1_400_000_001,
        },
        "user": {
            "name": "user", "in": "path", "required": true, "schema": { "type": "string", "minLength": 1, "pattern": "^[^\\x00]*$" },
            "description": "A user of the app. Slashes and other reserved characters are percent-encoded.", "example": "user0",
        },
        "identifier": {
            "name": "identifier", "in": "path", "required": true, "schema": named("Identifier"),
            "description": "An admin of the app.", "example": "administrator",
        },
    })
}

/// The schemas of the requests. None is called New…, because clients for Go have functions of such names. Their settings are described as in `app`, the schema of an app in answers.
pub(super) fn schemas(app: &Value) -> Value {
    let shown = &app["properties"];
    let mut limits = shown["limits"].clone();
    // A request gives only the limits that it sets.
    limits["required"] = json!([]);
    let settings = json!({
        "edition": shown["edition"], "directory": shown["directory"], "disabled": shown["disabled"],
        "limits": named("LimitSettings"), "user_access": shown["user_access"], "allowed_origins": shown["allowed_origins"],
        "feed": shown["feed"], "name": shown["name"],
    });
    let whole = json!({
        "sdkappid": shown["sdkappid"], "admins": shown["admins"], "secret_key": named("SecretKey"),
    });
    json!({
        "AppToCreate": closed(&["sdkappid"], joined(settings.clone(), whole)),
        "AppSettings": closed(&[], settings),
        "LimitSettings": limits,
        "Identifier": super::schema::text(1, IDENTIFIER_BYTES_MAX, "The name of an admin."),
        "SecretKey": {
            "type": "string", "minLength": SECRET_KEY_BYTES_MIN, "maxLength": SECRET_KEY_BYTES_MAX, "pattern": "^[!-~]*$",
            "description": "A key of your choice. If absent, the service generates one.",
        },
    })
}
