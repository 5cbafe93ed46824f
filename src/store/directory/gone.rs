//! Deleted accounts and destroyed chat groups. Each deletion or return raises the app's directory revision by one.

use crate::domain::{Conversation, Presence, Refusal, SdkAppId};
use crate::error::Error;
use crate::store::Tx;
use crate::store::convert::number;
use crate::store::feed::DirectoryChange;
use crate::store::unnest::unnest;

/// The kind of an account in `gone` and `conversations`.
pub(super) const ACCOUNT: i16 = 1;
/// The kind of a chat group in `gone` and `conversations`.
pub(super) const CHAT_GROUP: i16 = 2;

/// Converts the `gone` columns of statements: TRUE is gone, FALSE is in the directory, NULL is neither.
pub(in crate::store) fn presence(is_gone: Option<bool>) -> Presence {
    match is_gone {
        None => Presence::Unknown,
        Some(false) => Presence::Present,
        Some(true) => Presence::Gone,
    }
}

/// Records that accounts or chat groups of an app are gone. This locks the app's row until the commit, so that directory
/// revisions become visible in order. Only [`users::save`](crate::store::users::save) may follow, which appends the changes to
/// the feed.
pub(super) async fn add(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    kind: i16,
    ids: &[&str],
) -> Result<Vec<DirectoryChange>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let directory_revision = raise_directory_revision(tx, sdk_app_id, 0).await?;
    sqlx::query!(
        r#"
        INSERT INTO gone (sdk_app_id, kind, id, is_gone, directory_revision)
        SELECT $1, $2, id, TRUE, $4 FROM unnest($3::text[]) AS t (id) ORDER BY id COLLATE "C"
        ON CONFLICT (sdk_app_id, kind, id) DO UPDATE SET is_gone = TRUE, directory_revision = excluded.directory_revision
        "#,
        sdk_app_id.number(),
        kind,
        ids as &[&str],
        directory_revision,
    )
    .execute(tx.session())
    .await?;
    let change = |id: &&str| DirectoryChange {
        sdk_app_id: sdk_app_id.number(),
        kind,
        id: (*id).to_owned(),
        is_gone: true,
        directory_revision,
    };
    Ok(ids.iter().map(change).collect())
}

/// Records that accounts or chat groups of an app exist. Those that were never gone have no row and need none.
pub(super) async fn remove(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    kind: i16,
    ids: &[&str],
) -> Result<Vec<DirectoryChange>, Error> {
    let gone = sqlx::query_scalar!(
        "SELECT id FROM gone WHERE sdk_app_id = $1 AND kind = $2 AND id = ANY ($3) AND is_gone",
        sdk_app_id.number(),
        kind,
        ids as &[&str],
    )
    .fetch_all(tx.session())
    .await?;
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let directory_revision = raise_directory_revision(tx, sdk_app_id, 0).await?;
    sqlx::query!(
        r#"
        UPDATE gone SET is_gone = FALSE, directory_revision = $4
        WHERE sdk_app_id = $1 AND kind = $2 AND id = ANY ($3) AND is_gone
        "#,
        sdk_app_id.number(),
        kind,
        &gone,
        directory_revision,
    )
    .execute(tx.session())
    .await?;
    let change = |id| DirectoryChange {
        sdk_app_id: sdk_app_id.number(),
        kind,
        id,
        is_gone: false,
        directory_revision,
    };
    Ok(gone.into_iter().map(change).collect())
}

/// Records for each of these members whether it is gone, also for one that was never gone. The new directory revision is at
/// least `least`.
pub(in crate::store) async fn set(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    members: &[(&Conversation, bool)],
    least: u64,
) -> Result<Vec<DirectoryChange>, Error> {
    let directory_revision = raise_directory_revision(tx, sdk_app_id, least).await?;
    unnest!(
        query!(
            "
            INSERT INTO gone (sdk_app_id, kind, id, is_gone, directory_revision)
            SELECT $4, kind, id, is_gone, $5
            FROM unnest($1::smallint[], $2::text[], $3::boolean[]) AS t (kind, id, is_gone)
            ON CONFLICT (sdk_app_id, kind, id) DO UPDATE
                SET is_gone = excluded.is_gone, directory_revision = excluded.directory_revision
            "
        ),
        for (member, is_gone) in members => {
            kind: i16 = member.kind(),
            id: &str = member.peer_id(),
            is_gone: bool = *is_gone,
        };
        sdk_app_id.number(),
        directory_revision
    )
    .execute(tx.session())
    .await?;
    let change = |(member, is_gone): &(&Conversation, bool)| DirectoryChange {
        sdk_app_id: sdk_app_id.number(),
        kind: member.kind(),
        id: member.peer_id().to_owned(),
        is_gone: *is_gone,
        directory_revision,
    };
    Ok(members.iter().map(change).collect())
}

/// Raises the directory revision by one, or to `least` if that is higher.
async fn raise_directory_revision(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    least: u64,
) -> Result<i64, Error> {
    let revision = sqlx::query_scalar!(
        "UPDATE apps SET directory_revision = GREATEST(directory_revision + 1, $2) WHERE sdk_app_id = $1
        RETURNING directory_revision",
        sdk_app_id.number(),
        number::<_, i64>("apps.directory_revision", least)?,
    )
    .fetch_optional(tx.session())
    .await?;
    // The app may have been deleted meanwhile.
    Ok(revision.ok_or(Refusal::UnknownApp)?)
}
