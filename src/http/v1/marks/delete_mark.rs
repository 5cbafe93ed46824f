//! `DELETE /v1/apps/{app}/marks/{bit}`: takes the name of a mark away. The bit stays set where it is set.

use std::sync::Arc;

use actix_web::http::Method;

use super::list_marks::Answer;
use super::{PATH, Target};
use crate::deadline::Arrival;
use crate::domain::App;
use crate::http::failure::Failure;
use crate::http::v1::call::{Call, Reply, Request};
use crate::http::v1::caller::Access;
use crate::http::v1::operation::Operation;
use crate::http::v1::shapes::ShownMark;
use crate::service::{AppChange, Service};

pub(in crate::http::v1) struct DeleteMark(Target);

impl Call for DeleteMark {
    const NAME: &'static str = "v1_delete_mark";
    const METHOD: Method = Method::DELETE;
    const PATH: &'static str = PATH;
    const ACCESS: Access = Access::Admins;

    /// The marks that are left.
    type Answer = Answer;

    fn operation() -> Operation {
        Operation::new(
            "Takes the name of a mark away",
            "The bit stays set where it is set. The answer lists the marks that still have names.",
        )
        .answer(
            r#"{"marks":[{"bit":0,"name":"favorite","color":null},{"bit":1,"name":"unread","color":null},{"bit":2,"name":"collapsed","color":null},{"bit":3,"name":"hidden","color":null}]}"#,
        )
    }

    fn parse(request: &Request<'_>, _: &App) -> Result<Self, Failure> {
        Ok(Self(Target::parse(request)?))
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Reply<Answer>, Failure> {
        let Self(target) = self;
        let change = AppChange::UnnameMark(target.bit);
        let app = target.update(service, &app, "unname-mark", change, arrival).await?;
        Ok(Reply::of_app(Answer { marks: ShownMark::all(&app) }))
    }
}
