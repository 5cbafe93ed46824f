//! `earmark app`: creates, shows and changes apps.

use anyhow::Context;

use super::{check_schema, connect, print};
use crate::config::{AppArgs, AppCommand};
use crate::deadline::Deadline;
use crate::domain::{App, SdkAppId, SecretKey};
use crate::service::{self, AppChange, AppSettings};
use crate::store::Store;

pub(super) async fn run(settings: AppArgs) -> anyhow::Result<()> {
    let store = connect(&settings.database).await?;
    check_schema(&store).await?;
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
            show(&app)?;
            show_key(&app, is_generated)
        }
        AppCommand::List => {
            let apps = service::list_apps(&store, Deadline::of_a_request()).await?;
            apps.iter().try_for_each(show)
        }
        AppCommand::Show { sdk_app_id } => {
            let app = service::load_app(&store, sdk_app_id, Deadline::of_a_request()).await?;
            show(&found(app, sdk_app_id)?)
        }
        AppCommand::RotateKey { sdk_app_id, key, retire: false } => {
            let (secret_key, is_generated) = given_or_generated(key.secret_key()?)?;
            let app = update(&store, sdk_app_id, AppChange::RotateKey(secret_key)).await?;
            show(&app)?;
            show_key(&app, is_generated)
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

/// Prints a generated key, since the operator has no other way to learn it.
fn show_key(app: &App, is_generated: bool) -> anyhow::Result<()> {
    if is_generated { print(&format!("secret key: {}", app.secret_key.reveal())) } else { Ok(()) }
}

fn show(app: &App) -> anyhow::Result<()> {
    print(&format!(
        "app {}: edition {}, directory {}, {}, {} good, admins: {}\n  limits: {}",
        app.sdk_app_id,
        app.edition.name(),
        app.directory.name(),
        if app.disabled { "disabled" } else { "enabled" },
        if app.previous_secret_key.is_some() { "2 keys" } else { "1 key" },
        app.admins.join(", "),
        app.limits,
    ))
}
