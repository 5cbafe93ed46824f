//! Liveness, readiness and metrics. Outside the API, so ordinary HTTP statuses apply.

use actix_web::HttpResponse;
use actix_web::web::Data;

use super::door::Door;

/// The process answers.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

/// The database answers, and its schema fits.
pub(super) async fn ready(door: Data<Door>) -> HttpResponse {
    match door.service.check_ready().await {
        Ok(()) => HttpResponse::Ok().body("ok\n"),
        Err(error) => {
            tracing::warn!(cause = format!("{error:?}"), "not ready");
            HttpResponse::ServiceUnavailable().body("not ready\n")
        }
    }
}

/// Everything that is counted, in Prometheus's text format.
pub(super) async fn metrics(door: Data<Door>) -> HttpResponse {
    match door.service.metrics().render(&door.service.observe()) {
        Ok(text) => HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text),
        Err(error) => {
            tracing::warn!(cause = %error, "metrics");
            HttpResponse::InternalServerError().body("no metrics\n")
        }
    }
}
