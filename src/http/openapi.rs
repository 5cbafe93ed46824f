//! The OpenAPI document: every path, every field, every code.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use serde_json::{Value, json};

static DOCUMENT: LazyLock<String> = LazyLock::new(|| built().to_string());

/// The document as JSON.
pub(super) async fn document() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(DOCUMENT.as_str())
}

fn built() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": { "title": "earmark", "version": env!("CARGO_PKG_VERSION") },
        "paths": {},
    })
}
