//! The named tokens of operators, in the shared tables.

use super::convert::{corrupt, number};
use super::{Reader, Tx};
use crate::domain::{NamedToken, Scope, TokenDigest, TokenName, TokenSecret};
use crate::error::Error;

/// From one write of a token's last use to the next, in seconds.
const USE_PRECISION_S: i64 = 60;

/// A token that a client has sent.
#[derive(Debug, Clone)]
pub struct SentToken {
    pub name: String,
    pub scopes: Vec<Scope>,
    /// Its last use is to be written.
    pub is_use_due: bool,
}

/// Returns false if the name is taken.
pub async fn insert(
    tx: &mut Tx<'_>,
    name: &TokenName,
    scopes: &[Scope],
    secret: &TokenSecret,
) -> Result<bool, Error> {
    let scopes: Vec<&str> = scopes.iter().copied().map(Scope::name).collect();
    let done = sqlx::query!(
        "
        INSERT INTO operator_tokens (name, digest, scopes) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO NOTHING
        ",
        name.as_str(),
        &secret.digest()[..],
        &scopes as &[&str],
    );
    Ok(done.execute(tx.session()).await?.rows_affected() == 1)
}

/// Deletes a token, and returns its scopes. `None` if there is none of this name.
pub async fn delete(tx: &mut Tx<'_>, name: &str) -> Result<Option<Vec<Scope>>, Error> {
    let deleted =
        sqlx::query_scalar!("DELETE FROM operator_tokens WHERE name = $1 RETURNING scopes", name);
    let deleted = deleted.fetch_optional(tx.session()).await?;
    deleted.map(|scopes| stored_scopes(&scopes)).transpose()
}

/// All tokens, by name.
pub async fn load_all(reader: &mut Reader<'_>) -> Result<Vec<NamedToken>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT
            name, scopes, floor(extract(epoch FROM created_at))::bigint AS "created_at!",
            floor(extract(epoch FROM last_used_at))::bigint AS last_used_at
        FROM operator_tokens ORDER BY name
        "#
    );
    let rows = rows.fetch_all(reader.session()).await?;
    rows.into_iter()
        .map(|row| {
            let time = |time: i64| number("operator_tokens, a time", time);
            Ok(NamedToken {
                name: row.name,
                scopes: stored_scopes(&row.scopes)?,
                created_at: time(row.created_at)?,
                last_used_at: row.last_used_at.map(time).transpose()?,
            })
        })
        .collect()
}

pub async fn find(
    reader: &mut Reader<'_>,
    digest: &TokenDigest,
) -> Result<Option<SentToken>, Error> {
    let found = sqlx::query!(
        r#"
        SELECT
            name, scopes,
            (last_used_at IS NULL OR last_used_at < now() - make_interval(secs => $2::bigint)) AS "is_use_due!"
        FROM operator_tokens WHERE digest = $1
        "#,
        &digest[..],
        USE_PRECISION_S,
    );
    let found = found.fetch_optional(reader.session()).await?;
    let sent = found.map(|row| {
        let (name, is_use_due) = (row.name, row.is_use_due);
        stored_scopes(&row.scopes).map(|scopes| SentToken { name, scopes, is_use_due })
    });
    sent.transpose()
}

/// Sets the last use of a token to now, unless another process has just done it.
pub async fn note_use(tx: &mut Tx<'_>, digest: &TokenDigest) -> Result<(), Error> {
    sqlx::query!(
        "
        UPDATE operator_tokens SET last_used_at = now()
        WHERE digest = $1
            AND (last_used_at IS NULL OR last_used_at < now() - make_interval(secs => $2::bigint))
        ",
        &digest[..],
        USE_PRECISION_S,
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

fn stored_scopes(names: &[String]) -> Result<Vec<Scope>, Error> {
    let parsed = names.iter().map(|name| name.parse::<Scope>()).collect::<Result<_, _>>();
    parsed.map_err(|problem| corrupt("operator_tokens.scopes", problem))
}
