//! The arguments of `earmark user`.

use clap::{Args, Subcommand};

use super::DatabaseArgs;
use crate::domain::{Problem, SdkAppId, UserId};

#[derive(Debug, Args)]
pub struct UserArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,

    #[command(subcommand)]
    pub command: UserCommand,
}

#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Shows what is known of a user.
    Show {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// The UserID.
        #[arg(value_name = "USER", value_parser = user_id)]
        user: UserId,
    },
    /// Writes everything that is stored about a user, as lines of JSON, to standard output.
    Export {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// The UserID.
        #[arg(value_name = "USER", value_parser = user_id)]
        user: UserId,
    },
    /// Erases everything about a user: the account, marks, contact groups and pins, and the user in the lists of others. Prints
    /// what was erased. Nothing is brought back. If the command is ended early, run it again.
    Erase {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// The UserID.
        #[arg(value_name = "USER", value_parser = user_id)]
        user: UserId,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// Ids of any length: the limit may have been lowered since.
fn user_id(text: &str) -> Result<UserId, Problem> {
    UserId::parse(text, u32::MAX)
}
