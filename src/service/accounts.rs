//! The directory of users: importing, deleting and looking up accounts.

use std::sync::Arc;

use super::feed::append;
use super::{Service, Write};
use crate::deadline::{Arrival, Deadline};
use crate::domain::{App, Change, UserId};
use crate::error::Error;
use crate::store;
pub use crate::store::accounts::Account;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountState {
    Imported,
    /// Never imported, or deleted.
    NotImported,
}

impl Service {
    /// Imports all accounts or none. The users must be distinct.
    pub async fn import_accounts(
        &self,
        app: &Arc<App>,
        accounts: Vec<Account>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let sdk_app_id = app.sdk_app_id;
        let import = self.store.clone().write(deadline, async move |tx| {
            let changes = store::accounts::import(tx, sdk_app_id, &accounts).await?;
            append(tx, &changes).await
        });
        self.within(deadline, Error::late_write, import).await?;
        self.shared.waiting.tell_directory(sdk_app_id);
        Ok(())
    }

    /// Deletes accounts and all state of their users in one transaction. Returns one result per user, in order.
    pub async fn delete_accounts(
        &self,
        app: &Arc<App>,
        users: Vec<UserId>,
        arrival: Arrival,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let writes = users
            .into_iter()
            .map(|owner| Write {
                app: app.clone(),
                owner,
                change: Change::DeleteAccount,
                expected_revision: None,
                arrival,
            })
            .collect();
        let outcomes = self.write_together(writes, arrival.deadline).await?;
        Ok(outcomes.into_iter().map(|outcome| outcome.map(drop)).collect())
    }

    pub async fn check_accounts(
        &self,
        app: &Arc<App>,
        users: Vec<UserId>,
        deadline: Deadline,
    ) -> Result<Vec<AccountState>, Error> {
        let sdk_app_id = app.sdk_app_id;
        let read = self.store.clone().read(deadline, async move |reader| {
            store::accounts::exist(reader, sdk_app_id, &users).await
        });
        let have_accounts = self.within(deadline, Error::late_read, read).await?;
        let state = |has_account| {
            if has_account { AccountState::Imported } else { AccountState::NotImported }
        };
        Ok(have_accounts.into_iter().map(state).collect())
    }
}
