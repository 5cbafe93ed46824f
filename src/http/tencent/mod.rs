//! The original's REST API: `POST /v4/<service>/<command>`.

pub mod accounts;
pub mod caller;
pub mod chat_groups;
pub mod door;
pub mod envelope;
pub mod json;
pub mod rate_limit;
pub mod recent_contact;
pub mod watch;

use std::rc::Rc;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, Resource};

use crate::error::Family;
use crate::metrics::Metrics;
use accounts::{AccountCheck, AccountDelete, AccountImport, MultiaccountImport};
use chat_groups::{CreateGroup, DestroyGroup, GetGroupInfo, ImportGroup};
use door::{Call, Door};
use recent_contact::{
    CreateContactGroup, DelContactGroup, Delete, GetContactGroup, GetList, MarkContact,
    SearchContactGroup, Top, UpdateContactGroup,
};

/// Every path of the API.
pub fn routes(app: &mut ServiceConfig, metrics: &Metrics) {
    use Family::{Accounts, ChatGroups, RecentContact};
    let unknown = Rc::new(metrics.call("unknown"));
    app.service(call::<MarkContact>(metrics, RecentContact, "mark_contact"))
        .service(call::<CreateContactGroup>(metrics, RecentContact, "create_contact_group"))
        .service(call::<UpdateContactGroup>(metrics, RecentContact, "update_contact_group"))
        .service(call::<DelContactGroup>(metrics, RecentContact, "del_contact_group"))
        .service(call::<SearchContactGroup>(metrics, RecentContact, "search_contact_group"))
        .service(call::<GetContactGroup>(metrics, RecentContact, "get_contact_group"))
        .service(call::<Top>(metrics, RecentContact, "top"))
        .service(call::<GetList>(metrics, RecentContact, "get_list"))
        .service(call::<Delete>(metrics, RecentContact, "delete"))
        .service(call::<AccountImport>(metrics, Accounts, "account_import"))
        .service(call::<MultiaccountImport>(metrics, Accounts, "multiaccount_import"))
        .service(call::<AccountCheck>(metrics, Accounts, "account_check"))
        .service(call::<AccountDelete>(metrics, Accounts, "account_delete"))
        .service(call::<CreateGroup>(metrics, ChatGroups, "create_group"))
        .service(call::<ImportGroup>(metrics, ChatGroups, "import_group"))
        .service(call::<DestroyGroup>(metrics, ChatGroups, "destroy_group"))
        .service(call::<GetGroupInfo>(metrics, ChatGroups, "get_group_info"))
        .route("/openapi.json", web::get().to(super::openapi::document))
        .default_service(web::to(move |door: Data<Door>, request: HttpRequest| {
            let unknown = unknown.clone();
            async move { door::refuse_path(&door, &unknown, &request) }
        }));
}

fn call<C: Call>(metrics: &Metrics, family: Family, command: &'static str) -> Resource {
    let counted = Rc::new(metrics.call(command));
    web::resource(path_of(family, command)).to(move |door, request, payload| {
        door::handle::<C>(door, family, counted.clone(), request, payload)
    })
}

pub fn path_of(family: Family, command: &str) -> String {
    format!("/v4/{}/{command}", service_of(family))
}

pub fn service_of(family: Family) -> &'static str {
    match family {
        Family::RecentContact => "recentcontact",
        Family::Accounts => "im_open_login_svc",
        Family::ChatGroups => "group_open_http_svc",
    }
}
