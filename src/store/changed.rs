//! Which of many users have something new, for clients that wait for changes. Each function is one statement.

use std::collections::BTreeMap;

use super::Reader;
use super::convert::{corrupt, number};
use super::unnest::unnest;
use crate::domain::{Conversation, SdkAppId, UserId, UserKey};
use crate::error::Error;

/// The users, by index, whose revision is beyond the one given, each with its revision.
pub async fn users(
    reader: &mut Reader<'_>,
    known: &[(&UserKey, u64)],
) -> Result<Vec<(usize, u64)>, Error> {
    let rows = unnest!(
        query_file!("src/store/sql/changed_users.sql"),
        for (key, revision) in known => {
            sdk_app_id: i64 = key.sdk_app_id.number(),
            user_id: &str = key.user_id.as_str(),
            revision: i64 = number("users.revision", *revision)?,
        }
    )
    .fetch_all(reader.session())
    .await?;
    let row = |(nr, revision)| Ok((index(nr)?, number("users.revision", revision)?));
    rows.into_iter().map(|row| (row.nr, row.revision)).map(row).collect()
}

/// What the cursors of an app's users are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppMoment {
    /// The sum of the epochs of the database and of the app.
    pub epoch: u64,
    pub directory_revision: u64,
}

/// The moments of those of these apps that exist.
pub async fn apps(
    reader: &mut Reader<'_>,
    apps: &[SdkAppId],
) -> Result<BTreeMap<SdkAppId, AppMoment>, Error> {
    let apps: Vec<i64> = apps.iter().map(|app| app.number()).collect();
    let rows = sqlx::query!(
        r#"
        SELECT a.sdk_app_id, a.directory_revision, e.epoch + a.epoch AS "epoch!"
        FROM database_epoch e JOIN apps a ON a.sdk_app_id = ANY ($1)
        WHERE e.is_only_row
        "#,
        &apps,
    )
    .fetch_all(reader.session())
    .await?;
    let moments = rows.into_iter().map(|row| {
        let app =
            SdkAppId::new(row.sdk_app_id).map_err(|problem| corrupt("apps.sdk_app_id", problem))?;
        let epoch = number("database_epoch.epoch", row.epoch)?;
        let directory_revision = number("apps.directory_revision", row.directory_revision)?;
        Ok((app, AppMoment { epoch, directory_revision }))
    });
    moments.collect()
}

/// The conversations whose other ends have left the directory of an app, or come back, since this directory revision. At most
/// `limit`.
pub async fn gone_or_back(
    reader: &mut Reader<'_>,
    sdk_app_id: SdkAppId,
    since: u64,
    limit: u32,
) -> Result<Vec<Conversation>, Error> {
    let rows = sqlx::query!(
        "SELECT kind, id FROM gone WHERE sdk_app_id = $1 AND directory_revision > $2
        ORDER BY directory_revision LIMIT $3",
        sdk_app_id.number(),
        number::<_, i64>("gone.directory_revision", since)?,
        i64::from(limit),
    )
    .fetch_all(reader.session())
    .await?;
    let conversation = |(kind, id): (i16, String)| {
        Conversation::stored(kind, id).map_err(|it| corrupt("gone.id", it))
    };
    rows.into_iter().map(|row| (row.kind, row.id)).map(conversation).collect()
}

/// The users of an app, by index, who have a row for one of these conversations. Looks up each pair.
pub async fn users_with(
    reader: &mut Reader<'_>,
    sdk_app_id: SdkAppId,
    users: &[&UserId],
    conversations: &[Conversation],
) -> Result<Vec<usize>, Error> {
    let found = unnest!(
        query_scalar!(
            r#"
            SELECT u.nr AS "nr!"
            FROM unnest($1::text[]) WITH ORDINALITY AS u (user_id, nr)
            CROSS JOIN unnest($2::smallint[], $3::text[]) AS t (kind, peer_id)
            JOIN conversations c
                ON c.sdk_app_id = $4 AND c.user_id = u.user_id AND c.kind = t.kind AND c.peer_id = t.peer_id
            GROUP BY u.nr
            "#
        ),
        for user in users => {
            user_id: &str = user.as_str(),
        }
        for conversation in conversations => {
            kind: i16 = conversation.kind(),
            peer_id: &str = conversation.peer_id(),
        };
        sdk_app_id.number()
    )
    .fetch_all(reader.session())
    .await?;
    found.into_iter().map(index).collect()
}

/// The index of a row by its ordinality, which starts at 1.
fn index(nr: i64) -> Result<usize, Error> {
    number("unnest, nr", nr - 1)
}
