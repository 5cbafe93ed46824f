//! `PUT /v1/apps/{app}/users/{user}/groups/{name}`: creates a contact group unless the user has it.

use std::sync::Arc;

use actix_web::http::Method;

use super::{PATH, answer_group, check_length};
use crate::deadline::Arrival;
use crate::domain::{App, Change, ContactGroupName, UserAccess, UserId};
use crate::http::failure::Failure;
use crate::http::v1::call::{Call, Reply, Request};
use crate::http::v1::caller::Access;
use crate::http::v1::operation::Operation;
use crate::http::v1::shapes::ShownGroup;
use crate::service::{Service, Write};

pub(in crate::http::v1) struct PutGroup {
    user: UserId,
    name: ContactGroupName,
    expected_revision: Option<u64>,
}

impl Call for PutGroup {
    const NAME: &'static str = "v1_put_group";
    const METHOD: Method = Method::PUT;
    const PATH: &'static str = PATH;
    const ACCESS: Access = Access::Users(UserAccess::Write);

    type Answer = ShownGroup;

    fn operation() -> Operation {
        Operation::new(
            "Creates a contact group",
            "Or returns the one that has the name. Its conversations are added with `add_to` of a conversation.",
        )
        .path_value("name", "friends")
        .if_match()
        .or_status(201, "It is new.")
        .answer(r#"{"name":"friends","id":2,"conversations":0}"#)
    }

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure> {
        let (user, name) = (request.path.user(app)?, request.path.contact_group()?);
        check_length("name", &name, app)?;
        Ok(Self { user, name, expected_revision: request.expected_revision()? })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Reply<ShownGroup>, Failure> {
        let Self { user: owner, name, expected_revision } = self;
        let change = Change::PutGroup(name);
        answer_group(service, Write { app, owner, change, expected_revision, arrival }).await
    }
}
