//! `recentcontact/mark_contact`: sets and clears marks.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::shapes::of_user;
use crate::deadline::Arrival;
use crate::domain::{
    App, BitChange, Change, CustomMark, MarkBit, MarkChange, Problem, StandardMark, UserId,
};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::openapi::schema::{any_of, by_kind, choice, limited_array, named, object, titled};
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, Family};
use crate::http::tencent::envelope::{ItemCounts, ItemResult};
use crate::http::tencent::recent_contact::contact_item::{self, ContactItem};
use crate::limits::Limits;
use crate::service::{Service, Write};

pub struct MarkContact {
    owner: UserId,
    items: Vec<Item>,
}

struct Item {
    opt_type: u8,
    change: MarkChange,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// One result per item, in order.
    result_item: Vec<ResultItem>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(rename = "MarkContactResultItem")]
struct ResultItem {
    #[schemars(extend("enum" = [1, 2, 3]))]
    opt_type: u8,
    contact_item: ContactItem,
    #[serde(flatten)]
    result: ItemResult,
}

impl Call for MarkContact {
    const FAMILY: Family = Family::RecentContact;
    const COMMAND: &'static str = "mark_contact";

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        let mark_item = body.get("MarkItem")?;
        let items = mark_item.array(|item| parse_item(item, app))?;
        mark_item.check_count(items.len(), 1..=app.limits.mark_items)?;
        Ok(Self { owner, items })
    }

    fn size(&self) -> usize {
        self.items.len()
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        let (shown, changes): (Vec<_>, Vec<_>) = self
            .items
            .into_iter()
            .map(|item| {
                let contact_item = ContactItem(item.change.conversation.clone());
                ((item.opt_type, contact_item), item.change)
            })
            .unzip();
        let write = Write {
            app,
            owner: self.owner,
            change: Change::Mark(changes),
            expected_revision: None,
            arrival,
        };
        let applied = service.write(write).await?.applied;
        let result_item = shown
            .into_iter()
            .zip(&applied.items)
            .map(|((opt_type, contact_item), outcome)| ResultItem {
                opt_type,
                contact_item,
                result: ItemResult::new(*outcome, Family::RecentContact),
            })
            .collect();
        Ok(Answer { result_item })
    }

    fn items(answer: &Answer) -> ItemCounts {
        answer.result_item.iter().map(|item| &item.result).collect()
    }

    fn operation(limits: &Limits) -> Operation {
        const CODES: &[Code] = &[
            Code::UnknownUser,
            Code::ItemCount,
            Code::ChatGroupGone,
            Code::ConversationsFull,
            Code::EditionTooLow,
        ];
        let opt_type =
            choice("Which marks change.", &[(1, "standard mark"), (2, "custom mark"), (3, "both")]);
        let item = object(
            &["OptType", "ContactItem"],
            json!({
                "OptType": opt_type,
                "ContactItem": named("ContactItem"),
                "SetMark": { "$ref": "#/components/schemas/Bits", "description": "Bits to set. With OptType 1 and 3." },
                "ClearMark": { "$ref": "#/components/schemas/Bits", "description": "Bits to clear. With OptType 1 and 3." },
                "CustomMark": named("CustomMark"),
            }),
        );
        let cases = [
            (1, any_of(&["SetMark", "ClearMark"])),
            (2, any_of(&["CustomMark"])),
            (3, any_of(&["SetMark", "ClearMark", "CustomMark"])),
        ];
        let item = titled("MarkItem", by_kind(item, "OptType", &cases));
        let max = ("mark-items", limits.mark_items);
        Operation {
            summary: "Sets and clears marks",
            description: "Sets and clears bits of the standard marks of conversations, and sets their custom marks. Items are \
                applied in order. If one is refused, the others are still applied.",
            request: of_user(
                &["MarkItem"],
                json!({ "MarkItem": limited_array(1, max, "Each item changes one conversation.", item) }),
            ),
            codes: CODES,
            example: (
                r#"{"From_Account":"user0","MarkItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"user1"},"SetMark":[0,32],"CustomMark":"abcd"}]}"#,
                r#"{"ResultItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"user1"},"ResultCode":0,"ResultInfo":""}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}

fn parse_item(item: &Field<'_>, app: &App) -> Result<Item, Failure> {
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
fn parse_bits(item: &Field<'_>) -> Result<Option<BitChange>, Failure> {
    let bits = |name| -> Result<Option<StandardMark>, Failure> {
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

fn parse_custom(item: &Field<'_>, app: &App) -> Result<Option<CustomMark>, Failure> {
    let Some(text) = item.get("CustomMark")?.present() else { return Ok(None) };
    text.parsed(|text| CustomMark::parse(text, app.limits.custom_mark_bytes)).map(Some)
}
