//! A user who is erased, and the users who have a conversation with that user.

use std::collections::BTreeMap;

use crate::domain::{Conversation, SdkAppId, UserId, UserKey, UserState};
use crate::error::Error;
use crate::store::convert::{check_row_count, corrupt};
use crate::store::unnest::unnest;
use crate::store::{Reader, Tx};

/// The next users of an app, in the order of their ids, and those of them who have a row for a conversation.
#[derive(Debug)]
pub struct Step {
    /// `None` if there is no further user.
    pub last: Option<UserId>,
    pub found: Vec<UserKey>,
}

/// Looks at the next `limit` users after `after`, by the key of each: there is no index by the other end of a conversation, since
/// each write would pay for it.
pub async fn find(
    reader: &mut Reader<'_>,
    sdk_app_id: SdkAppId,
    conversation: &Conversation,
    after: Option<&UserId>,
    limit: u32,
) -> Result<Step, Error> {
    let row = sqlx::query_file!(
        "src/store/sql/find_lists.sql",
        sdk_app_id.number(),
        conversation.kind(),
        conversation.peer_id(),
        after.map_or("", UserId::as_str),
        i64::from(limit),
    )
    .fetch_one(reader.session())
    .await?;
    let user_id = |id: String| {
        UserId::parse(id, u32::MAX).map_err(|problem| corrupt("users.user_id", problem))
    };
    let key = |id| Ok(UserKey { sdk_app_id, user_id: user_id(id)? });
    Ok(Step {
        last: row.last.map(user_id).transpose()?,
        found: row.found.into_iter().map(key).collect::<Result<_, Error>>()?,
    })
}

/// Deletes the rows of a conversation of these locked users, who all have one.
pub async fn delete_rows(
    tx: &mut Tx<'_>,
    users: &BTreeMap<UserKey, UserState>,
    conversation: &Conversation,
) -> Result<(), Error> {
    let deleted = unnest!(
        query!(
            "
            DELETE FROM conversations c
            USING unnest($1::bigint[], $2::text[]) AS t (sdk_app_id, user_id)
            WHERE c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id AND c.kind = $3 AND c.peer_id = $4
            "
        ),
        for key in users.keys() => {
            sdk_app_id: i64 = key.sdk_app_id.number(),
            user_id: &str = key.user_id.as_str(),
        };
        conversation.kind(),
        conversation.peer_id()
    )
    .execute(tx.session())
    .await?;
    check_row_count("conversations", deleted.rows_affected(), users.len())
}

/// The transactions that have locked users, or may have, and are not over yet. Each holds this lock on the table until it ends.
pub async fn writers(reader: &mut Reader<'_>) -> Result<Vec<String>, Error> {
    let transactions = sqlx::query_scalar!(
        r#"
        SELECT virtualtransaction AS "transaction!" FROM pg_locks
        WHERE locktype = 'relation' AND relation = to_regclass('users')
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND mode IN ('RowShareLock', 'RowExclusiveLock') AND granted AND pid IS DISTINCT FROM pg_backend_pid()
        "#,
    )
    .fetch_all(reader.session())
    .await?;
    Ok(transactions)
}
