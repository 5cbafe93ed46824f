//! `earmark app`.

use clap::{Args, Subcommand};

use super::{DatabaseArgs, KeyArgs};
use crate::domain::{App, AppName, Directory, Edition, Origin, SdkAppId, UserAccess};
use crate::limits::{LimitChange, ORIGINS_MAX};
use crate::service::AppSettings;

#[derive(Debug, Args)]
pub struct AppArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,

    #[command(subcommand)]
    pub command: AppCommand,
}

#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Creates an app and prints it. Prints its secret key if the command generated it.
    Create {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// What you call the app. Only operators see it.
        #[arg(long, value_name = "NAME")]
        name: Option<AppName>,
        #[command(flatten)]
        settings: AppSettingArgs,
        /// An admin, who may call the API. Can be given several times; `administrator` by default.
        #[arg(long = "admin", value_name = "IDENTIFIER", value_parser = App::check_admin)]
        admins: Vec<String>,
        #[command(flatten)]
        key: KeyArgs,
    },
    /// Lists all apps.
    List,
    /// Shows an app, without its secret keys.
    Show {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
    },
    /// Changes an app's edition, directory mode, limits, or who may call the native API.
    Set {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        #[command(flatten)]
        settings: AppSettingArgs,
    },
    /// Gives an app a name, which only operators see.
    Rename {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// The name, at most 64 characters. An empty one takes the name away.
        #[arg(value_name = "NAME")]
        name: AppName,
    },
    /// Gives an app a new secret key, and prints the key if the command generated it. The old key stays valid until you
    /// retire it.
    RotateKey {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        #[command(flatten)]
        key: KeyArgs,
        /// If two keys are valid, end the validity of the older one.
        #[arg(long)]
        force: bool,
    },
    /// Ends the validity of one of an app's two keys.
    RetireKey {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// The id of the key, as `app show` prints it.
        #[arg(value_name = "KEY_ID")]
        key_id: i64,
    },
    /// Adds an admin, who may call the API.
    AddAdmin {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// The identifier of the admin.
        #[arg(value_parser = App::check_admin)]
        identifier: String,
    },
    /// Removes an admin.
    RemoveAdmin {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// The identifier of the admin.
        #[arg(value_parser = App::check_admin)]
        identifier: String,
    },
    /// Removes the state of all users, accounts and chat groups of an app. Its keys, admins, limits, names of marks and webhooks stay.
    /// Prints what was removed. If the command is ended early, run it again.
    Reset {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Disables an app, removes all its state, and then the app itself. Prints what was removed. Nothing is brought back: export
    /// the app first if it may be needed. If the command is ended early, run it again.
    Delete {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Disables an app: the service refuses all its calls with 60016.
    Disable {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
    },
    /// Enables a disabled app.
    Enable {
        /// The number of the app.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Switch {
    On,
    Off,
}

impl Switch {
    #[must_use]
    fn is_on(self) -> bool {
        self == Self::On
    }
}

/// The settings that a new app and a change have in common.
#[derive(Debug, Args)]
pub struct AppSettingArgs {
    /// The edition: `trial`, `standard`, `pro`, `pro_plus`, `enterprise`, `ultimate` or `premium` (a new app's default). `trial` and
    /// `standard` have only custom marks.
    #[arg(long)]
    edition: Option<Edition>,

    /// Which accounts must have been imported: none (`open`, a new app's default), that of the user (`owners`), or also the
    /// other user or the chat group (`strict`).
    #[arg(long)]
    directory: Option<Directory>,

    /// What users may do with their own state through the native API, with a UserSig of their own: `none` (a new app's
    /// default), `read` or `write`.
    #[arg(long, value_name = "ACCESS")]
    user_access: Option<UserAccess>,

    /// A web site whose pages may call the native API, such as `https://chat.example.com`. Can be given several
    /// times; replaces all.
    #[arg(long = "allowed-origin", value_name = "URL")]
    allowed_origins: Vec<Origin>,

    /// Let no web site call the native API.
    #[arg(long, conflicts_with = "allowed_origins")]
    no_allowed_origins: bool,

    /// Whether changes are appended to the app's feed, which `GET /v1/apps/<SDKAPPID>/changes` reads: `off` for a new app. Turn
    /// it on after all processes of the service have this version.
    #[arg(long)]
    feed: Option<Switch>,

    /// A limit to change, as NAME=NUMBER. Can be given several times; `app show` prints the names.
    #[arg(long = "limit", value_name = "NAME=NUMBER")]
    limits: Vec<LimitChange>,
}

impl AppSettingArgs {
    pub fn settings(self) -> anyhow::Result<AppSettings> {
        let origins = self.allowed_origins;
        if origins.len() > ORIGINS_MAX as usize {
            anyhow::bail!("--allowed-origin can be given at most {ORIGINS_MAX} times");
        }
        let replaces_origins = self.no_allowed_origins || !origins.is_empty();
        Ok(AppSettings {
            name: None,
            edition: self.edition,
            directory: self.directory,
            disabled: None,
            feed: self.feed.map(Switch::is_on),
            limits: self.limits,
            user_access: self.user_access,
            allowed_origins: replaces_origins.then_some(origins),
        })
    }
}
