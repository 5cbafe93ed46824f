//! The directory of users: importing, deleting and looking up accounts.

use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};

use super::feed::append;
use super::{Service, Write};
use crate::deadline::{Arrival, Deadline};
use crate::domain::{App, Change, UserId, UserKey};
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
    /// Imports accounts, in one transaction for each partition. The users must be distinct.
    pub async fn import_accounts(
        &self,
        app: &Arc<App>,
        accounts: Vec<Account>,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let sdk_app_id = app.sdk_app_id;
        let key = |account: &Account| UserKey { sdk_app_id, user_id: account.user_id.clone() };
        let keys: Vec<_> = accounts.iter().map(key).collect();
        let parts = self.partitions.group(accounts, key);
        let is_one = parts.len() == 1;
        let imports = parts.into_iter().map(|(number, accounts)| {
            let part = self.partitions.each()[number].clone();
            let import = part.write(deadline, async move |tx| {
                let changes = store::accounts::import(tx, sdk_app_id, &accounts).await?;
                append(tx, &changes).await
            });
            self.within(deadline, Error::late_write, import)
        });
        let imported = join_all(imports).await.into_iter().collect::<Result<Vec<()>, _>>();
        // Others may be imported.
        imported.map_err(|error| if is_one { error } else { error.after_commit() })?;
        self.copy_directory_of(&keys, deadline).await.map_err(Error::after_commit)?;
        self.shared.waiting.tell_directory(sdk_app_id);
        Ok(())
    }

    /// Deletes accounts and all state of their users, in one transaction for each partition. Returns one result per user, in
    /// order.
    pub async fn delete_accounts(
        &self,
        app: &Arc<App>,
        users: Vec<UserId>,
        arrival: Arrival,
    ) -> Result<Vec<Result<(), Error>>, Error> {
        let (sdk_app_id, deadline) = (app.sdk_app_id, arrival.deadline);
        let key = |user_id: &UserId| UserKey { sdk_app_id, user_id: user_id.clone() };
        let keys: Vec<_> = users.iter().map(key).collect();
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
        let outcomes = self.write_together(writes, deadline).await?;
        if self.partitions.is_divided() {
            self.copy_directory_of(&keys, deadline).await.map_err(Error::after_commit)?;
            self.shared.waiting.tell_directory(sdk_app_id);
        }
        Ok(outcomes.into_iter().map(|outcome| outcome.map(drop)).collect())
    }

    pub async fn check_accounts(
        &self,
        app: &Arc<App>,
        users: Vec<UserId>,
        deadline: Deadline,
    ) -> Result<Vec<AccountState>, Error> {
        let sdk_app_id = app.sdk_app_id;
        let mut states = vec![AccountState::NotImported; users.len()];
        let key = |(_, user_id): &(usize, UserId)| UserKey { sdk_app_id, user_id: user_id.clone() };
        let parts = self.partitions.group(users.into_iter().enumerate(), key);
        let reads = parts.into_iter().map(|(number, users)| {
            let part = self.partitions.each()[number].clone();
            let read = part.read(deadline, async move |reader| {
                let (nrs, users): (Vec<_>, Vec<_>) = users.into_iter().unzip();
                let exist = store::accounts::exist(reader, sdk_app_id, &users).await?;
                Ok(nrs.into_iter().zip(exist).collect::<Vec<_>>())
            });
            self.within(deadline, Error::late_read, read)
        });
        for (nr, has_account) in try_join_all(reads).await?.into_iter().flatten() {
            if has_account {
                states[nr] = AccountState::Imported;
            }
        }
        Ok(states)
    }
}
