//! `im_open_login_svc/multiaccount_import`: adds up to 100 users to the directory.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::shapes::account;
use crate::deadline::Arrival;
use crate::domain::{App, Problem, UserId};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::openapi::schema::{array, named, object, with_one_of};
use crate::http::tencent::accounts::account_import::{as_sent, user_id, value};
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, Family};
use crate::limits::{ACCOUNT_ITEMS_MAX, Limits};
use crate::service::{Account, Service};

pub struct MultiaccountImport {
    good: Vec<Account>,
    failed: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// The users that cannot be imported.
    fail_accounts: Vec<String>,
}

impl Call for MultiaccountImport {
    const FAMILY: Family = Family::Accounts;
    const COMMAND: &'static str = "multiaccount_import";

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        let (newer, older) = (body.get("AccountList")?, body.get("Accounts")?);
        let entries = match (newer.present(), older.present()) {
            (Some(_), Some(_)) => {
                return Err(older.refuse(Problem::new("must not be given beside AccountList")));
            }
            (None, Some(_)) => counted(&older, older.array(|name| parse_name(name, app))?)?,
            _ => counted(&newer, newer.array(|entry| parse_entry(entry, app))?)?,
        };
        let (mut good, mut failed) = (BTreeMap::new(), Vec::new());
        for entry in entries {
            match entry {
                // If a user occurs twice, the last entry counts.
                Ok(account) => drop(good.insert(account.user_id.clone(), account)),
                Err(name) => failed.push(name),
            }
        }
        Ok(Self { good: good.into_values().collect(), failed })
    }

    fn size(&self) -> usize {
        self.good.len() + self.failed.len()
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        service.import_accounts(&app, self.good, arrival.deadline).await?;
        Ok(Answer { fail_accounts: self.failed })
    }

    fn operation(_: &Limits) -> Operation {
        let entries = array(1, ACCOUNT_ITEMS_MAX, "The users.", account());
        let names = array(
            1,
            ACCOUNT_ITEMS_MAX,
            "The users, in the form of older clients.",
            named("UserID"),
        );
        let request = object(&[], json!({ "AccountList": entries, "Accounts": names }));
        Operation {
            summary: "Imports users",
            description: "Adds up to 100 users to the directory. `FailAccounts` lists the users with invalid values; the others \
                are imported.",
            request: with_one_of(request, "AccountList", "Accounts"),
            codes: &[Code::EntryCount],
            example: (
                r#"{"AccountList":[{"UserID":"user8","Nick":"Eight"},{"UserID":"user9"}]}"#,
                r#"{"FailAccounts":[],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}

/// An account, or the name of one that cannot be imported.
type Entry = Result<Account, String>;

fn parse_name(name: &Field<'_>, app: &App) -> Result<Entry, Failure> {
    let sent = as_sent(name)?;
    Ok(UserId::parse(sent.as_str(), app.limits.user_id_bytes)
        .map(|user_id| Account { user_id, nick: None, face_url: None })
        .map_err(|_| sent))
}

fn parse_entry(entry: &Field<'_>, app: &App) -> Result<Entry, Failure> {
    let named = parse_name(&user_id(entry)?, app)?;
    let values = (value(entry, "Nick"), value(entry, "FaceUrl"));
    Ok(match (named, values) {
        (Ok(account), (Ok(nick), Ok(face_url))) => Ok(Account { nick, face_url, ..account }),
        (Ok(account), _) => Err(account.user_id.as_str().to_owned()),
        (Err(name), _) => Err(name),
    })
}

/// A name as the client sent it, and the parsed name.
pub(super) type NamedUser = (String, Result<UserId, Failure>);

pub(super) fn named_users(array: &Field<'_>, app: &App) -> Result<Vec<NamedUser>, Failure> {
    let users = array.array(|item| {
        let name = user_id(item)?;
        Ok((as_sent(&name)?, name.account(app.limits.user_id_bytes)))
    })?;
    counted(array, users)
}

pub(super) fn good_users(users: &[NamedUser]) -> Vec<UserId> {
    users.iter().filter_map(|(_, name)| name.as_ref().ok().cloned()).collect()
}

/// `im_open_login_svc` has its own code for a wrong number of entries.
fn counted<T>(array: &Field<'_>, entries: Vec<T>) -> Result<Vec<T>, Failure> {
    if (1..=ACCOUNT_ITEMS_MAX).contains(&entries.len()) {
        Ok(entries)
    } else {
        Err(Failure::AccountCount { path: array.path(), got: entries.len() })
    }
}
