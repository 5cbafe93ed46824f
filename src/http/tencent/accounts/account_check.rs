//! `im_open_login_svc/account_check`: checks which users are in the directory.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::shapes::user;
use crate::deadline::Arrival;
use crate::domain::App;
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::openapi::schema::{array, object, titled};
use crate::http::tencent::accounts::multiaccount_import::{NamedUser, good_users, named_users};
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, Family};
use crate::http::tencent::envelope::{ItemCounts, ItemResult};
use crate::limits::{ACCOUNT_ITEMS_MAX, Limits};
use crate::service::{AccountState, Service};

pub struct AccountCheck(Vec<NamedUser>);

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// One for each entry, in order.
    result_item: Vec<ResultItem>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(rename = "AccountCheckResultItem")]
struct ResultItem {
    /// As in the request.
    #[serde(rename = "UserID")]
    user_id: String,
    #[serde(flatten)]
    result: ItemResult,
    account_status: AccountStatus,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
enum AccountStatus {
    Imported,
    NotImported,
}

impl Call for AccountCheck {
    const FAMILY: Family = Family::Accounts;
    const COMMAND: &'static str = "account_check";
    const IS_READ_ONLY: bool = true;

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        named_users(&body.get("CheckItem")?, app).map(Self)
    }

    fn size(&self) -> usize {
        self.0.len()
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        let mut states =
            service.check_accounts(&app, good_users(&self.0), arrival.deadline).await?.into_iter();
        let result_item = self
            .0
            .into_iter()
            .map(|(user_id, name)| {
                let state = name.as_ref().ok().and_then(|_| states.next());
                ResultItem {
                    user_id,
                    result: ItemResult::new(name.map(drop), Family::Accounts),
                    account_status: match state {
                        Some(AccountState::Imported) => AccountStatus::Imported,
                        Some(AccountState::NotImported) | None => AccountStatus::NotImported,
                    },
                }
            })
            .collect();
        Ok(Answer { result_item })
    }

    fn items(answer: &Answer) -> ItemCounts {
        answer.result_item.iter().map(|item| &item.result).collect()
    }

    fn operation(_: &Limits) -> Operation {
        Operation {
            summary: "Checks whether users are imported",
            description: "Returns the state of each user.",
            request: object(
                &["CheckItem"],
                json!({ "CheckItem": array(1, ACCOUNT_ITEMS_MAX, "The users.", titled("CheckItem", user(json!({})))) }),
            ),
            codes: &[Code::EntryCount, Code::BadAccountParameter],
            example: (
                r#"{"CheckItem":[{"UserID":"user7"},{"UserID":"stranger"}]}"#,
                r#"{"ResultItem":[{"UserID":"user7","ResultCode":0,"ResultInfo":"","AccountStatus":"Imported"},{"UserID":"stranger","ResultCode":0,"ResultInfo":"","AccountStatus":"NotImported"}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}
