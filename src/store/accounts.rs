//! The directory of users: accounts.

use super::{Reader, Tx};
use crate::domain::{SdkAppId, Standing, UserId};
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
    /// Imports accounts of distinct users. Importing again refreshes; a deleted account comes back with nothing of the
    /// old one.
    pub async fn import_accounts(
        &mut self,
        sdk_app_id: SdkAppId,
        accounts: &[Account],
    ) -> Result<(), Error> {
        let user_ids: Vec<_> = accounts.iter().map(|account| account.user_id.as_str()).collect();
        let nicks: Vec<_> = accounts.iter().map(|account| account.nick.as_deref()).collect();
        let face_urls: Vec<_> =
            accounts.iter().map(|account| account.face_url.as_deref()).collect();
        // Takes every row's lock in the order of the names, so that two callers never wait for each other in a circle.
        sqlx::query!(
            r#"
            INSERT INTO accounts AS a (sdk_app_id, user_id)
            SELECT $1, user_id FROM unnest($2::text[]) AS t (user_id) ORDER BY user_id COLLATE "C"
            ON CONFLICT (sdk_app_id, user_id) DO UPDATE SET deleted = a.deleted
            "#,
            sdk_app_id.number(),
            &user_ids as &[&str],
        )
        .execute(self.session())
        .await?;
        sqlx::query!(
            r#"
            UPDATE accounts a SET
                nick = COALESCE(t.nick, a.nick),
                face_url = COALESCE(t.face_url, a.face_url),
                deleted = FALSE
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
        Ok(())
    }
}

impl Reader<'_> {
    /// What the directory says of each of these users, in their order.
    pub async fn load_standings(
        &mut self,
        sdk_app_id: SdkAppId,
        users: &[UserId],
    ) -> Result<Vec<Standing>, Error> {
        let user_ids: Vec<_> = users.iter().map(UserId::as_str).collect();
        let rows = sqlx::query_scalar!(
            r#"
            SELECT a.deleted AS "deleted?"
            FROM unnest($2::text[]) WITH ORDINALITY AS t (user_id, nr)
            LEFT JOIN accounts a ON a.sdk_app_id = $1 AND a.user_id = t.user_id
            ORDER BY nr
            "#,
            sdk_app_id.number(),
            &user_ids as &[&str],
        )
        .fetch_all(self.session())
        .await?;
        Ok(rows.into_iter().map(standing).collect())
    }
}

/// The standing of an account or a chat group by its row's `deleted` or `destroyed`.
pub(super) fn standing(gone: Option<bool>) -> Standing {
    match gone {
        None => Standing::Unknown,
        Some(false) => Standing::Alive,
        Some(true) => Standing::Dead,
    }
}
