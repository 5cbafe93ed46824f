//! The fast path of marks: one statement for a batch, `sql/mark.sql`, which is a transaction of its own.
//!
//! `asked` holds the users of a batch in the order of their keys, `item` the conversations to change. The statement returns
//! the users who are done. For each user, all changes happen or none. A user who is not done takes the locking path: a row is
//! missing or holds no place, the owner or another end does not exist, or more places are held than the limit allows.
//!
//! `found` and `ready` see rows as they were when the statement began. Other writers may change them before `locked` gets
//! the user's lock. PostgreSQL then reads the newest version of each row that it updates, so bits are computed from that
//! version and no change is lost. Rows are added only if `next_position` grows, and removed only if `forgotten_revision`
//! grows. `locked` compares both, so the rows are still those that `ready` saw. The owner still exists as well: deleting an
//! account raises `forgotten_revision`.
//!
//! A user whose marks change nothing is done without a lock, as of the moment when the statement began.
//!
//! `sql/mark_on_citus.sql` is the same statement without the feed.
//!
//! Look-ups are scalar subqueries, because PostgreSQL may plan EXISTS as a hash of the whole table.

use std::io::ErrorKind;

use crate::domain::{App, CombinedMark, Conversation, CustomMark, UserId};
use crate::error::Error;
use crate::store::Connection;
use crate::store::convert::number;
use crate::store::unnest::unnest;

/// A user whose conversations are marked.
#[derive(Debug, Clone, Copy)]
pub struct MarkUser<'a> {
    pub app: &'a App,
    pub user_id: &'a UserId,
    /// Writes of the batch that change this user. Each has a revision of its own.
    pub writes: u64,
}

/// A user whose marks are done.
#[derive(Debug, Clone, Copy)]
pub struct MarkedUser {
    /// After the last write of the batch.
    pub revision: u64,
    /// Whether the batch has changed anything.
    pub is_changed: bool,
}

/// The changes of a batch to one conversation.
#[derive(Debug, Clone, Copy)]
pub struct MarkRow<'a> {
    /// Index of the user in the batch.
    pub user: usize,
    pub conversation: &'a Conversation,
    pub mark: CombinedMark<'a>,
    /// The other end must be in the directory of this partition.
    pub must_exist: bool,
    /// Unix seconds of the change.
    pub now: u64,
}

struct Done {
    nrs: Vec<i64>,
    revisions: Vec<i64>,
    are_changed: Vec<bool>,
}

/// Marks conversations, durably, and returns the users for whom that is done. Nothing has happened for the others (`None`),
/// who take the locking path. `users` are sorted by key, so that writers do not wait for each other in a circle.
pub async fn update(
    connection: &mut Connection,
    users: &[MarkUser<'_>],
    rows: &[MarkRow<'_>],
) -> Result<Vec<Option<MarkedUser>>, Error> {
    // sqlx gives each statement a type of its own.
    macro_rules! marks {
        ($file:tt) => {
            unnest!(
                query_file_as!(Done, $file),
                for user in users => {
                    sdk_app_id: i64 = user.app.sdk_app_id.number(),
                    user_id: &str = user.user_id.as_str(),
                    must_be_imported: bool = !user.app.directory.takes_anyone(),
                    marked_max: i32 = number("apps.marked_max", user.app.limits.marked)?,
                    writes: i64 = number("users.revision", user.writes)?,
                }
                for row in rows => {
                    user_nr: i32 = number("mark.sql, user_nr", row.user + 1)?,
                    sdk_app_id: i64 = users[row.user].app.sdk_app_id.number(),
                    user_id: &str = users[row.user].user_id.as_str(),
                    kind: i16 = row.conversation.kind(),
                    peer_id: &str = row.conversation.peer_id(),
                    must_exist: bool = row.must_exist,
                    set_bits: i64 = row.mark.bits.set.bits().cast_signed(),
                    clear_bits: i64 = row.mark.bits.clear.bits().cast_signed(),
                    custom_mark: Option<&str> = row.mark.custom.map(CustomMark::as_str),
                    changes_anyway: bool = row.mark.changes_anyway,
                    now: i64 = number("conversations.changed_at", row.now)?,
                }
            )
        };
    }
    let is_on_citus = connection.is_on_citus();
    macro_rules! fetch {
        ($session:expr) => {
            if is_on_citus {
                marks!("src/store/sql/mark_on_citus.sql").fetch_one($session).await
            } else {
                marks!("src/store/sql/mark.sql").fetch_one($session).await
            }
        };
    }
    let done = if connection.keeps_statements() {
        // The answer ends when the server is ready for the next statement, which is after the commit.
        fetch!(connection.committing_session()).map_err(|error| {
            if is_refusal(&error) { error.into() } else { Error::InDoubt(Some(error.into())) }
        })?
    } else {
        let mut tx = connection.begin().await?;
        let done = fetch!(tx.session())?;
        tx.commit().await?;
        done
    };
    // The marks are committed, so what the answer lacks is not known.
    let in_doubt = |error: Error| Error::InDoubt(Some(error.into()));
    let mut marked = vec![None; users.len()];
    for ((nr, revision), is_changed) in done.nrs.iter().zip(&done.revisions).zip(&done.are_changed)
    {
        let index = usize::try_from(nr - 1).ok();
        let user = index.and_then(|index| marked.get_mut(index));
        let user = user.ok_or_else(|| in_doubt(Error::internal("mark.sql: no such user")))?;
        let revision = number("users.revision", *revision).map_err(in_doubt)?;
        *user = Some(MarkedUser { revision, is_changed: *is_changed });
    }
    Ok(marked)
}

/// The statement has not happened: the server reports an error, or has not received the whole statement. A server that shuts
/// down may report an error after the commit, and so does a coordinator of Citus whose statement was cancelled after the worker
/// had committed it.
fn is_refusal(error: &sqlx::Error) -> bool {
    // A broken pipe is the error of a write. The last message of the statement commits it.
    if matches!(error, sqlx::Error::Io(error) if error.kind() == ErrorKind::BrokenPipe) {
        return true;
    }
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|state| !state.starts_with("57") && !state.starts_with("08"))
}

#[cfg(test)]
mod tests {
    /// The parts of a statement that both files have, by the beginnings of their first lines.
    #[test]
    fn the_statement_for_citus_differs_only_in_the_feed() {
        let plain = include_str!("../sql/mark.sql");
        let on_citus = include_str!("../sql/mark_on_citus.sql");
        let parts = |text: &'static str| text.split("\n)").map(|part| part.trim_start_matches(','));
        let plain: Vec<_> = parts(plain).skip(1).collect();
        let of_feed = ["\n-- After the conversations", "\nappended AS (", "\nready AS "];
        for part in &plain {
            let is_shared = parts(on_citus).any(|other| other == *part);
            assert_ne!(is_shared, of_feed.iter().any(|begin| part.starts_with(begin)), "{part}");
        }
        let shared = parts(on_citus).skip(1).filter(|part| plain.contains(part)).count();
        assert_eq!(shared, plain.len() - of_feed.len());
    }
}
