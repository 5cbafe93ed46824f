//! `GET /v1/apps/{app}/users/{user}/conversations`: a page of the user's conversations.

use std::sync::Arc;

use actix_web::http::Method;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::deadline::Arrival;
use crate::domain::{
    App, ContactGroupName, CustomMark, MarkBit, Problem, StandardMark, UserAccess, UserId, UserKey,
};
use crate::http::failure::Failure;
use crate::http::v1::call::{Call, Parameters, Reply, Request};
use crate::http::v1::caller::Access;
use crate::http::v1::cursor::Cursor;
use crate::http::v1::operation::Operation;
use crate::http::v1::page::PageStart;
use crate::http::v1::shapes::{ShownConversation, peer_kind};
use crate::limits::Limits;
use crate::service::{Filter, Order, Service};

const PARAMETERS: [&str; 11] = [
    "any",
    "all",
    "none",
    "group",
    "pinned",
    "custom",
    "custom_equals",
    "type",
    "order",
    "limit",
    "page",
];

pub(in crate::http::v1) struct ListConversations {
    user: UserId,
    order: Order,
    filter: Filter,
    limit: u32,
    page: Option<PageStart>,
}

/// A page of a list. All pages of a list show the revision and the cursor of the first one: `changes` since this cursor tell
/// what the list may have missed while it was read.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Conversations")]
pub(in crate::http::v1) struct Answer {
    revision: u64,
    /// For `since` of `changes` and `events`.
    cursor: String,
    conversations: Vec<ShownConversation>,
    /// For `page` of the next call; `null` after the last page.
    next: Option<String>,
}

impl Call for ListConversations {
    const NAME: &'static str = "v1_list_conversations";
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/users/{user}/conversations";
    const ACCESS: Access = Access::Users(UserAccess::Read);

    type Answer = Answer;

    fn operation() -> Operation {
        let text = || json!({ "type": "string", "minLength": 1 });
        let one_of = |names: &[&str]| json!({ "enum": names });
        let limit =
            json!({ "type": "integer", "minimum": 1, "maximum": Limits::default().page_items });
        Operation::new(
            "Lists conversations",
            "A page of the conversations with state that pass all filters. Marks are names or bits, separated by commas. All \
             pages of a list show the revision and the cursor of the first one.",
        )
        .query("any", "At least one of these marks is set.", text(), "favorite")
        .query("all", "All of these marks are set.", text(), Value::Null)
        .query("none", "None of these marks is set.", text(), Value::Null)
        .query("group", "In the contact group of this name.", text(), Value::Null)
        .query("pinned", "Whether it is pinned.", one_of(&["true", "false"]), Value::Null)
        .query("custom", "Whether it has a custom mark.", one_of(&["present", "absent"]), Value::Null)
        .query("custom_equals", "Has this custom mark.", text(), Value::Null)
        .query("type", "With a user or in a chat group.", one_of(&["user", "group"]), Value::Null)
        .query(
            "order",
            "First marked first, last changed first, or pinned ones first, newest pin first, and then last changed first.",
            one_of(&["first_marked", "last_changed", "pinned"]),
            Value::Null,
        )
        .query("limit", "The most conversations on a page.", limit, Value::Null)
        .query("page", "`next` of the page before.", text(), Value::Null)
        .answer(
            r#"{"revision":2,"cursor":"1-0-2-5b0d8a2c","conversations":[{"type":"user","id":"user1","marks":["favorite"],"custom":null,"groups":["work"],"pinned":false,"changed_at":"2026-11-28T16:00:00.000Z","revision":2}],"next":null}"#,
        )
    }

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure> {
        let user = request.path.user(app)?;
        let parameters = request.parameters(&PARAMETERS)?;
        let (order, filter) = (order(&parameters)?, filter(&parameters, app)?);
        let limit = parameters.number("limit", 1..=app.limits.page_items)?;
        let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: user };
        let page = parameters.get("page", |text| {
            let problem = || Problem::new("must be `next` of a page of the same list");
            PageStart::parse(text, &key, &list(order, &filter)).ok_or_else(problem)
        })?;
        let limit = limit.unwrap_or(app.limits.page_items);
        Ok(Self { user: key.user_id, order, filter, limit, page })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Reply<Answer>, Failure> {
        let Self { user, order, filter, limit, page } = self;
        let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: user.clone() };
        let list = list(order, &filter);
        let (first_page_at, after) = match page {
            Some(PageStart { first_page_at, after }) => (Some(first_page_at), Some(after)),
            None => (None, None),
        };
        let read = service.list(app.clone(), user, (order, filter), after, limit, arrival.deadline);
        let found = read.await?;
        let at = first_page_at.unwrap_or(found.head.at);
        let shown = found.conversations.iter();
        let shown = shown.map(|shown| ShownConversation::new(shown, &found.head, &app)).collect();
        let next = found.next.map(|after| PageStart { first_page_at: at, after });
        let answer = Answer {
            revision: at.revision,
            cursor: Cursor { key: &key, at }.to_string(),
            conversations: shown,
            next: next.map(|next| next.text(&key, &list)),
        };
        Ok(Reply::at(at.revision, answer))
    }
}

/// Tells a list from the others of its user.
fn list(order: Order, filter: &Filter) -> String {
    format!("{order:?} {filter:?}")
}

fn order(parameters: &Parameters) -> Result<Order, Failure> {
    let order =
        parameters.get("order", |text| named(&Order::ALL.map(|it| (it.name(), it)), text))?;
    Ok(order.unwrap_or(Order::FirstMarked))
}

fn filter(parameters: &Parameters, app: &App) -> Result<Filter, Failure> {
    let marks = |name| -> Result<StandardMark, Failure> {
        Ok(parameters.get(name, |text| marks(text, app))?.unwrap_or_default())
    };
    let custom = [("present", true), ("absent", false)];
    Ok(Filter {
        any: marks("any")?,
        all: marks("all")?,
        none: marks("none")?,
        kind: parameters.get("type", peer_kind)?,
        group: parameters.get("group", ContactGroupName::parse)?,
        is_pinned: parameters
            .get("pinned", |text| named(&[("true", true), ("false", false)], text))?,
        has_custom: parameters.get("custom", |text| named(&custom, text))?,
        custom: parameters.get("custom_equals", |text| CustomMark::parse(text, u32::MAX))?,
    })
}

/// Names or bits, with commas between them.
fn marks(text: &str, app: &App) -> Result<StandardMark, Problem> {
    text.split(',').map(|mark| bit(mark, app)).collect()
}

fn bit(mark: &str, app: &App) -> Result<MarkBit, Problem> {
    if let Some(bit) = app.marks.bit(mark) {
        return Ok(bit);
    }
    let number = mark.parse().map_err(|_| {
        Problem::new(format!("{mark:?} is neither the name of a mark nor a bit (0..63)"))
    })?;
    MarkBit::parse(number)
}

fn named<T: Copy>(all: &[(&str, T)], text: &str) -> Result<T, Problem> {
    all.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        Problem::new(format!("must be one of {}", names.join(", ")))
    })
}
