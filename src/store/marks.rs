//! The fast path of marks: one statement for a batch, `sql/mark.sql`, which is a transaction of its own.
//!
//! It takes the users of a batch in the order of their keys (`asked`), one row for each conversation to change (`item`), and
//! answers which users are done. Of a user, all changes happen or none. A user who is not done takes the locking path: a row
//! is not there or holds no place, the owner or another end does not exist, or more places are held than the limit allows.
//!
//! `found` and `ready` see rows as they were when the statement began. Other writers may change them before `locked` gets
//! the user's lock. PostgreSQL then reads the newest version of each row that it updates, so bits are computed from that one
//! and nothing is lost. A user's rows come only if `next_position` grows, and go only if `forgotten_revision` grows.
//! `locked` compares both, so the rows are still those that `ready` saw. Who owns them cannot have changed either: to delete
//! an account raises `forgotten_revision`.
//!
//! A user whose marks change nothing is done without a lock, as of the moment when the statement began.
//!
//! Look-ups are scalar subqueries, as PostgreSQL may plan EXISTS as a hash of the whole table.

use std::io::ErrorKind;

use super::connection::Connection;
use super::session::Session;
use crate::domain::{App, CombinedMark, Conversation, CustomMark, Directory, SdkAppId, UserId};
use crate::error::Error;

/// A user whose conversations are marked.
#[derive(Debug, Clone, Copy)]
pub struct MarkUser<'a> {
    /// The user's app, by whose rules the marks are checked.
    pub app: &'a App,
    /// The user.
    pub user_id: &'a UserId,
}

/// What a batch does to one conversation.
#[derive(Debug, Clone, Copy)]
pub struct MarkRow<'a> {
    /// Index of the conversation's user among those of the batch.
    pub user: usize,
    /// The conversation.
    pub conversation: &'a Conversation,
    /// The change.
    pub mark: CombinedMark<'a>,
    /// Unix seconds of the change.
    pub now: u64,
}

impl Connection {
    /// Marks conversations, durably, and says of each user whether it is done. Of those who are not, nothing has happened:
    /// they take the locking path. `users` are in the order of their keys, so that writers do not wait in a circle.
    pub async fn mark(
        &mut self,
        users: &[MarkUser<'_>],
        rows: &[MarkRow<'_>],
    ) -> Result<Vec<bool>, Error> {
        let numbers = if self.keeps_statements() {
            // The answer is complete when the server is ready for the next statement, and that is after the commit.
            self.session().mark(users, rows).await.map_err(|error| {
                if is_refusal(&error) { error.into() } else { Error::InDoubt(Some(error.into())) }
            })?
        } else {
            let mut tx = self.begin().await?;
            let marked = tx.session().mark(users, rows).await;
            let numbers = marked?;
            tx.commit().await?;
            numbers
        };
        let mut done = vec![false; users.len()];
        for number in numbers {
            let index = usize::try_from(number - 1).ok();
            match index.and_then(|index| done.get_mut(index)) {
                Some(user) => *user = true,
                None => {
                    return Err(Error::InDoubt(Some(anyhow::Error::msg("mark.sql: no such user"))));
                }
            }
        }
        Ok(done)
    }
}

impl Session<'_> {
    /// Answers the numbers of the users who are done, from 1.
    async fn mark(
        self,
        users: &[MarkUser<'_>],
        rows: &[MarkRow<'_>],
    ) -> Result<Vec<i32>, sqlx::Error> {
        let of_users = Users::of(users);
        let of_rows = Rows::of(users, rows);
        sqlx::query_file_scalar!(
            "src/store/sql/mark.sql",
            &of_users.sdk_app_ids,
            &of_users.user_ids as &[&str],
            &of_users.must_be_imported,
            &of_users.marked_max,
            &of_rows.user_nrs,
            &of_rows.sdk_app_ids,
            &of_rows.user_ids as &[&str],
            &of_rows.kinds,
            &of_rows.peer_ids as &[&str],
            &of_rows.must_exist,
            &of_rows.set_bits,
            &of_rows.clear_bits,
            &of_rows.custom_marks as &[Option<&str>],
            &of_rows.changes_anyway,
            &of_rows.now,
        )
        .fetch_one(self)
        .await
    }
}

/// Nothing has happened: the server says so, or has not received the whole statement. A server that shuts down may say so
/// after the commit.
fn is_refusal(error: &sqlx::Error) -> bool {
    // Only a write fails so. What commits the statement is the last message of it.
    if matches!(error, sqlx::Error::Io(error) if error.kind() == ErrorKind::BrokenPipe) {
        return true;
    }
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|state| !state.starts_with("57P") && !state.starts_with("08"))
}

/// Users, one array per column of `asked` in mark.sql.
struct Users<'a> {
    sdk_app_ids: Vec<i64>,
    user_ids: Vec<&'a str>,
    must_be_imported: Vec<bool>,
    marked_max: Vec<i32>,
}

impl<'a> Users<'a> {
    fn of(users: &[MarkUser<'a>]) -> Self {
        let app_ids = users.iter().map(|user| user.app.sdk_app_id);
        let most = |limit| i32::try_from(limit).unwrap_or(i32::MAX);
        Self {
            sdk_app_ids: app_ids.map(SdkAppId::number).collect(),
            user_ids: users.iter().map(|user| user.user_id.as_str()).collect(),
            must_be_imported: users.iter().map(|u| !u.app.directory.takes_anyone()).collect(),
            marked_max: users.iter().map(|user| most(user.app.limits.marked)).collect(),
        }
    }
}

/// Conversations, one array per column of `item` in mark.sql.
#[derive(Default)]
struct Rows<'a> {
    user_nrs: Vec<i32>,
    sdk_app_ids: Vec<i64>,
    user_ids: Vec<&'a str>,
    kinds: Vec<i16>,
    peer_ids: Vec<&'a str>,
    must_exist: Vec<bool>,
    set_bits: Vec<i64>,
    clear_bits: Vec<i64>,
    custom_marks: Vec<Option<&'a str>>,
    changes_anyway: Vec<bool>,
    now: Vec<i64>,
}

impl<'a> Rows<'a> {
    fn of(users: &[MarkUser<'a>], rows: &[MarkRow<'a>]) -> Self {
        let mut columns = Self::default();
        for row in rows {
            let MarkUser { app, user_id } = users[row.user];
            columns.user_nrs.push(i32::try_from(row.user + 1).unwrap_or(i32::MAX));
            columns.sdk_app_ids.push(app.sdk_app_id.number());
            columns.user_ids.push(user_id.as_str());
            columns.kinds.push(row.conversation.kind());
            columns.peer_ids.push(row.conversation.peer_id());
            columns.must_exist.push(app.directory == Directory::Strict);
            columns.set_bits.push(row.mark.bits.set.bits().cast_signed());
            columns.clear_bits.push(row.mark.bits.clear.bits().cast_signed());
            columns.custom_marks.push(row.mark.custom.map(CustomMark::as_str));
            columns.changes_anyway.push(row.mark.changes_anyway);
            columns.now.push(row.now.cast_signed());
        }
        columns
    }
}
