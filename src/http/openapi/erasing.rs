//! The paths of the admin API that find, show or export a user, and that end a user, an app's state or an app.

use serde_json::{Value, json};

use super::operators::{named_parameter, operation, problem};
use super::schema::{named, object};
use crate::limits::{USER_IDS_DEFAULT, USER_IDS_MAX};

pub(super) fn paths() -> [(&'static str, Value); 4] {
    let empty = json!({ "schema": object(&[], json!({})), "example": {} });
    let mut reset = operation(
        "reset_app",
        "Removes the state of all users, accounts and chat groups of the app. Its keys, admins, limits and webhooks stay",
        Some(empty),
        [("200", answer("RemovedState", "What this call has removed."))],
    );
    reset["parameters"] = json!([confirm("The number of the app.")]);
    let mut erase = operation(
        "erase_user",
        "Erases everything about a user: the account, the user's state, and the user in the lists of others",
        None,
        [
            ("200", answer("ErasedUser", "What this call has erased.")),
            ("409", problem("The account was imported again meanwhile.")),
        ],
    );
    erase["parameters"] = json!([confirm("The user."), {
        "name": "after", "in": "query", "schema": { "type": "string", "minLength": 1, "pattern": "^[^\\x00]*$" },
        "description": "`next` of the answer before, if that was not complete.",
    }]);
    [
        (
            "/admin/v1/apps/{sdkappid}/users",
            json!({ "parameters": [named_parameter("sdkappid")], "get": list_users() }),
        ),
        (
            "/admin/v1/apps/{sdkappid}/reset",
            json!({ "parameters": [named_parameter("sdkappid")], "post": reset }),
        ),
        (
            "/admin/v1/apps/{sdkappid}/users/{user}",
            json!({
                "parameters": [named_parameter("sdkappid"), named_parameter("user")],
                "get": operation("show_user", "Shows what is known of a user", None,
                    [("200", answer("User", "The user."))]),
                "delete": erase,
            }),
        ),
        (
            "/admin/v1/apps/{sdkappid}/users/{user}/export",
            json!({
                "parameters": [named_parameter("sdkappid"), named_parameter("user")],
                "get": operation(
                    "export_user",
                    "Everything that is stored about a user, in the form of `earmark export`",
                    None,
                    [("200", json!({
                        "description": "Lines of JSON (docs/data-form.md).",
                        "content": { "application/x-ndjson": { "schema": { "type": "string" } } },
                    }))],
                ),
            }),
        ),
    ]
}

fn list_users() -> Value {
    let mut list = operation(
        "list_users",
        "Finds users of the app by how their ids begin: users with state, and users who are imported",
        None,
        [("200", answer("UserIdList", "Their ids, in the order of their bytes."))],
    );
    list["parameters"] = json!([
        {
            "name": "prefix", "in": "query", "schema": { "type": "string", "pattern": "^[^\\x00]*$" },
            "description": "How the ids begin. All ids do so if it is absent or empty.",
        },
        {
            "name": "after", "in": "query", "schema": { "type": "string", "minLength": 1, "pattern": "^[^\\x00]*$" },
            "description": "`next` of the answer before.",
        },
        {
            "name": "limit", "in": "query",
            "schema": { "type": "integer", "minimum": 1, "maximum": USER_IDS_MAX, "default": USER_IDS_DEFAULT },
            "description": "The greatest number of ids.",
        },
    ]);
    list
}

pub(super) fn delete_app() -> Value {
    let mut delete = operation(
        "delete_app",
        "Disables the app, removes all its state, and then the app itself",
        None,
        [("200", answer("RemovedState", "What this call has removed."))],
    );
    delete["parameters"] = json!([confirm("The number of the app.")]);
    delete
}

/// A generated value is hardly ever the right one, so requests that are generated from this document destroy nothing.
fn confirm(about: &str) -> Value {
    json!({
        "name": "confirm", "in": "query", "required": true, "schema": { "type": "string", "minLength": 1 },
        "description": format!("{about} It repeats the text of the path, because this cannot be undone."),
    })
}

fn answer(schema: &str, about: &str) -> Value {
    json!({ "description": about, "content": { "application/json": { "schema": named(schema) } } })
}
