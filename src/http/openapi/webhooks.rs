//! The paths of the admin API that are about webhooks.

use serde_json::{Value, json};

use super::operators::{named_parameter, operation, problem};
use super::schema::{named, object};

pub(super) fn paths() -> [(&'static str, Value); 5] {
    let id = || json!([named_parameter("sdkappid"), named_parameter("webhook_id")]);
    let example = json!({ "url": "https://chat.example.com/hook", "kinds": ["user.changed"] });
    let new = json!({ "schema": named("WebhookToCreate"), "example": example });
    let change = json!({ "schema": named("WebhookSettings"), "example": { "disabled": true } });
    let numbers = json!({ "schema": named("Replay"), "example": { "from": 1, "to": 1000 } });
    let empty = json!({ "schema": object(&[], json!({})), "example": {} });
    [
        (
            "/admin/v1/apps/{sdkappid}/webhooks",
            json!({
                "parameters": [named_parameter("sdkappid")],
                "get": operation("list_webhooks", "Lists the app's webhooks", None,
                    [("200", answer("WebhookList", "The webhooks, oldest first."))]),
                "post": operation("create_webhook", "Creates a webhook", Some(new), [
                    ("201", answer("Webhook", "The webhook. Its secret is shown only in this answer.")),
                    ("409", problem("The app has 20 webhooks already.")),
                ]),
            }),
        ),
        (
            "/admin/v1/apps/{sdkappid}/webhooks/{webhook_id}",
            json!({
                "parameters": id(),
                "get": operation("show_webhook", "Shows a webhook", None,
                    [("200", answer("Webhook", "The webhook."))]),
                "patch": operation("change_webhook", "Changes the given settings, and tries at once", Some(change),
                    [("200", answer("Webhook", "The webhook as it is now."))]),
                "delete": operation("delete_webhook", "Deletes a webhook, and its failed deliveries", None,
                    [("204", json!({ "description": "It is deleted." }))]),
            }),
        ),
        (
            "/admin/v1/apps/{sdkappid}/webhooks/{webhook_id}/rotate-secret",
            json!({
                "parameters": id(),
                "post": operation("rotate_webhook_secret",
                    "Makes a new secret; for a day, messages have a signature of the one before as well", Some(empty),
                    [("200", answer("Webhook", "The webhook. The new secret is shown only in this answer."))]),
            }),
        ),
        (
            "/admin/v1/apps/{sdkappid}/webhooks/{webhook_id}/deliveries",
            json!({
                "parameters": id(),
                "get": deliveries(),
            }),
        ),
        (
            "/admin/v1/apps/{sdkappid}/webhooks/{webhook_id}/replay",
            json!({
                "parameters": id(),
                "post": operation("replay_deliveries", "Sends dead letters again", Some(numbers),
                    [("200", answer("Replayed", "How many will be sent."))]),
            }),
        ),
    ]
}

fn deliveries() -> Value {
    let mut get = operation(
        "list_deliveries",
        "Lists failed deliveries, newest first, at most 100",
        None,
        [("200", answer("DeliveryList", "The deliveries."))],
    );
    get["parameters"] = json!([{
        "name": "before", "in": "query", "schema": { "type": "integer", "format": "int64", "minimum": 1 },
        "description": "Only those with lower numbers.",
    }]);
    get
}

fn answer(schema: &str, about: &str) -> Value {
    json!({ "description": about, "content": { "application/json": { "schema": named(schema) } } })
}

/// The schemas of the requests. `webhook` is the schema of a webhook in answers.
pub(super) fn schemas(webhook: &Value) -> Value {
    let shown = &webhook["properties"];
    let number = json!({ "type": "integer", "format": "int64", "minimum": 1 });
    json!({
        "WebhookToCreate": object(&["url"], json!({ "url": shown["url"], "kinds": shown["kinds"] })),
        "WebhookSettings": object(&[], json!({
            "url": shown["url"], "kinds": shown["kinds"], "disabled": shown["disabled"],
        })),
        "Replay": object(&["from", "to"], json!({ "from": number, "to": number })),
    })
}
