//! The native API: `/v1/apps/{app}/…`, ordinary HTTP statuses, named marks, revisions and cursors.

mod call;
mod caller;
mod conversations;
mod cursor;
mod path;
mod problem;
mod registry;
mod shapes;
mod users;

use std::rc::Rc;

use actix_web::HttpRequest;
use actix_web::web::{self, Data, Payload, ServiceConfig};

use super::door::Door;
use crate::metrics::Metrics;
use registry::{CALLS, Entry};

/// Every path of the API, and the answers to other methods and other paths.
pub(super) fn routes(app: &mut ServiceConfig, metrics: &Metrics) {
    let unknown = Rc::new(metrics.call("v1_unknown"));
    let mut paths: Vec<&str> = CALLS.iter().map(|call| call.path).collect();
    paths.dedup();
    for path in paths {
        let calls: Vec<&Entry> = CALLS.iter().filter(|call| call.path == path).collect();
        let methods = calls.iter().map(|call| call.method.as_str()).collect::<Vec<_>>().join(", ");
        let mut resource = web::resource(format!("/v1/apps/{{app}}{path}"));
        for call in calls {
            resource = resource.route((call.route)(metrics));
        }
        let (unknown, methods) = (unknown.clone(), Rc::<str>::from(methods));
        app.service(
            resource.default_service(web::to(
                move |door: Data<Door>, request: HttpRequest, payload: Payload| {
                    let (unknown, methods) = (unknown.clone(), methods.clone());
                    async move {
                        call::refuse_method(&door, &unknown, &methods, &request, payload).await
                    }
                },
            )),
        );
    }
    app.service(web::scope("/v1").default_service(web::to(
        move |door: Data<Door>, request: HttpRequest, payload: Payload| {
            let unknown = unknown.clone();
            async move { call::refuse_path(&door, &unknown, &request, payload).await }
        },
    )));
}
