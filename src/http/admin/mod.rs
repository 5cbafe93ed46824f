//! The admin API, `/admin/v1`: operators create and change apps, in JSON and with ordinary HTTP statuses.

mod apps;
mod audit;
mod body;
mod erasing;
mod faults;
mod form;
mod guard;
mod refused;
mod users;
mod webhooks;

use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, PayloadConfig, QueryConfig, ServiceConfig};
use actix_web::{HttpResponse, Resource};
use serde::Serialize;

pub(super) use audit::{AuditPage, ShownToken};
pub(super) use erasing::{ShownErased, ShownRemoved, ShownUser};
pub(super) use form::AppList;
pub use guard::{OperatorToken, Operators};
pub(super) use guard::{needed, refusal};
pub(super) use refused::RefusedList;
pub(super) use users::UserIdList;
pub(super) use webhooks::{DeliveryList, Replayed, WebhookList};

use super::faults::Faults;
use super::{health, problem_details};
use crate::audit::Recorded;
use crate::domain::{App, SdkAppId};
use crate::limits::BODY_BYTES_MAX;
use crate::service::{AppSize, ChangedApp, ErasedUser, KnownUser, RemovedApp};

/// The paths of the admin API.
pub(super) fn routes(app: &mut ServiceConfig, operators: &Operators, faults: Option<&Faults>) {
    let resource = |path: &str| -> Resource {
        web::resource(path.to_owned()).default_service(web::to(method_not_allowed))
    };
    let collection =
        resource("/apps").route(web::get().to(apps::list)).route(web::post().to(apps::create));
    let app_resource = resource("/apps/{sdkappid}")
        .app_data(query())
        .route(web::get().to(apps::show))
        .route(web::patch().to(apps::change))
        .route(web::delete().to(erasing::delete_app));
    let admin = resource("/apps/{sdkappid}/admins/{identifier}");
    let admin =
        admin.route(web::put().to(apps::add_admin)).route(web::delete().to(apps::remove_admin));
    let scope = web::scope("/admin/v1")
        .wrap(from_fn(guard::check))
        .app_data(Data::new(operators.clone()))
        .app_data(PayloadConfig::new(BODY_BYTES_MAX))
        .service(resource("/metrics").route(web::get().to(health::metrics)))
        .service(resource("/audit").app_data(query()).route(web::get().to(audit::list)))
        .service(resource("/token").route(web::get().to(audit::token)))
        .service(collection)
        .service(app_resource)
        .service(admin)
        .service(resource("/apps/{sdkappid}/rotate-key").route(web::post().to(apps::rotate_key)))
        .service(
            resource("/apps/{sdkappid}/keys/{key_id}").route(web::delete().to(apps::retire_key)),
        )
        .service(resource("/apps/{sdkappid}/refused").route(web::get().to(refused::list)))
        .service(
            resource("/apps/{sdkappid}/reset")
                .app_data(query())
                .route(web::post().to(erasing::reset_app)),
        )
        .service(
            resource("/apps/{sdkappid}/users").app_data(query()).route(web::get().to(users::list)),
        )
        .service(
            resource("/apps/{sdkappid}/users/{user}")
                .app_data(query())
                .route(web::get().to(erasing::show_user))
                .route(web::delete().to(erasing::erase_user)),
        )
        .service(
            resource("/apps/{sdkappid}/users/{user}/export")
                .route(web::get().to(erasing::export_user)),
        )
        .configure(webhook_routes)
        .configure(|app| fault_routes(app, faults))
        .default_service(web::to(not_found));
    app.service(scope);
}

/// Answers a query that cannot be read with a problem document.
fn query() -> QueryConfig {
    QueryConfig::default().error_handler(|error, _| {
        let answer =
            problem_details::answer(StatusCode::BAD_REQUEST, "the query cannot be read", None);
        InternalError::from_response(error, answer).into()
    })
}

fn webhook_routes(app: &mut ServiceConfig) {
    let resource = |path: &str| -> Resource {
        web::resource(format!("/apps/{{sdkappid}}/webhooks{path}"))
            .default_service(web::to(method_not_allowed))
    };
    app.service(
        resource("").route(web::get().to(webhooks::list)).route(web::post().to(webhooks::create)),
    )
    .service(
        resource("/{webhook_id}")
            .route(web::get().to(webhooks::show))
            .route(web::patch().to(webhooks::change))
            .route(web::delete().to(webhooks::delete)),
    )
    .service(resource("/{webhook_id}/rotate-secret").route(web::post().to(webhooks::rotate)))
    .service(
        resource("/{webhook_id}/deliveries")
            .app_data(webhooks::query())
            .route(web::get().to(webhooks::deliveries)),
    )
    .service(resource("/{webhook_id}/replay").route(web::post().to(webhooks::replay)));
}

/// Without faults, these paths are as unknown as any other.
fn fault_routes(app: &mut ServiceConfig, faults: Option<&Faults>) {
    let Some(shared) = faults else { return };
    let resource = |path: &str| -> Resource {
        web::resource(path.to_owned())
            .app_data(Data::new(shared.clone()))
            .default_service(web::to(method_not_allowed))
    };
    app.service(
        resource("/faults")
            .route(web::get().to(faults::list))
            .route(web::post().to(faults::create))
            .route(web::delete().to(faults::clear)),
    )
    .service(resource("/faults/{id}").route(web::delete().to(faults::delete)));
}

/// The JSON document of an app. It contains the secret key only if `is_key_new`.
pub(crate) fn app_document(app: &App, is_key_new: bool) -> impl Serialize {
    form::ShownApp::with_generated_key(app, is_key_new)
}

/// The JSON document of an app that was changed, or was so already.
pub(crate) fn changed_app_document(changed: &ChangedApp, is_key_new: bool) -> impl Serialize {
    form::ShownApp::changed(changed, is_key_new)
}

/// The JSON document of a page of the audit trail.
pub(crate) fn audit_document(read: &[Recorded], limit: u32) -> impl Serialize {
    AuditPage::new(read, limit)
}

/// The JSON document of an app in a list.
pub(crate) fn listed_app_document(app: &App, size: Option<AppSize>) -> impl Serialize {
    form::ShownApp::with_size(app, size)
}

/// The JSON document of a user, as the admin API answers it. The same for the two below.
pub(crate) fn user_document(known: &KnownUser) -> impl Serialize {
    ShownUser::from(known)
}

pub(crate) fn erased_document(erased: &ErasedUser) -> impl Serialize {
    ShownErased::from(erased)
}

pub(crate) fn removed_document(app: SdkAppId, done: &RemovedApp) -> impl Serialize {
    ShownRemoved::new(app, done)
}

async fn not_found() -> HttpResponse {
    problem_details::answer(StatusCode::NOT_FOUND, "the admin API has no such path", None)
}

async fn method_not_allowed() -> HttpResponse {
    let detail = "this path has no such method";
    problem_details::answer(StatusCode::METHOD_NOT_ALLOWED, detail, None)
}
