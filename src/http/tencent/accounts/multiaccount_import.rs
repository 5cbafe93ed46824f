//! `im_open_login_svc/multiaccount_import`: puts up to 100 users into the directory.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{App, Problem, UserId};
use crate::error::Error;
use crate::http::tencent::accounts::account_import::{as_sent, user_id, value};
use crate::http::tencent::door::Call;
use crate::http::tencent::json::Field;
use crate::service::{Account, Service};

pub struct MultiaccountImport {
    good: Vec<Account>,
    failed: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    fail_accounts: Vec<String>,
}

impl Call for MultiaccountImport {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
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
                // An account that is named twice is imported as it stands last.
                Ok(account) => drop(good.insert(account.user_id.clone(), account)),
                Err(name) => failed.push(name),
            }
        }
        Ok(Self { good: good.into_values().collect(), failed })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        service.import_accounts(&app, self.good, arrival.deadline).await?;
        Ok(Answer { fail_accounts: self.failed })
    }
}

/// An account, or the name of one that cannot be imported.
type Entry = Result<Account, String>;

fn parse_name(name: &Field<'_>, app: &App) -> Result<Entry, Error> {
    let sent = as_sent(name)?;
    Ok(UserId::parse(sent.as_str(), app.limits.user_id_bytes)
        .map(|user_id| Account { user_id, nick: None, face_url: None })
        .map_err(|_| sent))
}

fn parse_entry(entry: &Field<'_>, app: &App) -> Result<Entry, Error> {
    let named = parse_name(&user_id(entry)?, app)?;
    let values = (value(entry, "Nick"), value(entry, "FaceUrl"));
    Ok(match (named, values) {
        (Ok(account), (Ok(nick), Ok(face_url))) => Ok(Account { nick, face_url, ..account }),
        (Ok(account), _) => Err(account.user_id.as_str().to_owned()),
        (Err(name), _) => Err(name),
    })
}

/// A user as an item names one, and who that is, if that is a name at all.
pub(super) type NamedUser = (String, Result<UserId, Error>);

/// The users that the items of this array name.
pub(super) fn named_users(array: &Field<'_>, app: &App) -> Result<Vec<NamedUser>, Error> {
    let users = array.array(|item| {
        let name = user_id(item)?;
        Ok((as_sent(&name)?, name.account(app.limits.user_id_bytes)))
    })?;
    counted(array, users)
}

/// Those of them that have a name.
pub(super) fn good_users(users: &[NamedUser]) -> Vec<UserId> {
    users.iter().filter_map(|(_, name)| name.as_ref().ok().cloned()).collect()
}

/// `im_open_login_svc` has a number of its own for too many entries.
fn counted<T>(array: &Field<'_>, entries: Vec<T>) -> Result<Vec<T>, Error> {
    if (1..=crate::limits::ACCOUNT_ITEMS_MAX).contains(&entries.len()) {
        Ok(entries)
    } else {
        Err(Error::AccountCount { path: array.path(), got: entries.len() })
    }
}
