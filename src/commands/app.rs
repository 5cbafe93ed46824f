//! `earmark app`: creates, shows and changes apps.

use std::fmt::{self, Display, Formatter};

use anyhow::{Context, bail};
use serde::{Serialize, Serializer};

use super::{ago, check_schema, confirm, connect, joined, operator, unix_now};
use crate::config::{AppArgs, AppCommand, Output};
use crate::deadline::Deadline;
use crate::domain::{App, AppKey, AppName, KeyRefusal, Origin, Refusal, SdkAppId, SecretKey};
use crate::error::Error;
use crate::http::{app_document, changed_app_document, listed_app_document, removed_document};
use crate::service::{self, AppChange, AppSettings, AppSize, ChangedApp, RemovedApp, Until};
use crate::store::Partitions;

pub(super) async fn run(settings: AppArgs, output: Output) -> anyhow::Result<()> {
    let partitions = connect(&settings.database).await?;
    check_schema(&partitions).await?;
    let show = |changed: &ChangedApp| output.print(&Changed { changed, is_key_new: false });
    match settings.command {
        AppCommand::Create { sdk_app_id, name, settings, admins, key } => {
            let (secret_key, is_generated) = given_or_generated(key.secret_key()?)?;
            let mut app = App::new(sdk_app_id, secret_key);
            AppSettings { name, ..settings.settings()? }.apply(&mut app);
            if !admins.is_empty() {
                app.admins = admins;
            }
            let deadline = Deadline::of_a_request();
            let created = service::create_app(&partitions, app, &operator(), deadline).await?;
            let app = created.with_context(|| format!("there is an app {sdk_app_id} already"))?;
            // The operator has no other way to learn a generated key.
            output.print(&ShownApp { app: &app, is_key_new: is_generated })
        }
        AppCommand::List => list(&partitions, output).await,
        AppCommand::Show { sdk_app_id } => {
            let app = service::load_app(partitions.shared(), sdk_app_id, Deadline::of_a_request())
                .await?;
            output.print(&ShownApp { app: &found(app, sdk_app_id)?, is_key_new: false })
        }
        AppCommand::RotateKey { sdk_app_id, key, force } => {
            let (key, is_generated) = given_or_generated(key.secret_key()?)?;
            let change = AppChange::RotateKey { key, force };
            let changed = &update(&partitions, sdk_app_id, change).await?;
            output.print(&Changed { changed, is_key_new: is_generated })
        }
        AppCommand::RetireKey { sdk_app_id, key_id } => {
            show(&update(&partitions, sdk_app_id, AppChange::RetireKey { id: key_id }).await?)
        }
        AppCommand::Set { sdk_app_id, settings } => {
            let change = AppChange::Set(settings.settings()?);
            show(&update(&partitions, sdk_app_id, change).await?)
        }
        AppCommand::Rename { sdk_app_id, name } => {
            let named = AppSettings { name: Some(name), ..AppSettings::default() };
            show(&update(&partitions, sdk_app_id, AppChange::Set(named)).await?)
        }
        AppCommand::AddAdmin { sdk_app_id, identifier } => {
            show(&update(&partitions, sdk_app_id, AppChange::AddAdmin(identifier)).await?)
        }
        AppCommand::RemoveAdmin { sdk_app_id, identifier } => {
            show(&update(&partitions, sdk_app_id, AppChange::RemoveAdmin(identifier)).await?)
        }
        AppCommand::Reset { sdk_app_id, yes } => {
            end(&partitions, sdk_app_id, End::Reset, yes, output).await
        }
        AppCommand::Delete { sdk_app_id, yes } => {
            end(&partitions, sdk_app_id, End::Delete, yes, output).await
        }
        AppCommand::Disable { sdk_app_id } => {
            show(&update(&partitions, sdk_app_id, disabled(true)).await?)
        }
        AppCommand::Enable { sdk_app_id } => {
            show(&update(&partitions, sdk_app_id, disabled(false)).await?)
        }
    }
}

async fn list(partitions: &Partitions, output: Output) -> anyhow::Result<()> {
    let apps = service::list_apps(partitions.shared(), Deadline::of_a_request()).await?;
    let sizes = service::load_app_sizes(partitions, Deadline::of_a_request()).await?;
    let size = |app: &App| sizes.get(&app.sdk_app_id).copied();
    let apps = apps.iter().map(|app| ListedApp { app, size: size(app) }).collect();
    output.print(&ListedApps { apps })
}

fn disabled(disabled: bool) -> AppChange {
    AppChange::Set(AppSettings { disabled: Some(disabled), ..AppSettings::default() })
}

/// What ends of an app.
#[derive(Clone, Copy)]
enum End {
    /// The state of its users, and its directory.
    Reset,
    /// All of it.
    Delete,
}

async fn end(
    partitions: &Partitions,
    sdk_app_id: SdkAppId,
    what: End,
    yes: bool,
    output: Output,
) -> anyhow::Result<()> {
    let app = service::load_app(partitions.shared(), sdk_app_id, Deadline::of_a_request()).await?;
    found(app, sdk_app_id)?;
    if !yes {
        let warning = match what {
            End::Reset => {
                format!("This removes the state of all users of app {sdk_app_id}, for good")
            }
            End::Delete => {
                format!("This removes app {sdk_app_id} with the state of all its users, for good")
            }
        };
        confirm::typed(&warning, &sdk_app_id.to_string())?;
    }
    let by = &operator();
    let done = match what {
        End::Reset => service::reset_app(partitions, sdk_app_id, by, Until::Done).await,
        End::Delete => service::delete_app(partitions, sdk_app_id, by, Until::Done).await,
    };
    let done = done.context("it is not finished: run the command again")?;
    output.print(&Ended { sdk_app_id, what, done })
}

struct Ended {
    sdk_app_id: SdkAppId,
    what: End,
    done: RemovedApp,
}

impl Serialize for Ended {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        removed_document(self.sdk_app_id, &self.done).serialize(serializer)
    }
}

impl Display for Ended {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let removed = &self.done.removed;
        let what = match self.what {
            End::Reset => "reset",
            End::Delete => "deleted",
        };
        write!(
            out,
            "app {} is {what}: {} users, {} conversations, {} contact groups, {} accounts, {} chat groups, {} changes of the feed",
            self.sdk_app_id,
            removed.users,
            removed.conversations,
            removed.contact_groups,
            removed.accounts,
            removed.chat_groups,
            removed.changes
        )
    }
}

async fn update(
    partitions: &Partitions,
    sdk_app_id: SdkAppId,
    change: AppChange,
) -> anyhow::Result<ChangedApp> {
    let deadline = Deadline::of_a_request();
    match service::update_app(partitions, sdk_app_id, change, Some(&operator()), deadline).await {
        Err(Error::Refused(Refusal::Key(refusal))) => bail!(key_problem(sdk_app_id, refusal)),
        updated => found(updated?, sdk_app_id),
    }
}

fn key_problem(sdk_app_id: SdkAppId, refusal: KeyRefusal) -> String {
    match refusal {
        KeyRefusal::TwoKeysValid { older } => format!(
            "app {sdk_app_id} has two valid keys: retire one with `earmark app retire-key {sdk_app_id} {older}`, \
             or add --force, which ends the validity of key {older} at once"
        ),
        KeyRefusal::KeyValidAlready { id } => {
            format!(
                "this is key {id} of app {sdk_app_id}, which is valid already: choose another one"
            )
        }
        KeyRefusal::UnknownKey => {
            format!(
                "app {sdk_app_id} has no valid key with this id: see `earmark app show {sdk_app_id}`"
            )
        }
        KeyRefusal::OnlyKey => format!(
            "this is the only valid key of app {sdk_app_id}: rotate it first, or disable the app"
        ),
    }
}

fn found<T>(app: Option<T>, sdk_app_id: SdkAppId) -> anyhow::Result<T> {
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

/// An app after a change.
struct Changed<'a> {
    changed: &'a ChangedApp,
    /// This command has generated the key.
    is_key_new: bool,
}

impl Serialize for Changed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        changed_app_document(self.changed, self.is_key_new).serialize(serializer)
    }
}

impl Display for Changed<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let ChangedApp { app, is_changed } = self.changed;
        if !is_changed {
            writeln!(out, "unchanged")?;
        }
        ShownApp { app, is_key_new: self.is_key_new }.fmt(out)
    }
}

/// An app in a list.
struct ListedApp<'a> {
    app: &'a App,
    /// `None` if the app was never counted.
    size: Option<AppSize>,
}

#[derive(Serialize)]
struct ListedApps<'a> {
    apps: Vec<ListedApp<'a>>,
}

impl Serialize for ListedApp<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        listed_app_document(self.app, self.size).serialize(serializer)
    }
}

impl Display for ListedApp<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&described(self.app))?;
        let Some(size) = self.size else { return Ok(()) };
        let AppSize { users, conversations, users_at_limit, bytes, counted_at } = size;
        let counted = ago(counted_at, unix_now());
        write!(
            out,
            "\n  size: {users} users, {conversations} conversations, {users_at_limit} users at a limit, about {bytes} bytes, \
             counted {counted}"
        )
    }
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
            write!(out, "\nsecret key: {}", self.app.key.secret.reveal())?;
        }
        Ok(())
    }
}

impl Display for ListedApps<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        joined(out, &self.apps)
    }
}

fn described(app: &App) -> String {
    let now = unix_now();
    let keys: Vec<_> = app.keys().map(|key| described_key(key, now)).collect();
    format!(
        "app {}{}: edition {}, directory {}, {}{}, {} good, admins: {}\n{}\n  \
         native API: user access {}, allowed origins: {}\n  limits: {}",
        app.sdk_app_id,
        described_name(&app.name),
        app.edition.name(),
        app.directory.name(),
        if app.disabled { "disabled" } else { "enabled" },
        if app.feed { ", feed on" } else { "" },
        if app.previous_key.is_some() { "2 keys" } else { "1 key" },
        app.admins.join(", "),
        keys.join("\n"),
        app.user_access.name(),
        described_origins(&app.allowed_origins),
        app.limits,
    )
}

fn described_name(name: &AppName) -> String {
    match name.as_str() {
        "" => String::new(),
        name => format!(" {name:?}"),
    }
}

fn described_origins(origins: &[Origin]) -> String {
    if origins.is_empty() {
        return "none".to_owned();
    }
    origins.iter().map(Origin::as_str).collect::<Vec<_>>().join(", ")
}

fn described_key(key: &AppKey, now: u64) -> String {
    let used = key.last_used_at;
    let used =
        used.map_or_else(|| "never used".to_owned(), |at| format!("last used {}", ago(at, now)));
    format!("  key {}: created {}, {used}", key.id, ago(key.created_at, now))
}
