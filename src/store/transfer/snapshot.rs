//! One moment of the database, from which a whole app is read page by page.

use std::time::Duration;

use super::STATEMENT_TIME;
use crate::domain::{ChatGroup, ChatGroupId, Conversation, Refusal, SdkAppId, StoredUser};
use crate::error::Error;
use crate::store::convert::{corrupt, number};
use crate::store::{Connection, Tx};

/// The settings of the transaction, in the place of those of a session, which a pooler may not keep. A reader of the file who
/// stops for ten minutes ends the transaction: it keeps PostgreSQL from removing old row versions.
const BEGIN: &str = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL statement_timeout = '55s'; SET LOCAL idle_in_transaction_session_timeout = '10min'; \
    SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL jit = off";

/// The settings to count, and those of the pages after it.
const COUNT: &str = "SET LOCAL statement_timeout = '10min'; SET LOCAL enable_seqscan = on";
const PAGE: &str = "SET LOCAL statement_timeout = '55s'; SET LOCAL enable_seqscan = off";

/// To count an app of many millions of users takes longer than a page.
const COUNT_TIME: Duration = Duration::from_mins(10);

/// How many users, accounts or chat groups a page has at most.
const PAGE_ROWS: i64 = 1000;

/// How many conversations a page has at most, if it is of more than one user.
const PAGE_CONVERSATIONS: i64 = 5000;

/// What a snapshot of an app holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AppCounts {
    pub directory_revision: u64,
    /// Members of the directory that have left, and those that came back.
    pub gone: u64,
    pub chat_groups: u64,
    /// Users with an account, with state, or both.
    pub users: u64,
    pub conversations: u64,
}

impl AppCounts {
    /// Of two schemas together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            directory_revision: self.directory_revision.max(other.directory_revision),
            gone: self.gone + other.gone,
            chat_groups: self.chat_groups + other.chat_groups,
            users: self.users + other.users,
            conversations: self.conversations + other.conversations,
        }
    }
}

/// A member of the directory that has left or come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoneMember {
    pub member: Conversation,
    pub is_gone: bool,
    /// The app's when it left or came back.
    pub directory_revision: u64,
}

/// A transaction that reads one app.
pub struct Snapshot<'c> {
    tx: Tx<'c>,
    sdk_app_id: SdkAppId,
}

impl<'c> Snapshot<'c> {
    pub async fn begin(
        connection: &'c mut Connection,
        sdk_app_id: SdkAppId,
    ) -> Result<Self, Error> {
        let mut tx = connection.begin_plain().await?;
        tx.extend(STATEMENT_TIME);
        sqlx::raw_sql(BEGIN).execute(tx.session()).await?;
        Ok(Self { tx, sdk_app_id })
    }

    pub async fn end(self) -> Result<(), Error> {
        self.tx.rollback().await
    }

    pub async fn counts(&mut self) -> Result<AppCounts, Error> {
        self.tx.extend(COUNT_TIME);
        sqlx::raw_sql(COUNT).execute(self.tx.session()).await?;
        let row = sqlx::query!(
            r#"
            SELECT
                directory_revision,
                (SELECT count(*) FROM gone WHERE sdk_app_id = $1 AND source_revision IS NULL) AS "gone!",
                (SELECT count(*) FROM chat_groups WHERE sdk_app_id = $1) AS "chat_groups!",
                (
                    SELECT count(*) FROM (
                        SELECT user_id FROM users WHERE sdk_app_id = $1
                        UNION SELECT user_id FROM accounts WHERE sdk_app_id = $1
                    ) AS known
                ) AS "users!",
                (SELECT COALESCE(sum(row_count), 0)::bigint FROM users WHERE sdk_app_id = $1) AS "conversations!"
            FROM apps WHERE sdk_app_id = $1
            "#,
            self.sdk_app_id.number(),
        )
        .fetch_optional(self.tx.session())
        .await?;
        let row = row.ok_or(Refusal::UnknownApp)?;
        sqlx::raw_sql(PAGE).execute(self.tx.session()).await?;
        Ok(AppCounts {
            directory_revision: number("apps.directory_revision", row.directory_revision)?,
            gone: number("gone, counted", row.gone)?,
            chat_groups: number("chat_groups, counted", row.chat_groups)?,
            users: number("users, counted", row.users)?,
            conversations: number("users.row_count, summed", row.conversations)?,
        })
    }

    pub async fn directory_revision(&mut self) -> Result<u64, Error> {
        let revision = sqlx::query_scalar!(
            "SELECT directory_revision FROM apps WHERE sdk_app_id = $1",
            self.sdk_app_id.number(),
        );
        number("apps.directory_revision", revision.fetch_one(self.tx.session()).await?)
    }

    /// The next members that have left or come back, in that order, without copies from other schemas. Those of one directory revision are ordered by kind and id.
    pub async fn gone(&mut self, after: Option<&GoneMember>) -> Result<Vec<GoneMember>, Error> {
        self.tx.extend(STATEMENT_TIME);
        let directory_revision = after.map_or(0, |last| last.directory_revision);
        let rows = sqlx::query!(
            "SELECT kind, id, is_gone, directory_revision FROM gone
            WHERE sdk_app_id = $1 AND (directory_revision, kind, id) > ($2, $3, $4) AND source_revision IS NULL
            ORDER BY directory_revision, kind, id LIMIT $5",
            self.sdk_app_id.number(),
            number::<_, i64>("gone.directory_revision", directory_revision)?,
            after.map_or(0, |last| last.member.kind()),
            after.map_or("", |last| last.member.peer_id()),
            PAGE_ROWS,
        )
        .fetch_all(self.tx.session())
        .await?;
        let member = |(kind, id, is_gone, revision): (i16, String, bool, i64)| {
            Ok(GoneMember {
                member: Conversation::stored(kind, id).map_err(|it| corrupt("gone.id", it))?,
                is_gone,
                directory_revision: number("gone.directory_revision", revision)?,
            })
        };
        let rows = rows.into_iter();
        rows.map(|row| member((row.kind, row.id, row.is_gone, row.directory_revision))).collect()
    }

    /// The next chat groups, by id.
    pub async fn chat_groups(&mut self, after: Option<&str>) -> Result<Vec<ChatGroup>, Error> {
        self.tx.extend(STATEMENT_TIME);
        let rows = sqlx::query!(
            "SELECT group_id, group_type, name FROM chat_groups
            WHERE sdk_app_id = $1 AND group_id > $2 ORDER BY group_id LIMIT $3",
            self.sdk_app_id.number(),
            after.unwrap_or_default(),
            PAGE_ROWS,
        )
        .fetch_all(self.tx.session())
        .await?;
        let group = |(id, group_type, name): (String, String, String)| {
            Ok(ChatGroup {
                id: ChatGroupId::parse(id, u32::MAX)
                    .map_err(|problem| corrupt("chat_groups.group_id", problem))?,
                group_type: group_type
                    .parse()
                    .map_err(|problem| corrupt("chat_groups.group_type", problem))?,
                name,
            })
        };
        rows.into_iter().map(|row| group((row.group_id, row.group_type, row.name))).collect()
    }

    /// The next users, by id. A page ends before it has too many conversations for the memory.
    pub async fn users(&mut self, after: Option<&str>) -> Result<Vec<StoredUser>, Error> {
        self.tx.extend(STATEMENT_TIME);
        let found = sqlx::query!(
            r#"
            SELECT found.user_id AS "user_id!", COALESCE(u.row_count, 0) AS "row_count!"
            FROM (
                (SELECT user_id FROM users WHERE sdk_app_id = $1 AND user_id > $2 ORDER BY user_id LIMIT $3)
                UNION
                (SELECT user_id FROM accounts WHERE sdk_app_id = $1 AND user_id > $2 ORDER BY user_id LIMIT $3)
            ) found
            LEFT JOIN users u ON u.sdk_app_id = $1 AND u.user_id = found.user_id
            ORDER BY found.user_id LIMIT $3
            "#,
            self.sdk_app_id.number(),
            after.unwrap_or_default(),
            PAGE_ROWS,
        )
        .fetch_all(self.tx.session())
        .await?;
        let mut conversations = 0;
        let fits = |row_count: i32| {
            let is_first = conversations == 0;
            conversations += i64::from(row_count) + 1;
            is_first || conversations <= PAGE_CONVERSATIONS
        };
        let counts: Vec<_> = found.iter().map(|row| row.row_count).collect();
        let length = counts.into_iter().map(fits).take_while(|fits| *fits).count();
        let ids: Vec<&str> = found[..length].iter().map(|row| row.user_id.as_str()).collect();
        super::load(&mut self.tx, self.sdk_app_id, &ids).await
    }

    /// One user, or nothing if there is neither an account nor state.
    pub async fn user(&mut self, user_id: &str) -> Result<Option<StoredUser>, Error> {
        self.tx.extend(STATEMENT_TIME);
        let user = super::load(&mut self.tx, self.sdk_app_id, &[user_id]).await?.pop();
        Ok(user.filter(|user| user.account.is_some() || user.numbers.revision > 0))
    }

    /// Whether this account has left or come back.
    pub async fn gone_account(&mut self, user_id: &str) -> Result<Option<GoneMember>, Error> {
        self.tx.extend(STATEMENT_TIME);
        let row = sqlx::query!(
            "SELECT is_gone, directory_revision FROM gone WHERE sdk_app_id = $1 AND kind = 1 AND id = $2",
            self.sdk_app_id.number(),
            user_id,
        )
        .fetch_optional(self.tx.session())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(GoneMember {
            member: Conversation::stored(1, user_id).map_err(|it| corrupt("gone.id", it))?,
            is_gone: row.is_gone,
            directory_revision: number("gone.directory_revision", row.directory_revision)?,
        }))
    }
}
