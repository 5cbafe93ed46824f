//! Deleted accounts and destroyed chat groups. Each deletion or return raises the app's directory revision by one.

use crate::domain::{Presence, Refusal, SdkAppId};
use crate::error::Error;
use crate::store::Tx;
use crate::store::feed::DirectoryChange;

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
    let directory_revision = raise_directory_revision(tx, sdk_app_id).await?;
    sqlx::query!(
        r#"
        INSERT INTO gone (sdk_app_id, kind, id, is_gone, directory_revision)
        SELECT $1, $2, id, TRUE, $4 FROM unnest($3::text[]) AS t (id) ORDER BY id COLLATE "C"
        ON CONFLICT (sdk_app_id, kind, id) DO UPDATE SET is_gone = TRUE, directory_revision = $4
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
    let directory_revision = raise_directory_revision(tx, sdk_app_id).await?;
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

async fn raise_directory_revision(tx: &mut Tx<'_>, sdk_app_id: SdkAppId) -> Result<i64, Error> {
    let revision = sqlx::query_scalar!(
        "UPDATE apps SET directory_revision = directory_revision + 1 WHERE sdk_app_id = $1
        RETURNING directory_revision",
        sdk_app_id.number(),
    )
    .fetch_optional(tx.session())
    .await?;
    // The app may have been deleted meanwhile.
    Ok(revision.ok_or(Refusal::UnknownApp)?)
}
