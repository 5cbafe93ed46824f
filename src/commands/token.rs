//! `earmark token`: creates, lists and revokes the tokens of operators.

use std::fmt::{self, Display, Formatter};

use anyhow::{Context, bail};
use serde::Serialize;

use super::{ago, check_schema, connect, joined, operator, unix_now};
use crate::config::{Output, TokenArgs, TokenCommand};
use crate::domain::{NamedToken, Scope};
use crate::service;

#[derive(Serialize)]
struct ShownToken {
    name: String,
    scopes: Vec<&'static str>,
    /// Unix seconds.
    created_at: u64,
    last_used_at: Option<u64>,
}

impl From<NamedToken> for ShownToken {
    fn from(token: NamedToken) -> Self {
        let NamedToken { name, scopes, created_at, last_used_at } = token;
        Self { name, scopes: names(&scopes), created_at, last_used_at }
    }
}

impl Display for ShownToken {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let now = unix_now();
        let created = ago(self.created_at, now);
        let used = self.last_used_at;
        let used = used
            .map_or_else(|| "never used".to_owned(), |at| format!("last used {}", ago(at, now)));
        write!(
            out,
            "token {}: scopes {}, created {created}, {used}",
            self.name,
            self.scopes.join(", ")
        )
    }
}

#[derive(Serialize)]
struct TokenList {
    tokens: Vec<ShownToken>,
}

impl Display for TokenList {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        joined(out, &self.tokens)
    }
}

#[derive(Serialize)]
struct CreatedToken<'a> {
    name: &'a str,
    scopes: Vec<&'static str>,
    token: &'a str,
}

impl Display for CreatedToken<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { name, scopes, token } = self;
        write!(out, "token {name}: scopes {}\ntoken: {token}", scopes.join(", "))
    }
}

#[derive(Serialize)]
struct RevokedToken<'a> {
    revoked: &'a str,
}

impl Display for RevokedToken<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "token {} is revoked", self.revoked)
    }
}

pub(super) async fn run(settings: TokenArgs, output: Output) -> anyhow::Result<()> {
    let partitions = connect(&settings.database).await?;
    check_schema(&partitions).await?;
    match settings.command {
        TokenCommand::Create { name, mut scopes } => {
            scopes.sort_unstable();
            scopes.dedup();
            let created = service::create_token(&partitions, &name, &scopes, &operator()).await?;
            let name = name.as_str();
            let secret = created.with_context(|| format!("there is a token {name} already"))?;
            output.print(&CreatedToken { name, scopes: names(&scopes), token: secret.reveal() })
        }
        TokenCommand::List => {
            let tokens = service::list_tokens(&partitions).await?;
            output.print(&TokenList { tokens: tokens.into_iter().map(Into::into).collect() })
        }
        TokenCommand::Revoke { name } => {
            let name = name.as_str();
            if !service::revoke_token(&partitions, name, &operator()).await? {
                bail!("there is no token {name}")
            }
            output.print(&RevokedToken { revoked: name })
        }
    }
}

fn names(scopes: &[Scope]) -> Vec<&'static str> {
    scopes.iter().copied().map(Scope::name).collect()
}
