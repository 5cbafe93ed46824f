//! Tencent's REST API: `POST /v4/<service>/<command>`.

pub mod accounts;
pub mod call;
pub mod chat_groups;
pub mod codes;
pub mod envelope;
pub mod recent_contact;
pub mod registry;

use std::rc::Rc;

use actix_web::HttpRequest;
use actix_web::web::{self, Data, Payload, ServiceConfig};

use super::door::Door;
use crate::metrics::Metrics;
use registry::CALLS;

/// The names of all calls.
pub(super) fn call_names() -> impl Iterator<Item = &'static str> {
    CALLS.iter().map(|call| call.command)
}

/// Every path of the API, and the answer to any other path.
pub(super) fn routes(app: &mut ServiceConfig, metrics: &Metrics) {
    for call in CALLS {
        app.service((call.route)(metrics));
    }
    let unknown = Rc::new(metrics.call("unknown"));
    app.route("/openapi.json", web::get().to(super::openapi::document)).default_service(web::to(
        move |door: Data<Door>, request: HttpRequest, payload: Payload| {
            let unknown = unknown.clone();
            async move { call::refuse_path(&door, &unknown, &request, payload).await }
        },
    ));
}
