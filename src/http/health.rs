//! `/livez`, `/readyz` and `/metrics`. They are not part of the API, so they use ordinary HTTP statuses.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::http::door::Door;
use crate::metrics::Observed;
use crate::telemetry::dropped_lines;

/// The process runs. Says nothing about the database.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

/// Every worker can read and write, the schema is not too old, and the service is not stopping.
pub(super) async fn ready(door: Data<Door>) -> HttpResponse {
    if door.service.is_stopping() {
        return HttpResponse::ServiceUnavailable().body("stopping\n");
    }
    if door.service.is_ready().await {
        HttpResponse::Ok().body("ok\n")
    } else {
        HttpResponse::ServiceUnavailable().body("not ready\n")
    }
}

pub(super) async fn metrics(door: Data<Door>) -> HttpResponse {
    let observed = Observed { log_lines_dropped: dropped_lines(), ..door.service.observe() };
    match door.service.metrics().render(&observed) {
        Ok(text) => HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text),
        Err(error) => {
            tracing::warn!(cause = %error, "cannot render the metrics");
            HttpResponse::InternalServerError().body("no metrics\n")
        }
    }
}
