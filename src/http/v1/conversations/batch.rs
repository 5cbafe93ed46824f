//! `POST /v1/apps/{app}/users/{user}/batch`: changes many conversations in one revision.

use std::sync::Arc;

use actix_web::http::Method;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::patch;
use crate::deadline::Arrival;
use crate::domain::{App, Change, Patch, Problem, UserAccess, UserId};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::schema::joined;
use crate::http::tencent::envelope::ItemCounts;
use crate::http::v1::call::{Call, Reply, Request};
use crate::http::v1::caller::Access;
use crate::http::v1::operation::Operation;
use crate::http::v1::problem::ItemResult;
use crate::http::v1::shapes::{conversation_with, peer_kind};
use crate::http::v1::users::get_user::Answer as User;
use crate::http::v1::write::write;
use crate::limits::Limits;
use crate::service::{Service, Write};

pub(in crate::http::v1) struct Batch {
    user: UserId,
    patches: Vec<Patch>,
    expected_revision: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BatchResults")]
pub(in crate::http::v1) struct Answer {
    revision: u64,
    /// One for each change, in order.
    results: Vec<ItemResult>,
}

impl Call for Batch {
    const NAME: &'static str = "v1_batch";
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/users/{user}/batch";
    const ACCESS: Access = Access::Users(UserAccess::Write);

    type Answer = Answer;

    fn operation() -> Operation {
        let mut change = patch::schema();
        let id = json!({ "type": { "enum": ["user", "group"] }, "id": { "type": "string", "minLength": 1 } });
        change["properties"] = joined(id, change["properties"].take());
        change["required"] = json!(["type", "id"]);
        let most = Limits::default().mark_items;
        let changes = json!({
            "type": "array", "minItems": 1, "maxItems": most, "items": change, "x-limit": "mark-items",
        });
        let revision = json!({ "type": ["integer", "null"], "format": "int64", "minimum": 0, "maximum": u64::MAX });
        Operation::new(
            "Changes many conversations",
            "Each change is applied whole or refused whole, in order. All of them have one revision. A refused change leaves the \
             others.",
        )
        .if_match()
        .body(
            "Batch",
            json!({
                "type": "object", "required": ["changes"], "additionalProperties": false,
                "properties": { "changes": changes, "expected_revision": revision },
            }),
            r#"{"changes":[{"type":"user","id":"user1","set":["favorite"]},{"type":"group","id":"room","add_to":["none"]}]}"#,
        )
        .answer(
            r#"{"revision":3,"results":[{"status":200},{"status":404,"code":51009,"title":"There is no such thing"}]}"#,
        )
    }

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure> {
        let (user, body) = (request.path.user(app)?, &request.body);
        body.only(&["expected_revision", "changes"])?;
        let list = body.get("changes")?;
        let patches = list.array(|change| parse_change(change, app))?;
        list.check_count(patches.len(), 1..=app.limits.mark_items)?;
        Ok(Self { user, patches, expected_revision: expected_revision(request)? })
    }

    fn size(&self) -> usize {
        self.patches.len()
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Reply<Answer>, Failure> {
        let Self { user, patches, expected_revision } = self;
        let current = User::read(service, &app, &user, arrival.deadline);
        let change = Change::of_patches(patches);
        let (app, owner) = (app.clone(), user.clone());
        let change = Write { app, owner, change, expected_revision, arrival };
        let written = write(service, change, current).await?;
        let results = written.applied.items.iter().map(ItemResult::from).collect();
        Ok(Reply::at(written.revision, Answer { revision: written.revision, results }))
    }

    fn items(answer: &Answer) -> ItemCounts {
        let ok = answer.results.iter().filter(|result| result.is_ok()).count();
        let refused = (answer.results.len() - ok) as u64;
        let (code, info) = answer.results.iter().find_map(ItemResult::refusal).unwrap_or_default();
        ItemCounts { ok: ok as u64, refused, code, info: info.to_owned() }
    }
}

fn parse_change(change: &Field<'_>, app: &App) -> Result<Patch, Failure> {
    let [set, clear, custom, add_to, remove_from, pinned] = patch::FIELDS;
    change.only(&["type", "id", set, clear, custom, add_to, remove_from, pinned])?;
    let (kind, id) = (change.get("type")?, change.get("id")?);
    let kind = kind.parsed(peer_kind)?;
    let conversation = id.parsed(|id| conversation_with(kind, id, &app.limits))?;
    patch::parse(change, conversation, app)
}

/// The revision in the body or in `If-Match`.
fn expected_revision(request: &Request<'_>) -> Result<Option<u64>, Failure> {
    let header = request.expected_revision()?;
    let field = request.body.get("expected_revision")?;
    if field.present().is_none() {
        return Ok(header);
    }
    let problem = Problem::new("must be a revision, and the same as in If-Match");
    match u64::try_from(field.integer()?) {
        Ok(revision) if header.is_none_or(|other| other == revision) => Ok(Some(revision)),
        Ok(_) | Err(_) => Err(field.refuse(problem)),
    }
}
