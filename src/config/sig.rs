//! The arguments of `earmark sig`.

use clap::Args;

use super::{DatabaseArgs, KeyArgs};
use crate::domain::{App, SdkAppId};

#[derive(Debug, Args)]
pub struct Sig {
    /// The number of the app.
    #[arg(value_name = "SDKAPPID")]
    pub sdk_app_id: SdkAppId,

    /// The user that the UserSig is for.
    #[arg(long, default_value = "administrator", value_parser = App::check_admin)]
    pub identifier: String,

    /// How long the UserSig is valid, in seconds.
    #[arg(long, default_value_t = 180 * 24 * 3600, value_name = "SECONDS")]
    pub lifetime_s: u64,

    /// Without a key, the command takes the key of the app from the database.
    #[command(flatten)]
    pub key: KeyArgs,

    #[command(flatten)]
    pub database: DatabaseArgs,
}
