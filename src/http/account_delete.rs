//! `im_open_login_svc/account_delete`: deletes users from the directory, with everything that is kept for them.

use std::sync::Arc;

use serde::Serialize;

use super::account_import::{as_sent, user_id};
use super::door::Call;
use super::envelope::ItemResult;
use super::json::Field;
use super::multiaccount_import::counted;
use crate::domain::{App, UserId};
use crate::error::{Error, Family};
use crate::service::Service;

pub(super) struct AccountDelete(Vec<(String, Result<UserId, Error>)>);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Answer {
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
        let delete_item = body.get("DeleteItem")?;
        let items = delete_item.array(|item| {
            let name = user_id(item)?;
            Ok((as_sent(&name)?, name.account(app.limits.user_id_bytes)))
        })?;
        counted(&delete_item, items).map(Self)
    }

    async fn run(self, service: &Service, app: Arc<App>, now: u64) -> Result<Answer, Error> {
        let users = self.0.iter().filter_map(|(_, name)| name.as_ref().ok().cloned()).collect();
        let mut outcomes = service.delete_accounts(&app, users, now).await?.into_iter();
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
}
