//! `DELETE /v1/apps/{app}/users/{user}/groups/{name}`: deletes a contact group. Its conversations keep their marks and pins.

use std::sync::Arc;

use actix_web::http::Method;
use schemars::JsonSchema;
use serde::Serialize;

use super::{PATH, write_groups};
use crate::deadline::Arrival;
use crate::domain::{App, Change, ContactGroupName, Refusal, UserAccess, UserId};
use crate::error::Error;
use crate::http::failure::Failure;
use crate::http::v1::call::{Call, Reply, Request};
use crate::http::v1::caller::Access;
use crate::http::v1::operation::Operation;
use crate::service::{Service, Write};

pub(in crate::http::v1) struct DeleteGroup {
    user: UserId,
    name: ContactGroupName,
    expected_revision: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Deleted")]
pub(in crate::http::v1) struct Answer {
    revision: u64,
}

impl Call for DeleteGroup {
    const NAME: &'static str = "v1_delete_group";
    const METHOD: Method = Method::DELETE;
    const PATH: &'static str = PATH;
    const ACCESS: Access = Access::Users(UserAccess::Write);

    type Answer = Answer;

    fn operation() -> Operation {
        Operation::new(
            "Deletes a contact group",
            "Its conversations keep their marks and pins. If there is none of the name, nothing changes.",
        )
        .path_value("name", "friends")
        .if_match()
        .answer(r#"{"revision":6}"#)
    }

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure> {
        let (user, name) = (request.path.user(app)?, request.path.contact_group()?);
        Ok(Self { user, name, expected_revision: request.expected_revision()? })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Reply<Answer>, Failure> {
        let Self { user, name, expected_revision } = self;
        let (change, owner) = (Change::DeleteGroup(name), user.clone());
        let change = Write { app: app.clone(), owner, change, expected_revision, arrival };
        let revision = match write_groups(service, change).await {
            Ok(written) => written.revision,
            // The contact group is not there, so nothing had to be changed.
            Err(Failure::Service(Error::Refused(Refusal::UnknownContactGroup))) => {
                match expected_revision {
                    Some(revision) => revision,
                    None => service.user(app, user, arrival.deadline).await?.0.at.revision,
                }
            }
            Err(failure) => return Err(failure),
        };
        Ok(Reply::at(revision, Answer { revision }))
    }
}
