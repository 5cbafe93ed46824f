//! `recentcontact/mark_contact`: sets and clears marks.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{
    App, BitChange, Change, CustomMark, MarkBit, MarkChange, Problem, StandardMark, UserId,
};
use crate::error::{Error, Family};
use crate::http::tencent::door::Call;
use crate::http::tencent::envelope::{ItemCounts, ItemResult};
use crate::http::tencent::json::Field;
use crate::http::tencent::recent_contact::contact_item::{self, ContactItem};
use crate::service::{Service, Write};

pub struct MarkContact {
    owner: UserId,
    items: Vec<Item>,
}

struct Item {
    opt_type: u8,
    change: MarkChange,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    result_item: Vec<ResultItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResultItem {
    opt_type: u8,
    contact_item: ContactItem,
    #[serde(flatten)]
    result: ItemResult,
}

impl Call for MarkContact {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        let mark_item = body.get("MarkItem")?;
        let items = mark_item.array(|item| parse_item(item, app))?;
        mark_item.check_count(items.len(), 1..=app.limits.mark_items)?;
        Ok(Self { owner, items })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        let (shown, changes): (Vec<_>, Vec<_>) = self
            .items
            .into_iter()
            .map(|item| {
                let contact_item = ContactItem(item.change.conversation.clone());
                ((item.opt_type, contact_item), item.change)
            })
            .unzip();
        let write = Write { app, owner: self.owner, change: Change::Mark(changes), arrival };
        let applied = service.write(write).await?;
        let result_item = shown
            .into_iter()
            .zip(&applied.items)
            .map(|((opt_type, contact_item), outcome)| ResultItem {
                opt_type,
                contact_item,
                result: ItemResult::new(outcome, Family::RecentContact),
            })
            .collect();
        Ok(Answer { result_item })
    }

    fn items(answer: &Answer) -> ItemCounts {
        answer.result_item.iter().map(|item| &item.result).collect()
    }
}

fn parse_item(item: &Field<'_>, app: &App) -> Result<Item, Error> {
    let opt_type = item.get("OptType")?;
    let contact_item = item.get("ContactItem")?;
    let (opt_type, standard, custom) = match opt_type.integer()? {
        1 => (1, parse_bits(item)?, None),
        2 => (2, None, parse_custom(item, app)?),
        3 => (3, parse_bits(item)?, parse_custom(item, app)?),
        _ => {
            let problem = "must be 1 (standard mark), 2 (custom mark) or 3 (both)";
            return Err(opt_type.refuse(Problem::new(problem)));
        }
    };
    let conversation = contact_item::parse(&contact_item, app)?;
    if standard.is_none() && custom.is_none() {
        return Err(item.refuse(Problem::new(match opt_type {
            1 => "must hold SetMark or ClearMark, as OptType is 1",
            2 => "must hold CustomMark, as OptType is 2",
            _ => "must hold SetMark, ClearMark or CustomMark",
        })));
    }
    Ok(Item { opt_type, change: MarkChange { conversation, standard, custom } })
}

/// `SetMark` and `ClearMark`; `None` when both are absent.
fn parse_bits(item: &Field<'_>) -> Result<Option<BitChange>, Error> {
    let bits = |name| -> Result<Option<StandardMark>, Error> {
        let Some(list) = item.get(name)?.present() else { return Ok(None) };
        let bits = list
            .array(|bit| MarkBit::parse(bit.integer()?).map_err(|problem| bit.refuse(problem)))?;
        Ok(Some(bits.into_iter().collect()))
    };
    let (set, clear) = (bits("SetMark")?, bits("ClearMark")?);
    if set.is_none() && clear.is_none() {
        return Ok(None);
    }
    Ok(Some(BitChange { set: set.unwrap_or_default(), clear: clear.unwrap_or_default() }))
}

fn parse_custom(item: &Field<'_>, app: &App) -> Result<Option<CustomMark>, Error> {
    let Some(text) = item.get("CustomMark")?.present() else { return Ok(None) };
    text.parsed(|text| CustomMark::parse(text, app.limits.custom_mark_bytes)).map(Some)
}
