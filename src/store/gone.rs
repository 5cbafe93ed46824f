//! Who has left the directory, and who has come back: each time, the app's directory revision grows by one.

use super::Tx;
use crate::domain::SdkAppId;
use crate::error::Error;

/// The kind of an account in `gone` and `conversations`.
pub(super) const ACCOUNT: i16 = 1;
/// The kind of a chat group there.
pub(super) const CHAT_GROUP: i16 = 2;

impl Tx<'_> {
    /// Notes that accounts or chat groups of an app have left. It locks the app's row until the commit, so that readers
    /// see directory revisions in their order. It comes last in a transaction.
    pub(super) async fn note_gone(
        &mut self,
        sdk_app_id: SdkAppId,
        kind: i16,
        ids: &[&str],
    ) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let directory_revision = self.next_directory_revision(sdk_app_id).await?;
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
        .execute(self.session())
        .await?;
        Ok(())
    }

    /// Notes that accounts or chat groups of an app are there. Of those that were never gone, there is nothing to note.
    pub(super) async fn note_back(
        &mut self,
        sdk_app_id: SdkAppId,
        kind: i16,
        ids: &[&str],
    ) -> Result<(), Error> {
        let gone = sqlx::query_scalar!(
            "SELECT id FROM gone WHERE sdk_app_id = $1 AND kind = $2 AND id = ANY ($3) AND is_gone",
            sdk_app_id.number(),
            kind,
            ids as &[&str],
        )
        .fetch_all(self.session())
        .await?;
        if gone.is_empty() {
            return Ok(());
        }
        let directory_revision = self.next_directory_revision(sdk_app_id).await?;
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
        .execute(self.session())
        .await?;
        Ok(())
    }

    async fn next_directory_revision(&mut self, sdk_app_id: SdkAppId) -> Result<i64, Error> {
        let revision = sqlx::query_scalar!(
            "UPDATE apps SET directory_revision = directory_revision + 1 WHERE sdk_app_id = $1
            RETURNING directory_revision",
            sdk_app_id.number(),
        )
        .fetch_one(self.session())
        .await?;
        Ok(revision)
    }
}
