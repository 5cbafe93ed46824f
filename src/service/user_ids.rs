//! Users by how their ids begin.

use futures_util::future::try_join_all;

use super::Service;
use crate::deadline::Deadline;
use crate::domain::{SdkAppId, UserId};
use crate::error::Error;
use crate::store::user_ids;

/// Users in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserIds {
    pub users: Vec<UserId>,
    /// The last of them, if there are more.
    pub next: Option<UserId>,
}

impl Service {
    /// The next `limit` users of an app after `after` whose ids begin with `prefix`: with state, imported, or both.
    pub async fn user_ids(
        &self,
        sdk_app_id: SdkAppId,
        prefix: String,
        after: Option<UserId>,
        limit: u32,
        deadline: Deadline,
    ) -> Result<UserIds, Error> {
        let partitions = self.partitions.clone();
        let load = async move {
            let (prefix, after) = (prefix.as_str(), after.as_ref());
            // Any partition may have all of them, and one more says whether there are more.
            let reads = partitions.each().iter().map(|part| {
                part.clone().read(deadline, async move |reader| {
                    user_ids::load(reader, sdk_app_id, prefix, after, limit + 1).await
                })
            });
            let mut users = try_join_all(reads).await?.concat();
            users.sort();
            let at_most = usize::try_from(limit).unwrap_or(usize::MAX);
            let is_more = users.len() > at_most;
            users.truncate(at_most);
            let next = users.last().filter(|_| is_more).cloned();
            Ok(UserIds { users, next })
        };
        self.within(deadline, Error::late_read, load).await
    }
}
