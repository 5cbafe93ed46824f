//! `im_open_login_svc/account_delete`: deletes users from the directory, with all their state.

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
use crate::service::Service;

pub struct AccountDelete(Vec<NamedUser>);

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// One for each entry, in order.
    result_item: Vec<ResultItem>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(rename = "AccountDeleteResultItem")]
struct ResultItem {
    #[serde(flatten)]
    result: ItemResult,
    /// As in the request.
    #[serde(rename = "UserID")]
    user_id: String,
}

impl Call for AccountDelete {
    const FAMILY: Family = Family::Accounts;
    const COMMAND: &'static str = "account_delete";

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        named_users(&body.get("DeleteItem")?, app).map(Self)
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
        let users = good_users(&self.0);
        let mut outcomes = service.delete_accounts(&app, users, arrival).await?.into_iter();
        let result_item = self
            .0
            .into_iter()
            .map(|(user_id, name)| {
                let mut next = || outcomes.next().unwrap_or(Ok(())).map_err(Failure::from);
                let outcome = name.and_then(|_| next());
                ResultItem { result: ItemResult::new(outcome, Family::Accounts), user_id }
            })
            .collect();
        Ok(Answer { result_item })
    }

    fn items(answer: &Answer) -> ItemCounts {
        answer.result_item.iter().map(|item| &item.result).collect()
    }

    fn operation(_: &Limits) -> Operation {
        Operation {
            summary: "Deletes users",
            description: "Deletes users from the directory, with their marks, contact groups and pins.",
            request: object(
                &["DeleteItem"],
                json!({ "DeleteItem": array(1, ACCOUNT_ITEMS_MAX, "The users.", titled("DeleteItem", user(json!({})))) }),
            ),
            codes: &[Code::AccountMissing, Code::EntryCount, Code::BadAccountParameter],
            example: (
                r#"{"DeleteItem":[{"UserID":"user7"},{"UserID":"stranger"}]}"#,
                r#"{"ResultItem":[{"ResultCode":0,"ResultInfo":"","UserID":"user7"},{"ResultCode":70107,"ResultInfo":"Err_TLS_PT_Open_Login_Account_Not_Exist","UserID":"stranger"}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}
