//! The list of all calls of Tencent's API. Routes, the OpenAPI document, metric labels and fuzz targets come from it.

use actix_web::Resource;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::accounts::{account_check, account_delete, account_import, multiaccount_import};
use super::call::{self, Call};
use super::chat_groups::{create_group, destroy_group, get_group_info, import_group};
use super::codes::Family;
use super::envelope::Success;
use super::recent_contact::{
    create_contact_group, del_contact_group, delete, get_contact_group, get_list, mark_contact,
    search_contact_group, top, update_contact_group,
};
use crate::domain::App;
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::limits::Limits;
use crate::metrics::Metrics;

/// A new call needs its file and a line here.
pub static CALLS: &[Entry] = &[
    Entry::of::<mark_contact::MarkContact>(),
    Entry::of::<create_contact_group::CreateContactGroup>(),
    Entry::of::<update_contact_group::UpdateContactGroup>(),
    Entry::of::<del_contact_group::DelContactGroup>(),
    Entry::of::<search_contact_group::SearchContactGroup>(),
    Entry::of::<get_contact_group::GetContactGroup>(),
    Entry::of::<top::Top>(),
    Entry::of::<get_list::GetList>(),
    Entry::of::<delete::Delete>(),
    Entry::of::<account_import::AccountImport>(),
    Entry::of::<multiaccount_import::MultiaccountImport>(),
    Entry::of::<account_check::AccountCheck>(),
    Entry::of::<account_delete::AccountDelete>(),
    Entry::of::<create_group::CreateGroup>(),
    Entry::of::<import_group::ImportGroup>(),
    Entry::of::<destroy_group::DestroyGroup>(),
    Entry::of::<get_group_info::GetGroupInfo>(),
];

/// A [`Call`] without its types.
#[derive(Debug)]
pub struct Entry {
    pub family: Family,
    /// The last part of the path. Also the metric label and the OpenAPI `operationId`.
    pub command: &'static str,
    pub(in crate::http) is_read_only: bool,
    /// Parses a body as the call does, and returns only the failure.
    pub check: fn(&Field<'_>, &App) -> Result<(), Failure>,
    pub operation: fn(&Limits) -> Operation,
    /// The schema of the answer if the call succeeds.
    pub(in crate::http) answer: fn(&mut SchemaGenerator) -> Schema,
    pub(super) route: fn(&Metrics) -> Resource,
}

impl Entry {
    const fn of<C: Call<Answer: JsonSchema>>() -> Self {
        Self {
            family: C::FAMILY,
            command: C::COMMAND,
            is_read_only: C::IS_READ_ONLY,
            check: |body, app| C::parse(body, app).map(drop),
            operation: C::operation,
            answer: Success::<C::Answer>::json_schema,
            route: call::route::<C>,
        }
    }

    /// `/v4/<service>/<command>`.
    #[must_use]
    pub fn path(&self) -> String {
        path(self.family, self.command)
    }
}

pub(super) fn path(family: Family, command: &str) -> String {
    format!("/v4/{}/{command}", family.service())
}
