//! `PATCH /v1/apps/{app}/users/{user}/groups/{name}`: renames a contact group, moves it, or both.

use std::sync::Arc;

use actix_web::http::Method;
use serde_json::json;

use super::{PATH, answer_group, check_length};
use crate::deadline::Arrival;
use crate::domain::{App, Change, ContactGroupName, UserAccess, UserId};
use crate::http::failure::Failure;
use crate::http::v1::call::{Call, Reply, Request};
use crate::http::v1::caller::Access;
use crate::http::v1::operation::Operation;
use crate::http::v1::shapes::ShownGroup;
use crate::limits::Limits;
use crate::service::{Service, Write};

pub(in crate::http::v1) struct PatchGroup {
    user: UserId,
    change: Change,
    expected_revision: Option<u64>,
}

impl Call for PatchGroup {
    const NAME: &'static str = "v1_patch_group";
    const METHOD: Method = Method::PATCH;
    const PATH: &'static str = PATH;
    const ACCESS: Access = Access::Users(UserAccess::Write);

    type Answer = ShownGroup;

    fn operation() -> Operation {
        let position = json!({ "type": ["integer", "null"], "minimum": 0, "maximum": u32::MAX });
        let name = json!({
            "type": ["string", "null"], "minLength": 1, "maxLength": Limits::default().group_name_bytes,
            "x-limit": "group-name-bytes", "pattern": "^[^\\x00]*$",
        });
        Operation::new(
            "Renames or moves a contact group",
            "`position` counts from 0 in the user's order. One beyond the end is the end.",
        )
        .path_value("name", "friends")
        .if_match()
        .body(
            "GroupPatch",
            json!({
                "type": "object", "additionalProperties": false,
                "properties": { "name": name, "position": position },
            }),
            r#"{"position":0}"#,
        )
        .answer(r#"{"name":"friends","id":2,"conversations":0}"#)
    }

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure> {
        let (user, name) = (request.path.user(app)?, request.path.contact_group()?);
        let body = &request.body;
        body.only(&["name", "position"])?;
        let (new_name, position) = (body.get("name")?, body.get("position")?);
        let new_name =
            new_name.present().map(|name| name.parsed(ContactGroupName::parse)).transpose()?;
        if let Some(new_name) = &new_name {
            check_length("name", new_name, app)?;
        }
        let index = position.present().map(|position| position.cursor()).transpose()?;
        let change = Change::EditGroup { name, new_name, index };
        Ok(Self { user, change, expected_revision: request.expected_revision()? })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Reply<ShownGroup>, Failure> {
        let Self { user: owner, change, expected_revision } = self;
        answer_group(service, Write { app, owner, change, expected_revision, arrival }).await
    }
}
