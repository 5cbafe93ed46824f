//! `GET /v1/apps/{app}/marks`: the marks that have names.

use std::sync::Arc;

use actix_web::http::Method;
use schemars::JsonSchema;
use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{App, UserAccess};
use crate::http::failure::Failure;
use crate::http::v1::call::{Call, Reply, Request};
use crate::http::v1::caller::Access;
use crate::http::v1::operation::Operation;
use crate::http::v1::shapes::ShownMark;
use crate::service::Service;

pub(in crate::http::v1) struct ListMarks;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Marks")]
pub(in crate::http::v1) struct Answer {
    /// In the order of the bits.
    pub(super) marks: Vec<ShownMark>,
}

impl Call for ListMarks {
    const NAME: &'static str = "v1_list_marks";
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/marks";
    const ACCESS: Access = Access::Anyone(UserAccess::Read);

    type Answer = Answer;

    fn operation() -> Operation {
        Operation::new(
            "Lists the names of marks",
            "The bits that have names: those of the standard marks, and those that the app has named.",
        )
        .answer(
            r##"{"marks":[{"bit":0,"name":"favorite","color":null},{"bit":1,"name":"unread","color":null},{"bit":2,"name":"collapsed","color":null},{"bit":3,"name":"hidden","color":null},{"bit":32,"name":"vip","color":"#c00"}]}"##,
        )
    }

    fn parse(_: &Request<'_>, _: &App) -> Result<Self, Failure> {
        Ok(Self)
    }

    async fn run(self, _: &Service, app: Arc<App>, _: Arrival) -> Result<Reply<Answer>, Failure> {
        Ok(Reply::of_app(Answer { marks: ShownMark::all(&app) }))
    }
}
