//! `recentcontact/top`: pins and unpins conversations.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{App, Change, Conversation, Problem, UserId};
use crate::error::{Error, Family};
use crate::http::tencent::door::Call;
use crate::http::tencent::envelope::{ItemCounts, ItemResult};
use crate::http::tencent::json::Field;
use crate::http::tencent::recent_contact::contact_item::{self, SessionId};
use crate::service::{Service, Write};

pub struct Top {
    owner: UserId,
    pin: bool,
    conversations: Vec<Conversation>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    result_item: Vec<ResultItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResultItem {
    recent_contact_item: SessionId,
    #[serde(flatten)]
    result: ItemResult,
}

impl Call for Top {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        let operation = body.get("OperationType")?;
        let pin = match operation.integer()? {
            1 => true,
            2 => false,
            _ => return Err(operation.refuse(Problem::new("must be 1 (pin) or 2 (unpin)"))),
        };
        let list = body.get("RecentContactItem")?;
        let names = &["GroupId", "ToGroupId"];
        let conversations = list.array(|item| contact_item::parse_named(item, names, app))?;
        list.check_count(conversations.len(), 1..=app.limits.mark_items)?;
        Ok(Self { owner, pin, conversations })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        let shown: Vec<_> = self.conversations.iter().cloned().map(SessionId).collect();
        let change = if self.pin { Change::Pin } else { Change::Unpin }(self.conversations);
        let applied = service.write(Write { app, owner: self.owner, change, arrival }).await?;
        let result_item = shown
            .into_iter()
            .zip(&applied.items)
            .map(|(recent_contact_item, outcome)| ResultItem {
                recent_contact_item,
                result: ItemResult::new(outcome, Family::RecentContact),
            })
            .collect();
        Ok(Answer { result_item })
    }

    fn items(answer: &Answer) -> ItemCounts {
        answer.result_item.iter().map(|item| &item.result).collect()
    }
}
