//! The native API: `/v1/apps/{app}/…`, ordinary HTTP statuses, named marks, revisions and cursors.

mod call;
mod caller;
mod changes;
mod conversations;
mod cors;
mod cursor;
mod feed;
mod groups;
mod marks;
mod openapi;
mod operation;
mod page;
mod path;
mod problem;
pub mod registry;
mod request;
mod shapes;
mod users;
mod write;

use std::rc::Rc;

use actix_web::guard::fn_guard;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, Resource};

use super::door::Door;
use crate::metrics::{CallMetrics, Metrics};
pub use openapi::openapi;
use registry::{CALLS, Entry};
pub(super) use shapes::{ConversationId, rfc_3339};

/// Every path of the API, and the answers to other methods and other paths.
pub(super) fn routes(app: &mut ServiceConfig, metrics: &Metrics) {
    app.route("/v1/openapi.json", web::get().to(openapi::document));
    let unknown = Rc::new(metrics.call("v1_unknown"));
    let preflight = Rc::new(metrics.call("v1_preflight"));
    let mut paths: Vec<&str> = CALLS.iter().map(|call| call.path).collect();
    paths.dedup();
    for path in paths {
        app.service(resource(path, metrics, &unknown, &preflight));
    }
    app.service(web::scope("/v1").default_service(web::to(
        move |door: Data<Door>, request: HttpRequest, payload: Payload| {
            let unknown = unknown.clone();
            async move { call::refuse_path(&door, &unknown, &request, payload).await }
        },
    )));
}

/// The names of all calls.
pub(super) fn call_names() -> impl Iterator<Item = &'static str> {
    CALLS.iter().map(|call| call.name)
}

/// The calls of a path, its preflights, and the answer to other methods.
fn resource(
    path: &str,
    metrics: &Metrics,
    unknown: &Rc<CallMetrics>,
    preflight: &Rc<CallMetrics>,
) -> Resource {
    let mut resource = web::resource(format!("/v1/apps/{{app}}{path}"));
    let calls: Vec<&Entry> = CALLS.iter().filter(|call| call.path == path).collect();
    let methods: Rc<str> =
        calls.iter().map(|call| call.method.as_str()).collect::<Vec<_>>().join(", ").into();
    for call in calls {
        resource = resource.route((call.route)(metrics));
    }
    let (preflight, of_path) = (preflight.clone(), methods.clone());
    let preflights =
        web::route().guard(fn_guard(cors::is_preflight)).to(
            move |door: Data<Door>, request: HttpRequest, payload: Payload| {
                let (preflight, methods) = (preflight.clone(), of_path.clone());
                async move {
                    cors::answer_preflight(&door, &preflight, &methods, &request, payload).await
                }
            },
        );
    let unknown = unknown.clone();
    resource.route(preflights).default_service(web::to(
        move |door: Data<Door>, request: HttpRequest, payload: Payload| {
            let (unknown, methods) = (unknown.clone(), methods.clone());
            async move { call::refuse_method(&door, &unknown, &methods, &request, payload).await }
        },
    ))
}
