//! `im_open_login_svc/account_delete`: deletes users from the directory, with everything that is kept for them.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::App;
use crate::error::{Error, Family};
use crate::http::tencent::accounts::multiaccount_import::{NamedUser, good_users, named_users};
use crate::http::tencent::door::Call;
use crate::http::tencent::envelope::{ItemCounts, ItemResult};
use crate::http::tencent::json::Field;
use crate::service::Service;

pub struct AccountDelete(Vec<NamedUser>);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    result_item: Vec<ResultItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResultItem {
    #[serde(flatten)]
    result: ItemResult,
    #[serde(rename = "UserID")]
    user_id: String,
}

impl Call for AccountDelete {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
        named_users(&body.get("DeleteItem")?, app).map(Self)
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        let users = good_users(&self.0);
        let mut outcomes = service.delete_accounts(&app, users, arrival).await?.into_iter();
        let result_item = self
            .0
            .into_iter()
            .map(|(user_id, name)| {
                let outcome = name.and_then(|_| outcomes.next().unwrap_or(Ok(())));
                ResultItem { result: ItemResult::new(&outcome, Family::Accounts), user_id }
            })
            .collect();
        Ok(Answer { result_item })
    }

    fn items(answer: &Answer) -> ItemCounts {
        answer.result_item.iter().map(|item| &item.result).collect()
    }
}
