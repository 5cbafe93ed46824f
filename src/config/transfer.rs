//! The arguments of `earmark export`, `import`, `compare`, `pull` and `push`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use anyhow::Context;
use hyper::Uri;

use super::{DatabaseArgs, KeyArgs};
use crate::domain::{App, SdkAppId};
use crate::transfer::Ignored;
use crate::transfer::original::{Access, Original};

#[derive(Debug, Args)]
pub struct ExportArgs {
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

    #[command(flatten)]
    pub database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The number of the app, which must exist.
    #[arg(value_name = "SDKAPPID")]
    pub sdk_app_id: SdkAppId,

    /// The file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Import only this user.
    #[arg(long, value_name = "USERID")]
    pub user: Option<String>,

    /// Say what would change, and change nothing.
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
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

    #[command(flatten)]
    pub database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub struct PullArgs {
    /// The address of the service to read from, such as `https://console.tim.qq.com`.
    #[arg(long, value_name = "URL", value_parser = Original::parse_url)]
    from: Uri,

    #[command(flatten)]
    access: AccessArgs,

    /// A file with the users to read, one UserID per line; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub users: PathBuf,

    /// A new file, which only its owner can read.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    /// Go on with a file whose pull was interrupted.
    #[arg(long)]
    pub resume: bool,
}

#[derive(Debug, Args)]
pub struct PushArgs {
    /// The address of the service to write to, such as `https://console.tim.qq.com`.
    #[arg(long, value_name = "URL", value_parser = Original::parse_url)]
    to: Uri,

    #[command(flatten)]
    access: AccessArgs,

    /// The file; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// How the service is called.
#[derive(Debug, Args)]
pub(super) struct AccessArgs {
    /// The number of the app at the service.
    #[arg(long = "sdkappid", value_name = "SDKAPPID")]
    pub sdk_app_id: SdkAppId,

    /// The admin who calls.
    #[arg(long, default_value = "administrator", value_name = "IDENTIFIER", value_parser = App::check_admin)]
    admin: String,

    #[command(flatten)]
    key: KeyArgs,

    /// Calls per second, of all kinds together. The service allows 200 of each kind.
    #[arg(long, default_value_t = 200, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,

    /// How long to go on while the service answers that there are too many calls (60007), in seconds.
    #[arg(long, default_value_t = 300, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience_s: u64,
}

impl AccessArgs {
    fn access(&self, url: &Uri) -> anyhow::Result<Access> {
        Ok(Access {
            url: url.clone(),
            sdk_app_id: self.sdk_app_id,
            admin: self.admin.clone(),
            key: self
                .key
                .secret_key()?
                .context("--secret-key-file / EARMARK_SECRET_KEY_FILE is missing")?,
            rate: self.rate,
            patience: Duration::from_secs(self.patience_s),
        })
    }
}

impl PullArgs {
    pub fn access(&self) -> anyhow::Result<Access> {
        self.access.access(&self.from)
    }

    #[must_use]
    pub fn sdk_app_id(&self) -> SdkAppId {
        self.access.sdk_app_id
    }
}

impl PushArgs {
    pub fn access(&self) -> anyhow::Result<Access> {
        self.access.access(&self.to)
    }
}
