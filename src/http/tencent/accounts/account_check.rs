//! `im_open_login_svc/account_check`: asks which users the directory has.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::App;
use crate::error::{Error, Family};
use crate::http::tencent::accounts::multiaccount_import::{NamedUser, good_users, named_users};
use crate::http::tencent::door::Call;
use crate::http::tencent::envelope::{ItemCounts, ItemResult};
use crate::http::tencent::json::Field;
use crate::service::{AccountState, Service};

pub struct AccountCheck(Vec<NamedUser>);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    result_item: Vec<ResultItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResultItem {
    #[serde(rename = "UserID")]
    user_id: String,
    #[serde(flatten)]
    result: ItemResult,
    account_status: &'static str,
}

impl Call for AccountCheck {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
        named_users(&body.get("CheckItem")?, app).map(Self)
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        let mut states =
            service.check_accounts(&app, good_users(&self.0), arrival.deadline).await?.into_iter();
        let result_item = self
            .0
            .into_iter()
            .map(|(user_id, name)| {
                let state = name.as_ref().ok().and_then(|_| states.next());
                ResultItem {
                    user_id,
                    result: ItemResult::new(&name.map(drop), Family::Accounts),
                    account_status: match state {
                        Some(AccountState::Imported) => "Imported",
                        Some(AccountState::NotImported) | None => "NotImported",
                    },
                }
            })
            .collect();
        Ok(Answer { result_item })
    }

    fn items(answer: &Answer) -> ItemCounts {
        answer.result_item.iter().map(|item| &item.result).collect()
    }
}
