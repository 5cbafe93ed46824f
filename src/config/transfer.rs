//! The arguments of `earmark export`, `import` and `compare`.

use std::path::PathBuf;

use clap::Args;

use super::DatabaseArgs;
use crate::domain::SdkAppId;
use crate::transfer::Ignored;

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// The number of the app.
    #[arg(value_name = "SDKAPPID")]
    pub sdk_app_id: SdkAppId,

    /// Export only this user.
    #[arg(long, value_name = "USERID")]
    pub user: Option<String>,

    /// A new file, which only its owner can read. Without it, the command writes to standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Go on with a file whose export was interrupted. What follows in it is of a later moment.
    #[arg(long, requires = "out", conflicts_with = "user")]
    pub resume: bool,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// The number of the app, which must exist.
    #[arg(value_name = "SDKAPPID")]
    pub sdk_app_id: SdkAppId,

    /// The file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Say what would change, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// The first file.
    #[arg(value_name = "FILE")]
    pub first: PathBuf,

    /// The second file. Without it, the command compares the first one with the database.
    #[arg(value_name = "FILE")]
    pub second: Option<PathBuf>,

    /// The number of the app in the database. By default, it is that of the file.
    #[arg(long, value_name = "SDKAPPID", conflicts_with = "second")]
    pub app: Option<SdkAppId>,

    /// What makes no difference. Can be given several times. While two services get the same calls, ignore `times`, `order`,
    /// `ids` and `revisions`.
    #[arg(long, value_name = "WHAT")]
    pub ignore: Vec<Ignored>,
}
