//! Apps and their admins.

use super::session::Session;
use super::{Reader, Tx, count, stored};
use crate::domain::{App, SdkAppId, SecretKey};
use crate::error::Error;
use crate::limits::Limits;

struct AppRow {
    sdk_app_id: i64,
    edition: String,
    directory: String,
    disabled: bool,
    secret_key: String,
    previous_secret_key: Option<String>,
    marked_max: i32,
    grouped_max: i32,
    groups_max: i32,
    group_name_bytes_max: i32,
    custom_mark_bytes_max: i32,
    mark_items_max: i32,
    group_items_max: i32,
    search_items_max: i32,
    page_items_max: i32,
    pinned_max: i32,
    user_id_bytes_max: i32,
    chat_group_id_bytes_max: i32,
    calls_per_second_max: i32,
    admins: Vec<String>,
}

impl AppRow {
    fn into_app(self) -> Result<App, Error> {
        let bad =
            |problem| Error::Internal(anyhow::anyhow!("apps, {}: {problem}", self.sdk_app_id));
        Ok(App {
            sdk_app_id: SdkAppId::new(self.sdk_app_id).map_err(bad)?,
            edition: self.edition.parse().map_err(bad)?,
            directory: self.directory.parse().map_err(bad)?,
            disabled: self.disabled,
            secret_key: SecretKey::parse(&self.secret_key).map_err(bad)?,
            previous_secret_key: self
                .previous_secret_key
                .as_deref()
                .map(SecretKey::parse)
                .transpose()
                .map_err(bad)?,
            admins: self.admins,
            limits: Limits {
                marked: count(self.marked_max),
                grouped: count(self.grouped_max),
                groups: count(self.groups_max),
                group_name_bytes: count(self.group_name_bytes_max),
                custom_mark_bytes: count(self.custom_mark_bytes_max),
                mark_items: count(self.mark_items_max),
                group_items: count(self.group_items_max),
                search_items: count(self.search_items_max),
                page_items: count(self.page_items_max),
                pinned: count(self.pinned_max),
                user_id_bytes: count(self.user_id_bytes_max),
                chat_group_id_bytes: count(self.chat_group_id_bytes_max),
                calls_per_second: count(self.calls_per_second_max),
            },
        })
    }
}

impl Reader<'_> {
    /// The app of this number, with its admins.
    pub async fn load_app(&mut self, sdk_app_id: SdkAppId) -> Result<Option<App>, Error> {
        select_app(self.session(), sdk_app_id).await
    }

    /// All apps, by number.
    pub async fn load_apps(&mut self) -> Result<Vec<App>, Error> {
        select_apps(self.session(), 1, i64::MAX).await
    }
}

async fn select_app(session: Session<'_>, sdk_app_id: SdkAppId) -> Result<Option<App>, Error> {
    let number = sdk_app_id.number();
    Ok(select_apps(session, number, number).await?.pop())
}

async fn select_apps(session: Session<'_>, first: i64, last: i64) -> Result<Vec<App>, Error> {
    sqlx::query_as!(
        AppRow,
        r#"
        SELECT
            a.sdk_app_id, edition, directory, disabled, secret_key, previous_secret_key,
            marked_max, grouped_max, groups_max, group_name_bytes_max, custom_mark_bytes_max,
            mark_items_max, group_items_max, search_items_max, page_items_max, pinned_max,
            user_id_bytes_max, chat_group_id_bytes_max, calls_per_second_max,
            ARRAY(
                SELECT identifier FROM app_admins d
                WHERE d.sdk_app_id = a.sdk_app_id ORDER BY identifier
            ) AS "admins!"
        FROM apps a
        WHERE a.sdk_app_id BETWEEN $1 AND $2
        ORDER BY a.sdk_app_id
        "#,
        first,
        last,
    )
    .fetch_all(session)
    .await?
    .into_iter()
    .map(AppRow::into_app)
    .collect()
}

impl Tx<'_> {
    /// Holds the app against everyone else who would change it, and says whether it is there.
    pub async fn lock_app(&mut self, sdk_app_id: SdkAppId) -> Result<Option<App>, Error> {
        sqlx::query!(
            "SELECT sdk_app_id FROM apps WHERE sdk_app_id = $1 FOR NO KEY UPDATE",
            sdk_app_id.number(),
        )
        .fetch_optional(self.session())
        .await?;
        select_app(self.session(), sdk_app_id).await
    }

    /// Adds an app, without its admins; `false` when the number is taken.
    pub async fn insert_app(&mut self, app: &App) -> Result<bool, Error> {
        let done = sqlx::query!(
            r#"
            INSERT INTO apps (sdk_app_id, edition, directory, secret_key)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (sdk_app_id) DO NOTHING
            "#,
            app.sdk_app_id.number(),
            app.edition.name(),
            app.directory.name(),
            app.secret_key.reveal(),
        )
        .execute(self.session())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Stores everything about an app that is there, its admins included.
    pub async fn save_app(&mut self, app: &App) -> Result<(), Error> {
        let mut limits = app.limits;
        let limits: Vec<i32> = limits.named().map(|(_, value)| stored(*value)).to_vec();
        sqlx::query!(
            r#"
            UPDATE apps SET
                edition = $2, directory = $3, disabled = $4, secret_key = $5, previous_secret_key = $6,
                marked_max = ($7::int[])[1], grouped_max = ($7::int[])[2], groups_max = ($7::int[])[3],
                group_name_bytes_max = ($7::int[])[4], custom_mark_bytes_max = ($7::int[])[5],
                mark_items_max = ($7::int[])[6], group_items_max = ($7::int[])[7],
                search_items_max = ($7::int[])[8], page_items_max = ($7::int[])[9],
                pinned_max = ($7::int[])[10], user_id_bytes_max = ($7::int[])[11],
                chat_group_id_bytes_max = ($7::int[])[12], calls_per_second_max = ($7::int[])[13]
            WHERE sdk_app_id = $1
            "#,
            app.sdk_app_id.number(),
            app.edition.name(),
            app.directory.name(),
            app.disabled,
            app.secret_key.reveal(),
            app.previous_secret_key.as_ref().map(SecretKey::reveal),
            &limits,
        )
        .execute(self.session())
        .await?;
        sqlx::query!(
            "DELETE FROM app_admins WHERE sdk_app_id = $1 AND identifier <> ALL ($2)",
            app.sdk_app_id.number(),
            &app.admins,
        )
        .execute(self.session())
        .await?;
        sqlx::query!(
            r#"
            INSERT INTO app_admins (sdk_app_id, identifier)
            SELECT $1, identifier FROM unnest($2::text[]) AS t (identifier)
            ON CONFLICT (sdk_app_id, identifier) DO NOTHING
            "#,
            app.sdk_app_id.number(),
            &app.admins,
        )
        .execute(self.session())
        .await?;
        Ok(())
    }
}
