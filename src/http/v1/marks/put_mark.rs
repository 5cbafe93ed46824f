//! `PUT /v1/apps/{app}/marks/{bit}`: gives a mark of the app's own a name.

use std::sync::Arc;

use actix_web::http::Method;
use serde_json::json;

use super::{PATH, Target};
use crate::deadline::Arrival;
use crate::domain::{App, Color, MarkName, MarkNames, NamedMark};
use crate::http::failure::Failure;
use crate::http::v1::call::{Call, Reply, Request};
use crate::http::v1::caller::Access;
use crate::http::v1::operation::Operation;
use crate::http::v1::shapes::ShownMark;
use crate::limits::MARK_NAME_BYTES_MAX;
use crate::service::{AppChange, Service};

pub(in crate::http::v1) struct PutMark {
    target: Target,
    mark: NamedMark,
}

impl Call for PutMark {
    const NAME: &'static str = "v1_put_mark";
    const METHOD: Method = Method::PUT;
    const PATH: &'static str = PATH;
    const ACCESS: Access = Access::Admins;

    type Answer = ShownMark;

    fn operation() -> Operation {
        let color = json!({ "type": ["string", "null"], "pattern": "^#([0-9a-fA-F]{3}){1,2}$" });
        let standard: Vec<_> = MarkNames::standard().map(|(_, name)| name).collect();
        let name = json!({
            "type": "string", "minLength": 1, "maxLength": MARK_NAME_BYTES_MAX, "pattern": "^[^\\x00]*$",
            "not": { "enum": standard },
        });
        Operation::new(
            "Names a mark",
            "Gives a bit from 32 to 63 a name, and perhaps a colour. Conversations show the name instead of the bit from then \
             on, which is no change of a user's state: clients learn of it with their next read.",
        )
        .body(
            "MarkName",
            json!({
                "type": "object", "required": ["name"], "additionalProperties": false,
                "properties": { "name": name, "color": color },
            }),
            r##"{"name":"vip","color":"#c00"}"##,
        )
        .answer(r##"{"bit":32,"name":"vip","color":"#c00"}"##)
    }

    fn parse(request: &Request<'_>, _: &App) -> Result<Self, Failure> {
        let (target, body) = (Target::parse(request)?, &request.body);
        body.only(&["name", "color"])?;
        let name = body.get("name")?.parsed(MarkName::parse)?;
        let color = body.get("color")?;
        let color = color.present().map(|color| color.parsed(Color::parse)).transpose()?;
        Ok(Self { target, mark: NamedMark { name, color } })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Reply<ShownMark>, Failure> {
        let Self { target, mark } = self;
        let shown = ShownMark::new(target.bit, &mark);
        let change = AppChange::NameMark(target.bit, mark);
        target.update(service, &app, "name-mark", change, arrival).await?;
        Ok(Reply::of_app(shown))
    }
}
