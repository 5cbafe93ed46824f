//! The feeds of apps. What the fast path appends to them is part of its statement, `sql/mark.sql`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::convert::{corrupt, number};
use super::unnest::unnest;
use super::{Reader, Store, Tx};
use crate::deadline::Deadline;
use crate::domain::{Conversation, FeedChange, FeedPosition, FeedStart, SdkAppId, UserId};
use crate::error::Error;

/// A member of the directory that has left or come back, as it is stored.
#[derive(Debug, Clone)]
pub struct DirectoryChange {
    pub(super) sdk_app_id: i64,
    /// As in `gone`.
    pub(super) kind: i16,
    pub(super) id: String,
    pub(super) is_gone: bool,
    pub(super) directory_revision: i64,
}

/// What a read of a feed has found.
#[derive(Debug)]
pub struct FeedReading {
    /// If not, a reader may miss changes.
    pub is_on: bool,
    epoch: u64,
    /// Of the next change.
    pub next_number: u64,
    /// Changes up to this one cannot be read.
    forgotten_number: u64,
    /// Each with its number.
    changes: Vec<(u64, FeedChange)>,
}

impl FeedReading {
    /// Behind the newest change.
    #[must_use]
    pub fn newest(&self) -> FeedPosition {
        FeedPosition { epoch: self.epoch, number: self.next_number.saturating_sub(1) }
    }

    /// The changes with their numbers, and where the reader is after them. `None` if the feed no longer knows, or does not yet know, the
    /// position at which the reader began.
    #[must_use]
    pub fn after(
        self,
        start: FeedStart,
        limit: u32,
    ) -> Option<(FeedPosition, Vec<(u64, FeedChange)>)> {
        let newest = self.newest().number;
        if let FeedStart::After(FeedPosition { epoch, number }) = start
            && (epoch != self.epoch || !(self.forgotten_number..=newest).contains(&number))
        {
            return None;
        }
        let is_full = u32::try_from(self.changes.len()).is_ok_and(|length| length >= limit);
        let last = self.changes.last().map(|(number, _)| *number).filter(|_| is_full);
        let position = FeedPosition { epoch: self.epoch, number: last.unwrap_or(newest) };
        Some((position, self.changes))
    }
}

/// Reads the changes after `start`, at most `limit`, in one statement.
pub async fn read(
    reader: &mut Reader<'_>,
    sdk_app_id: SdkAppId,
    start: FeedStart,
    limit: u32,
) -> Result<FeedReading, Error> {
    let (after, limit) = match start {
        FeedStart::Now => (None, 0),
        FeedStart::Oldest => (None, limit),
        FeedStart::After(position) => (i64::try_from(position.number).ok(), limit),
    };
    let row = sqlx::query_file!(
        "src/store/sql/read_feed.sql",
        sdk_app_id.number(),
        after,
        i64::from(limit),
    )
    .fetch_one(reader.session())
    .await?;
    let columns = row.numbers.iter().zip(&row.kinds).zip(row.ids);
    let columns = columns.zip(row.are_gone).zip(row.revisions);
    let changes = columns.map(|((((nr, kind), id), is_gone), revision)| {
        let change = change(*kind, id, is_gone, number("feed.revision", revision)?)?;
        Ok((number("feed.number", *nr)?, change))
    });
    Ok(FeedReading {
        is_on: row.is_on,
        epoch: number("database_epoch.epoch", row.epoch)?,
        next_number: number("feed_head.next_number", row.next_number.unwrap_or(1))?,
        forgotten_number: number(
            "feed_head.forgotten_number",
            row.forgotten_number.unwrap_or_default(),
        )?,
        changes: changes.collect::<Result<_, Error>>()?,
    })
}

pub(super) fn change(
    kind: i16,
    id: String,
    is_gone: Option<bool>,
    revision: u64,
) -> Result<FeedChange, Error> {
    let corrupt = |problem| corrupt("feed.id", problem);
    Ok(match is_gone {
        None => {
            let user_id = UserId::parse(id, u32::MAX).map_err(corrupt)?;
            FeedChange::User { user_id, revision }
        }
        Some(is_gone) => {
            let member = Conversation::stored(kind, id).map_err(corrupt)?;
            FeedChange::Directory { member, is_gone, directory_revision: revision }
        }
    })
}

/// A change as it is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns<'c> {
    pub(super) kind: i16,
    pub(super) id: &'c str,
    pub(super) is_gone: Option<bool>,
    pub(super) revision: u64,
}

pub(super) fn columns(change: &FeedChange) -> Columns<'_> {
    match change {
        FeedChange::User { user_id, revision } => {
            Columns { kind: 0, id: user_id.as_str(), is_gone: None, revision: *revision }
        }
        FeedChange::Directory { member, is_gone, directory_revision } => Columns {
            kind: member.kind(),
            id: member.peer_id(),
            is_gone: Some(*is_gone),
            revision: *directory_revision,
        },
    }
}

/// The next number of each of these apps' feeds that was ever on.
pub async fn heads(
    reader: &mut Reader<'_>,
    apps: &[SdkAppId],
) -> Result<Vec<(SdkAppId, u64)>, Error> {
    let apps: Vec<_> = apps.iter().map(|app| app.number()).collect();
    let rows = sqlx::query!(
        "SELECT sdk_app_id, next_number FROM feed_head WHERE sdk_app_id = ANY ($1)",
        &apps,
    )
    .fetch_all(reader.session())
    .await?;
    let head = |sdk_app_id, next_number| {
        let app = SdkAppId::new(sdk_app_id)
            .map_err(|problem| corrupt("feed_head.sdk_app_id", problem))?;
        Ok((app, number("feed_head.next_number", next_number)?))
    };
    rows.into_iter().map(|row| head(row.sdk_app_id, row.next_number)).collect()
}

/// A change to append to the feed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FeedRow<'a> {
    pub(super) sdk_app_id: i64,
    pub(super) kind: i16,
    pub(super) id: &'a str,
    /// `None` for the state of a user.
    pub(super) is_gone: Option<bool>,
    pub(super) revision: i64,
}

/// Appends changes to the feeds of the apps in `heads`, which are locked, from their numbers on. The feeds of other apps are off.
pub(super) async fn append(
    tx: &mut Tx<'_>,
    mut heads: BTreeMap<i64, i64>,
    mut changes: Vec<FeedRow<'_>>,
) -> Result<(), Error> {
    changes.sort_unstable();
    let mut numbered = Vec::new();
    for change in changes {
        if let Some(next) = heads.get_mut(&change.sdk_app_id) {
            numbered.push((*next, change));
            *next += 1;
        }
    }
    unnest!(
        query_file!("src/store/sql/append_feed.sql"),
        for (nr, change) in &numbered => {
            sdk_app_id: i64 = change.sdk_app_id,
            number: i64 = *nr,
            kind: i16 = change.kind,
            id: &str = change.id,
            is_gone: Option<bool> = change.is_gone,
            revision: i64 = change.revision,
        }
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

/// Turns an app's feed on or off. The number that is left out when it is turned on makes the positions of earlier readers
/// unknown, since they have missed changes.
pub(super) async fn switch(tx: &mut Tx<'_>, sdk_app_id: SdkAppId, on: bool) -> Result<(), Error> {
    if on {
        sqlx::query!(
            r#"
            INSERT INTO feed_head AS h (sdk_app_id, on_since) VALUES ($1, clock_timestamp())
            ON CONFLICT (sdk_app_id) DO UPDATE SET
                on_since = EXCLUDED.on_since, next_number = h.next_number + 1, forgotten_number = h.next_number
            WHERE h.on_since IS NULL
            "#,
            sdk_app_id.number(),
        )
        .execute(tx.session())
        .await?;
    } else {
        sqlx::query!(
            "UPDATE feed_head SET on_since = NULL WHERE sdk_app_id = $1 AND on_since IS NOT NULL",
            sdk_app_id.number(),
        )
        .execute(tx.session())
        .await?;
    }
    Ok(())
}

/// Removes changes that are older than `age`, in whole partitions. Returns the number of partitions that it emptied.
pub async fn forget(store: &Store, age: Duration, deadline: Deadline) -> Result<usize, Error> {
    let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    let old = store.clone().read(deadline, async |reader| old_slots(reader, seconds).await).await?;
    let mut emptied = 0;
    for slot in old {
        let empty = store.clone().write(deadline, async |tx| {
            let query = sqlx::query_scalar!(
                r#"SELECT empty_feed_slot($1, now() - make_interval(secs => $2::bigint)) AS "is_emptied!""#,
                slot,
                seconds,
            );
            Ok(query.fetch_one(tx.session()).await?)
        });
        emptied += usize::from(empty.await?);
    }
    Ok(emptied)
}

async fn old_slots(reader: &mut Reader<'_>, age_s: i64) -> Result<Vec<i16>, Error> {
    let slots = sqlx::query_scalar!(
        r#"
        SELECT slot::smallint AS "slot!"
        FROM generate_series(0, 15) AS s (slot)
        WHERE feed_slot_newest(slot::smallint) < now() - make_interval(secs => $1::bigint)
        "#,
        age_s,
    )
    .fetch_all(reader.session())
    .await?;
    Ok(slots)
}
