//! The list of all calls of the native API. Routes, metric labels, the OpenAPI document and the fuzz target come from it.

use actix_web::Route;
use actix_web::http::Method;
use schemars::{Schema, SchemaGenerator};

use super::call::{self, Call, LastingCall};
use super::caller::Access;
use super::changes::get_changes::GetChanges;
use super::changes::get_events::GetEvents;
use super::conversations::batch::Batch;
use super::conversations::delete_conversation::DeleteConversation;
use super::conversations::get_conversation::GetConversation;
use super::conversations::list_conversations::ListConversations;
use super::conversations::patch_conversation::PatchConversation;
use super::feed::get_app_changes::GetAppChanges;
use super::groups::delete_group::DeleteGroup;
use super::groups::patch_group::PatchGroup;
use super::groups::put_group::PutGroup;
use super::marks::delete_mark::DeleteMark;
use super::marks::list_marks::ListMarks;
use super::marks::put_mark::PutMark;
use super::operation::Operation;
use super::request::Request;
use super::users::get_user::GetUser;
use crate::domain::App;
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::metrics::Metrics;

/// A new call needs its file and a line here. Calls of one path stand side by side.
pub static CALLS: &[Entry] = &[
    Entry::of::<GetUser>(),
    Entry::of::<ListConversations>(),
    Entry::of::<GetConversation>(),
    Entry::of::<PatchConversation>(),
    Entry::of::<DeleteConversation>(),
    Entry::of::<Batch>(),
    Entry::lasting::<GetChanges>(),
    Entry::lasting::<GetEvents>(),
    Entry::of::<PutGroup>(),
    Entry::of::<PatchGroup>(),
    Entry::of::<DeleteGroup>(),
    Entry::lasting::<GetAppChanges>(),
    Entry::of::<ListMarks>(),
    Entry::of::<PutMark>(),
    Entry::of::<DeleteMark>(),
];

/// A `Call` without its types.
#[derive(Debug)]
pub struct Entry {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) route: fn(&Metrics) -> Route,
    /// Also the metric label.
    pub name: &'static str,
    pub(super) access: Access,
    pub(super) operation: fn() -> Operation,
    /// Parses a body as the call does, and returns only the failure.
    pub check: fn(&Field<'_>, &App) -> Result<(), Failure>,
    /// The schema of the answer.
    pub(super) answer: fn(&mut SchemaGenerator) -> Schema,
}

impl Entry {
    const fn of<C: Call>() -> Self {
        Self {
            method: C::METHOD,
            path: C::PATH,
            route: call::route::<C>,
            name: C::NAME,
            access: C::ACCESS,
            operation: C::operation,
            check: |body, app| C::parse(&Request::with_body(C::PATH, *body), app).map(drop),
            answer: SchemaGenerator::subschema_for::<C::Answer>,
        }
    }

    const fn lasting<C: LastingCall>() -> Self {
        Self {
            method: C::METHOD,
            path: C::PATH,
            route: call::lasting_route::<C>,
            name: C::NAME,
            access: C::ACCESS,
            operation: C::operation,
            check: |body, app| C::parse(&Request::with_body(C::PATH, *body), app).map(drop),
            answer: SchemaGenerator::subschema_for::<C::Answer>,
        }
    }

    /// Whether the call has a body.
    #[must_use]
    pub fn has_body(&self) -> bool {
        (self.operation)().body_schema().is_some()
    }
}
