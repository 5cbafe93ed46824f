//! The paths of the admin API that are about operators: what they have changed, and what they may do.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::operators::operation;
use super::schema::named;
use crate::domain::Scope;
use crate::http::admin::needed;
use crate::limits::AUDIT_ENTRIES_MAX;

pub(super) fn paths() -> [(&'static str, Value); 2] {
    [
        ("/admin/v1/audit", json!({ "get": list() })),
        (
            "/admin/v1/token",
            json!({
                "get": operation("show_token", "Shows the token of the request", None,
                    [("200", answer("OperatorToken", "Its name and its scopes."))]),
            }),
        ),
    ]
}

fn list() -> Value {
    let number = |least: u32| json!({ "type": "integer", "format": "int64", "minimum": least });
    let query = |name: &str, schema: Value, about: &str| json!({ "name": name, "in": "query", "schema": schema, "description": about });
    let mut get = operation(
        "list_audit",
        "Lists what operators have changed, newest first",
        None,
        [("200", answer("AuditPage", "A page of the audit trail."))],
    );
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": AUDIT_ENTRIES_MAX, "default": AUDIT_ENTRIES_MAX });
    get["parameters"] = json!([
        query("sdkappid", number(1), "Only changes of this app."),
        query("since", number(0), "Only changes since then, in Unix seconds."),
        query("before", number(1), "Only entries with lower numbers: `next` of the page before."),
        query("limit", limit, "How many entries a page has, at most."),
    ]);
    get
}

/// Adds to each operation of a path the scope that it needs.
pub(super) fn add_scopes(path: &str, item: &mut Value) {
    for (name, method) in [
        ("get", Method::GET),
        ("post", Method::POST),
        ("put", Method::PUT),
        ("patch", Method::PATCH),
        ("delete", Method::DELETE),
    ] {
        if let Some(operation) = item.get_mut(name) {
            let scope = needed(&method, Some(path)).map(Scope::name);
            operation["x-scope"] = scope.unwrap_or("any").into();
        }
    }
}

fn answer(schema: &str, about: &str) -> Value {
    json!({ "description": about, "content": { "application/json": { "schema": named(schema) } } })
}
