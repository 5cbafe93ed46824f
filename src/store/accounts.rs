//! The directory of users: accounts.

use super::gone::ACCOUNT;
use super::users::keys;
use super::{Reader, Tx};
use crate::domain::{SdkAppId, Standing, UserId, UserKey};
use crate::error::Error;

/// An account to be imported. What is `None` stays as it is.
#[derive(Debug, Clone)]
pub struct Account {
    /// Whose.
    pub user_id: UserId,
    /// `Nick`.
    pub nick: Option<String>,
    /// `FaceUrl`.
    pub face_url: Option<String>,
}

impl Tx<'_> {
    /// Imports accounts of distinct users. Importing again refreshes; a deleted account comes back empty.
    pub async fn import_accounts(
        &mut self,
        sdk_app_id: SdkAppId,
        accounts: &[Account],
    ) -> Result<(), Error> {
        let user_ids: Vec<_> = accounts.iter().map(|account| account.user_id.as_str()).collect();
        let nicks: Vec<_> = accounts.iter().map(|account| account.nick.as_deref()).collect();
        let face_urls: Vec<_> =
            accounts.iter().map(|account| account.face_url.as_deref()).collect();
        // Rows are locked in the order of the names, so that two callers do not wait for each other in a circle.
        sqlx::query!(
            r#"
            INSERT INTO accounts AS a (sdk_app_id, user_id)
            SELECT $1, user_id FROM unnest($2::text[]) AS t (user_id) ORDER BY user_id COLLATE "C"
            ON CONFLICT (sdk_app_id, user_id) DO UPDATE SET nick = a.nick
            "#,
            sdk_app_id.number(),
            &user_ids as &[&str],
        )
        .execute(self.session())
        .await?;
        sqlx::query!(
            r#"
            UPDATE accounts a SET nick = COALESCE(t.nick, a.nick), face_url = COALESCE(t.face_url, a.face_url)
            FROM unnest($2::text[], $3::text[], $4::text[]) AS t (user_id, nick, face_url)
            WHERE a.sdk_app_id = $1 AND a.user_id = t.user_id
            "#,
            sdk_app_id.number(),
            &user_ids as &[&str],
            &nicks as &[Option<&str>],
            &face_urls as &[Option<&str>],
        )
        .execute(self.session())
        .await?;
        self.note_back(sdk_app_id, ACCOUNT, &user_ids).await
    }

    /// Deletes accounts with everything that is kept for them but the users' own rows, which go on counting. The users are
    /// locked, and in the order of their keys.
    pub async fn delete_accounts(&mut self, users: &[&UserKey]) -> Result<(), Error> {
        let (sdk_app_ids, user_ids) = keys(users.iter().copied());
        sqlx::query!(
            r#"
            DELETE FROM conversations c
            USING unnest($1::bigint[], $2::text[]) AS t (sdk_app_id, user_id)
            WHERE c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
        )
        .execute(self.session())
        .await?;
        sqlx::query!(
            r#"
            DELETE FROM contact_groups g
            USING unnest($1::bigint[], $2::text[]) AS t (sdk_app_id, user_id)
            WHERE g.sdk_app_id = t.sdk_app_id AND g.user_id = t.user_id
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
        )
        .execute(self.session())
        .await?;
        sqlx::query!(
            r#"
            DELETE FROM accounts a
            USING unnest($1::bigint[], $2::text[]) AS t (sdk_app_id, user_id)
            WHERE a.sdk_app_id = t.sdk_app_id AND a.user_id = t.user_id
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
        )
        .execute(self.session())
        .await?;
        for of_app in users.chunk_by(|a, b| a.sdk_app_id == b.sdk_app_id) {
            let ids: Vec<_> = of_app.iter().map(|key| key.user_id.as_str()).collect();
            self.note_gone(of_app[0].sdk_app_id, ACCOUNT, &ids).await?;
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// Whether each of these users has an account, in their order.
    pub async fn have_accounts(
        &mut self,
        sdk_app_id: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<bool>, Error> {
        let user_ids: Vec<_> = users.iter().map(UserId::as_str).collect();
        let rows = sqlx::query_scalar!(
            r#"
            SELECT a.user_id IS NOT NULL AS "exists!"
            FROM unnest($2::text[]) WITH ORDINALITY AS t (user_id, nr)
            LEFT JOIN accounts a ON a.sdk_app_id = $1 AND a.user_id = t.user_id
            ORDER BY nr
            "#,
            sdk_app_id.number(),
            &user_ids as &[&str],
        )
        .fetch_all(self.session())
        .await?;
        Ok(rows)
    }
}

/// The standing of an account or a chat group: gone, there, or neither.
pub(super) fn standing(gone: Option<bool>) -> Standing {
    match gone {
        None => Standing::Unknown,
        Some(false) => Standing::Alive,
        Some(true) => Standing::Dead,
    }
}
