//! Apps, their admins and their secret keys.

use super::convert::{corrupt, number};
use super::pool::Session;
use super::unnest::unnest;
use super::{Reader, Tx, feed};
use crate::domain::{
    App, AppKey, AppName, Color, MarkBit, MarkName, MarkNames, NamedMark, Origin, SdkAppId,
    SecretKey,
};
use crate::error::Error;
use crate::limits::Limits;

struct AppRow {
    sdk_app_id: i64,
    name: String,
    edition: String,
    directory: String,
    disabled: bool,
    secret_key: String,
    key_id: Option<i64>,
    key_created_at: Option<i64>,
    key_last_used_at: Option<i64>,
    previous_secret_key: Option<String>,
    previous_key_id: Option<i64>,
    previous_key_created_at: Option<i64>,
    previous_key_last_used_at: Option<i64>,
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
    user_access: String,
    admins: Vec<String>,
    origins: Vec<String>,
    mark_bits: Vec<i16>,
    mark_names: Vec<String>,
    mark_colors: Vec<Option<String>>,
    feed: bool,
}

impl TryFrom<AppRow> for App {
    type Error = Error;

    fn try_from(row: AppRow) -> Result<Self, Error> {
        let key_times = [row.key_created_at, row.key_last_used_at];
        let previous_key_times = [row.previous_key_created_at, row.previous_key_last_used_at];
        let previous_secret = row.previous_secret_key.filter(|key| *key != row.secret_key);
        Ok(Self {
            sdk_app_id: SdkAppId::new(row.sdk_app_id)
                .map_err(|problem| corrupt("apps.sdk_app_id", problem))?,
            name: AppName::parse(&row.name).map_err(|problem| corrupt("apps.name", problem))?,
            edition: row.edition.parse().map_err(|problem| corrupt("apps.edition", problem))?,
            directory: row
                .directory
                .parse()
                .map_err(|problem| corrupt("apps.directory", problem))?,
            disabled: row.disabled,
            key: key("apps.secret_key", &row.secret_key, row.key_id, key_times)?,
            previous_key: previous_secret
                .map(|secret| {
                    let column = "apps.previous_secret_key";
                    key(column, &secret, row.previous_key_id, previous_key_times)
                })
                .transpose()?,
            user_access: row
                .user_access
                .parse()
                .map_err(|problem| corrupt("apps.user_access", problem))?,
            admins: row.admins,
            allowed_origins: row
                .origins
                .iter()
                .map(|origin| Origin::parse(origin))
                .collect::<Result<_, _>>()
                .map_err(|problem| corrupt("app_origins.origin", problem))?,
            marks: marks(&row.mark_bits, &row.mark_names, &row.mark_colors)?,
            feed: row.feed,
            limits: Limits {
                marked: number("apps.marked_max", row.marked_max)?,
                grouped: number("apps.grouped_max", row.grouped_max)?,
                groups: number("apps.groups_max", row.groups_max)?,
                group_name_bytes: number("apps.group_name_bytes_max", row.group_name_bytes_max)?,
                custom_mark_bytes: number("apps.custom_mark_bytes_max", row.custom_mark_bytes_max)?,
                mark_items: number("apps.mark_items_max", row.mark_items_max)?,
                group_items: number("apps.group_items_max", row.group_items_max)?,
                search_items: number("apps.search_items_max", row.search_items_max)?,
                page_items: number("apps.page_items_max", row.page_items_max)?,
                pinned: number("apps.pinned_max", row.pinned_max)?,
                user_id_bytes: number("apps.user_id_bytes_max", row.user_id_bytes_max)?,
                chat_group_id_bytes: number(
                    "apps.chat_group_id_bytes_max",
                    row.chat_group_id_bytes_max,
                )?,
                calls_per_second: number("apps.calls_per_second_max", row.calls_per_second_max)?,
            },
        })
    }
}

/// The columns of the rows of `app_marks`, in the order of the bits.
fn marks(bits: &[i16], names: &[String], colors: &[Option<String>]) -> Result<MarkNames, Error> {
    let mut marks = MarkNames::default();
    for ((bit, name), color) in bits.iter().zip(names).zip(colors) {
        let bit = MarkBit::parse((*bit).into()).and_then(MarkNames::check_bit);
        let bit = bit.map_err(|problem| corrupt("app_marks.bit", problem))?;
        let name = MarkName::parse(name).map_err(|problem| corrupt("app_marks.name", problem))?;
        let color = color.as_deref().map(Color::parse).transpose();
        let color = color.map_err(|problem| corrupt("app_marks.color", problem))?;
        if !marks.insert(bit, NamedMark { name, color }) {
            return Err(corrupt("app_marks.name", "two bits have the same"));
        }
    }
    Ok(marks)
}

/// A secret key, with its id and its times (created, last used) from `app_keys`.
fn key(
    column: &'static str,
    secret: &str,
    id: Option<i64>,
    [created_at, last_used_at]: [Option<i64>; 2],
) -> Result<AppKey, Error> {
    let (id, created_at) =
        id.zip(created_at).ok_or_else(|| corrupt(column, "it has no row in app_keys"))?;
    Ok(AppKey {
        id,
        secret: SecretKey::parse(secret).map_err(|problem| corrupt(column, problem))?,
        created_at: number("app_keys.created_at", created_at)?,
        last_used_at: last_used_at.map(|time| number("app_keys.last_used_at", time)).transpose()?,
    })
}

/// Loads an app with its admins and keys.
pub async fn load(reader: &mut Reader<'_>, sdk_app_id: SdkAppId) -> Result<Option<App>, Error> {
    select_one(reader.session(), sdk_app_id).await
}

/// Loads all apps, by number.
pub async fn load_all(reader: &mut Reader<'_>) -> Result<Vec<App>, Error> {
    select(reader.session(), 1, i64::MAX).await
}

async fn select_one(session: Session<'_>, sdk_app_id: SdkAppId) -> Result<Option<App>, Error> {
    let number = sdk_app_id.number();
    Ok(select(session, number, number).await?.pop())
}

async fn select(session: Session<'_>, first: i64, last: i64) -> Result<Vec<App>, Error> {
    sqlx::query_as!(
        AppRow,
        r#"
        SELECT
            a.sdk_app_id, a.name, edition, directory, disabled, user_access,
            a.secret_key, k.key_id AS "key_id?",
            floor(EXTRACT(EPOCH FROM k.created_at))::bigint AS key_created_at,
            floor(EXTRACT(EPOCH FROM k.last_used_at))::bigint AS key_last_used_at,
            a.previous_secret_key, p.key_id AS "previous_key_id?",
            floor(EXTRACT(EPOCH FROM p.created_at))::bigint AS previous_key_created_at,
            floor(EXTRACT(EPOCH FROM p.last_used_at))::bigint AS previous_key_last_used_at,
            marked_max, grouped_max, groups_max, group_name_bytes_max, custom_mark_bytes_max,
            mark_items_max, group_items_max, search_items_max, page_items_max, pinned_max,
            user_id_bytes_max, chat_group_id_bytes_max, calls_per_second_max,
            ARRAY(
                SELECT identifier FROM app_admins d
                WHERE d.sdk_app_id = a.sdk_app_id ORDER BY identifier
            ) AS "admins!",
            ARRAY(
                SELECT origin FROM app_origins o
                WHERE o.sdk_app_id = a.sdk_app_id ORDER BY origin
            ) AS "origins!",
            ARRAY(
                SELECT bit FROM app_marks m WHERE m.sdk_app_id = a.sdk_app_id ORDER BY bit
            ) AS "mark_bits!",
            ARRAY(
                SELECT name FROM app_marks m WHERE m.sdk_app_id = a.sdk_app_id ORDER BY bit
            ) AS "mark_names!",
            ARRAY(
                SELECT color FROM app_marks m WHERE m.sdk_app_id = a.sdk_app_id ORDER BY bit
            ) AS "mark_colors!: Vec<Option<String>>",
            (
                SELECT TRUE FROM feed_head h WHERE h.sdk_app_id = a.sdk_app_id AND h.on_since IS NOT NULL
            ) IS NOT NULL AS "feed!"
        FROM apps a
        LEFT JOIN app_keys k ON k.sdk_app_id = a.sdk_app_id AND k.secret_key = a.secret_key
        LEFT JOIN app_keys p ON p.sdk_app_id = a.sdk_app_id AND p.secret_key = a.previous_secret_key
        WHERE a.sdk_app_id BETWEEN $1 AND $2
        ORDER BY a.sdk_app_id
        "#,
        first,
        last,
    )
    .fetch_all(session)
    .await?
    .into_iter()
    .map(App::try_from)
    .collect()
}

/// Locks an app against other changes of it, and loads it.
pub async fn lock(tx: &mut Tx<'_>, sdk_app_id: SdkAppId) -> Result<Option<App>, Error> {
    sqlx::query!(
        "SELECT sdk_app_id FROM apps WHERE sdk_app_id = $1 FOR NO KEY UPDATE",
        sdk_app_id.number(),
    )
    .fetch_optional(tx.session())
    .await?;
    select_one(tx.session(), sdk_app_id).await
}

/// Adds an app without limits and admins, which [`save`] sets. Returns false if the number is taken.
pub async fn insert(tx: &mut Tx<'_>, app: &App) -> Result<bool, Error> {
    let done = sqlx::query!(
        r#"
        INSERT INTO apps (sdk_app_id, edition, directory, secret_key)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (sdk_app_id) DO NOTHING
        "#,
        app.sdk_app_id.number(),
        app.edition.name(),
        app.directory.name(),
        app.key.secret.reveal(),
    )
    .execute(tx.session())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Saves an app that exists, and its admins. Returns the app as it is stored: a trigger gives a new key its id.
pub async fn save(tx: &mut Tx<'_>, app: &App) -> Result<App, Error> {
    unnest!(
        query_file!("src/store/sql/save_app.sql"),
        for app in [app] => {
            sdk_app_id: i64 = app.sdk_app_id.number(),
            edition: &str = app.edition.name(),
            directory: &str = app.directory.name(),
            disabled: bool = app.disabled,
            secret_key: &str = app.key.secret.reveal(),
            previous_secret_key: Option<&str> = app.previous_key.as_ref().map(|key| key.secret.reveal()),
            marked_max: i32 = number("apps.marked_max", app.limits.marked)?,
            grouped_max: i32 = number("apps.grouped_max", app.limits.grouped)?,
            groups_max: i32 = number("apps.groups_max", app.limits.groups)?,
            group_name_bytes_max: i32 = number("apps.group_name_bytes_max", app.limits.group_name_bytes)?,
            custom_mark_bytes_max: i32 = number("apps.custom_mark_bytes_max", app.limits.custom_mark_bytes)?,
            mark_items_max: i32 = number("apps.mark_items_max", app.limits.mark_items)?,
            group_items_max: i32 = number("apps.group_items_max", app.limits.group_items)?,
            search_items_max: i32 = number("apps.search_items_max", app.limits.search_items)?,
            page_items_max: i32 = number("apps.page_items_max", app.limits.page_items)?,
            pinned_max: i32 = number("apps.pinned_max", app.limits.pinned)?,
            user_id_bytes_max: i32 = number("apps.user_id_bytes_max", app.limits.user_id_bytes)?,
            chat_group_id_bytes_max: i32 =
                number("apps.chat_group_id_bytes_max", app.limits.chat_group_id_bytes)?,
            calls_per_second_max: i32 = number("apps.calls_per_second_max", app.limits.calls_per_second)?,
            user_access: &str = app.user_access.name(),
            name: &str = app.name.as_str(),
        }
    )
    .execute(tx.session())
    .await?;
    sqlx::query!(
        "DELETE FROM app_admins WHERE sdk_app_id = $1 AND identifier <> ALL ($2)",
        app.sdk_app_id.number(),
        &app.admins,
    )
    .execute(tx.session())
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
    .execute(tx.session())
    .await?;
    save_origins(tx, app).await?;
    save_marks(tx, app).await?;
    feed::switch(tx, app.sdk_app_id, app.feed).await?;
    let stored = select_one(tx.session(), app.sdk_app_id).await?;
    stored.ok_or_else(|| Error::internal("an app was saved that does not exist"))
}

async fn save_origins(tx: &mut Tx<'_>, app: &App) -> Result<(), Error> {
    let origins: Vec<&str> = app.allowed_origins.iter().map(Origin::as_str).collect();
    sqlx::query!(
        "DELETE FROM app_origins WHERE sdk_app_id = $1 AND origin <> ALL ($2)",
        app.sdk_app_id.number(),
        &origins as &[&str],
    )
    .execute(tx.session())
    .await?;
    sqlx::query!(
        r#"
        INSERT INTO app_origins (sdk_app_id, origin)
        SELECT $1, origin FROM unnest($2::text[]) AS t (origin)
        ON CONFLICT (sdk_app_id, origin) DO NOTHING
        "#,
        app.sdk_app_id.number(),
        &origins as &[&str],
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

/// Deletes first, so that a bit can take the name of another.
async fn save_marks(tx: &mut Tx<'_>, app: &App) -> Result<(), Error> {
    sqlx::query!("DELETE FROM app_marks WHERE sdk_app_id = $1", app.sdk_app_id.number())
        .execute(tx.session())
        .await?;
    unnest!(
        query!(
            "
            INSERT INTO app_marks (sdk_app_id, bit, name, color)
            SELECT sdk_app_id, bit, name, color
            FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[]) AS t (sdk_app_id, bit, name, color)
            "
        ),
        for (bit, mark) in app.marks.iter() => {
            sdk_app_id: i64 = app.sdk_app_id.number(),
            bit: i16 = bit.number().into(),
            name: &str = mark.name.as_str(),
            color: Option<&str> = mark.color.as_ref().map(Color::as_str),
        }
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

/// Sets the time of the last use of these keys to now. Skips a key whose row another transaction has locked, because that
/// transaction writes the same time or retires the key.
pub async fn save_key_uses(tx: &mut Tx<'_>, keys: &[(SdkAppId, i64)]) -> Result<(), Error> {
    unnest!(
        query!(
            r"
            UPDATE app_keys k SET last_used_at = now()
            FROM (
                SELECT o.sdk_app_id, o.key_id
                FROM unnest($1::bigint[], $2::bigint[]) AS t (sdk_app_id, key_id)
                JOIN app_keys o ON o.sdk_app_id = t.sdk_app_id AND o.key_id = t.key_id
                FOR NO KEY UPDATE OF o SKIP LOCKED
            ) AS unlocked
            WHERE k.sdk_app_id = unlocked.sdk_app_id AND k.key_id = unlocked.key_id
            "
        ),
        for (sdk_app_id, key_id) in keys => {
            sdk_app_id: i64 = sdk_app_id.number(),
            key_id: i64 = *key_id,
        }
    )
    .execute(tx.session())
    .await?;
    Ok(())
}
