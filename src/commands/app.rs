//! `earmark app`: creates, shows and changes apps.

use std::fmt::{self, Display, Formatter};

use anyhow::Context;
use serde::{Serialize, Serializer};

use super::{check_schema, connect, joined};
use crate::config::{AppArgs, AppCommand, Output};
use crate::deadline::Deadline;
use crate::domain::{App, SdkAppId, SecretKey};
use crate::http::app_document;
use crate::service::{self, AppChange, AppSettings};
use crate::store::Store;

pub(super) async fn run(settings: AppArgs, output: Output) -> anyhow::Result<()> {
    let store = connect(&settings.database).await?;
    check_schema(&store).await?;
    let show = |app: &App| output.print(&ShownApp { app, is_key_new: false });
    // The operator has no other way to learn a generated key.
    let show_with_key = |app: &App, is_key_new| output.print(&ShownApp { app, is_key_new });
    match settings.command {
        AppCommand::Create { sdk_app_id, edition, directory, admins, key, limits } => {
            let (secret_key, is_generated) = given_or_generated(key.secret_key()?)?;
            let mut app = App::new(sdk_app_id, secret_key);
            AppSettings { edition, directory, limits, ..AppSettings::default() }.apply(&mut app);
            if !admins.is_empty() {
                app.admins = admins;
            }
            let created = service::create_app(&store, app, Deadline::of_a_request()).await?;
            let app = created.with_context(|| format!("there is an app {sdk_app_id} already"))?;
            show_with_key(&app, is_generated)
        }
        AppCommand::List => {
            let apps = service::list_apps(&store, Deadline::of_a_request()).await?;
            let apps = apps.iter().map(|app| ShownApp { app, is_key_new: false }).collect();
            output.print(&ShownApps { apps })
        }
        AppCommand::Show { sdk_app_id } => {
            let app = service::load_app(&store, sdk_app_id, Deadline::of_a_request()).await?;
            show(&found(app, sdk_app_id)?)
        }
        AppCommand::RotateKey { sdk_app_id, key, retire: false } => {
            let (secret_key, is_generated) = given_or_generated(key.secret_key()?)?;
            let app = update(&store, sdk_app_id, AppChange::RotateKey(secret_key)).await?;
            show_with_key(&app, is_generated)
        }
        AppCommand::RotateKey { sdk_app_id, retire: true, .. } => {
            show(&update(&store, sdk_app_id, AppChange::RetireKey).await?)
        }
        AppCommand::Set { sdk_app_id, edition, directory, limits } => {
            let settings = AppSettings { edition, directory, limits, ..AppSettings::default() };
            show(&update(&store, sdk_app_id, AppChange::Set(settings)).await?)
        }
        AppCommand::AddAdmin { sdk_app_id, identifier } => {
            show(&update(&store, sdk_app_id, AppChange::AddAdmin(identifier)).await?)
        }
        AppCommand::RemoveAdmin { sdk_app_id, identifier } => {
            show(&update(&store, sdk_app_id, AppChange::RemoveAdmin(identifier)).await?)
        }
        AppCommand::Disable { sdk_app_id, undo } => {
            let settings = AppSettings { disabled: Some(!undo), ..AppSettings::default() };
            show(&update(&store, sdk_app_id, AppChange::Set(settings)).await?)
        }
    }
}

async fn update(store: &Store, sdk_app_id: SdkAppId, change: AppChange) -> anyhow::Result<App> {
    let deadline = Deadline::of_a_request();
    found(service::update_app(store, sdk_app_id, change, deadline).await?, sdk_app_id)
}

fn found(app: Option<App>, sdk_app_id: SdkAppId) -> anyhow::Result<App> {
    app.with_context(|| format!("there is no app {sdk_app_id}"))
}

/// The key, and whether this command generated it.
fn given_or_generated(given: Option<SecretKey>) -> anyhow::Result<(SecretKey, bool)> {
    match given {
        Some(key) => Ok((key, false)),
        None => Ok((service::random_secret_key()?, true)),
    }
}

/// An app as text, or as the document that the admin API answers with.
struct ShownApp<'a> {
    app: &'a App,
    /// This command has generated the key.
    is_key_new: bool,
}

#[derive(Serialize)]
struct ShownApps<'a> {
    apps: Vec<ShownApp<'a>>,
}

impl Serialize for ShownApp<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        app_document(self.app, self.is_key_new).serialize(serializer)
    }
}

impl Display for ShownApp<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&described(self.app))?;
        if self.is_key_new {
            write!(out, "\nsecret key: {}", self.app.secret_key.reveal())?;
        }
        Ok(())
    }
}

impl Display for ShownApps<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        joined(out, &self.apps)
    }
}

fn described(app: &App) -> String {
    format!(
        "app {}: edition {}, directory {}, {}, {} good, admins: {}\n  limits: {}",
        app.sdk_app_id,
        app.edition.name(),
        app.directory.name(),
        if app.disabled { "disabled" } else { "enabled" },
        if app.previous_secret_key.is_some() { "2 keys" } else { "1 key" },
        app.admins.join(", "),
        app.limits,
    )
}
