//! The arguments of `earmark token`.

use clap::{Args, Subcommand};

use super::DatabaseArgs;
use crate::domain::{Scope, TokenName};

#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,

    #[command(subcommand)]
    pub command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Creates a token and prints it. It cannot be shown again.
    Create {
        /// The name, which the audit trail shows.
        #[arg(value_name = "NAME", value_parser = TokenName::parse)]
        name: TokenName,
        /// What the token lets an operator do: look at everything (`read`), create, change and delete apps (`apps`), or export and
        /// erase users (`users`). Can be given several times.
        #[arg(long = "scope", value_name = "SCOPE", default_value = "read")]
        scopes: Vec<Scope>,
    },
    /// Lists the tokens with their scopes and their last use.
    List,
    /// Ends a token at once, in all processes.
    Revoke {
        /// The name of the token.
        #[arg(value_name = "NAME", value_parser = TokenName::parse)]
        name: TokenName,
    },
}
