//! How operators create and change apps. The entry of the audit trail is written in the transaction of the change.

use super::copies::copy_app;
use crate::audit::{Action, Entry, Operator, app_document};
use crate::deadline::Deadline;
use crate::domain::{
    App, AppName, Directory, Edition, MarkBit, MarkNames, NamedMark, Origin, Refusal, SdkAppId,
    SecretKey, UserAccess,
};
use crate::error::Error;
use crate::limits::LimitChange;
use crate::store::{self, Partitions, Tx};

/// New settings of an app. `None` leaves a setting unchanged.
#[derive(Debug, Clone, Default)]
pub struct AppSettings {
    pub name: Option<AppName>,
    pub edition: Option<Edition>,
    pub directory: Option<Directory>,
    /// `true` refuses every call.
    pub disabled: Option<bool>,
    pub limits: Vec<LimitChange>,
    pub user_access: Option<UserAccess>,
    /// Replaces all of them.
    pub allowed_origins: Option<Vec<Origin>>,
    pub feed: Option<bool>,
}

impl AppSettings {
    pub fn apply(self, app: &mut App) {
        if let Some(name) = self.name {
            app.name = name;
        }
        app.edition = self.edition.unwrap_or(app.edition);
        app.directory = self.directory.unwrap_or(app.directory);
        app.disabled = self.disabled.unwrap_or(app.disabled);
        app.limits.change(self.limits);
        app.user_access = self.user_access.unwrap_or(app.user_access);
        if let Some(origins) = self.allowed_origins {
            app.allowed_origins = origins;
            app.allowed_origins.sort_unstable();
            app.allowed_origins.dedup();
        }
        app.feed = self.feed.unwrap_or(app.feed);
    }
}

#[derive(Debug, Clone)]
pub enum AppChange {
    Set(AppSettings),
    /// Adds a secret key. `force` ends the validity of the older one if two keys are valid.
    RotateKey {
        key: SecretKey,
        force: bool,
    },
    /// Ends the validity of the key with this id.
    RetireKey {
        id: i64,
    },
    AddAdmin(String),
    RemoveAdmin(String),
    NameMark(MarkBit, NamedMark),
    /// Replaces the names of all marks.
    NameMarks(MarkNames),
    /// Takes the name of a mark away.
    UnnameMark(MarkBit),
}

impl AppChange {
    /// Whether the partitions have a copy of what changes.
    fn is_copied(&self) -> bool {
        matches!(self, Self::Set(settings) if settings.disabled.is_some() || settings.feed.is_some())
    }

    fn entry(&self, operator: &Operator) -> Entry {
        match self {
            Self::Set(_) => operator.did(Action::AppSet),
            Self::RotateKey { .. } => operator.did(Action::AppRotateKey),
            Self::RetireKey { id } => operator.did(Action::AppRetireKey).about(id),
            Self::AddAdmin(admin) => operator.did(Action::AppAddAdmin).about(admin),
            Self::RemoveAdmin(admin) => operator.did(Action::AppRemoveAdmin).about(admin),
            Self::NameMark(..) | Self::NameMarks(_) | Self::UnnameMark(_) => {
                operator.did(Action::AppNameMarks)
            }
        }
    }

    fn apply(self, app: &mut App) -> Result<(), Refusal> {
        match self {
            Self::Set(settings) => settings.apply(app),
            Self::RotateKey { key, force } => app.rotate_key(key, force).map_err(Refusal::Key)?,
            Self::RetireKey { id } => app.retire_key(id).map_err(Refusal::Key)?,
            Self::AddAdmin(admin) => app.admins.push(admin),
            Self::RemoveAdmin(admin) => app.admins.retain(|other| *other != admin),
            Self::NameMark(bit, mark) => {
                if !app.marks.insert(bit, mark) {
                    return Err(Refusal::MarkNameTaken);
                }
            }
            Self::NameMarks(marks) => app.marks = marks,
            Self::UnnameMark(bit) => app.marks.remove(bit),
        }
        app.admins.sort_unstable();
        app.admins.dedup();
        Ok(())
    }
}

/// An app after a change.
#[derive(Debug, Clone)]
pub struct ChangedApp {
    pub app: App,
    /// The app was not so before.
    pub is_changed: bool,
}

/// Returns `None` if the app's number is taken.
pub async fn create_app(
    partitions: &Partitions,
    mut app: App,
    operator: &Operator,
    deadline: Deadline,
) -> Result<Option<App>, Error> {
    app.admins.sort_unstable();
    app.admins.dedup();
    let create = partitions.shared().clone().write(deadline, async |tx| {
        if !store::apps::insert(tx, &app).await? {
            return Ok(None);
        }
        let stored = store::apps::save(tx, &app).await?;
        let entry = operator.did(Action::AppCreate).in_app(stored.sdk_app_id);
        store::audit::add(tx, &entry.after(app_document(&stored))).await?;
        Ok(Some(stored))
    });
    let created = create.await?;
    if created.is_some() {
        copy_app(partitions, app.sdk_app_id, deadline).await.map_err(Error::after_commit)?;
    }
    Ok(created)
}

/// Returns the changed app, or `None` if there is no such app. `operator` is `None` if the app itself changes something, through
/// its API.
pub async fn update_app(
    partitions: &Partitions,
    sdk_app_id: SdkAppId,
    change: AppChange,
    operator: Option<&Operator>,
    deadline: Deadline,
) -> Result<Option<ChangedApp>, Error> {
    let is_copied = change.is_copied();
    let update = partitions.shared().clone().write(deadline, async move |tx| {
        let entry = operator.map(|operator| change.entry(operator));
        let Some((before, changed)) = update(tx, sdk_app_id, change).await? else {
            return Ok(None);
        };
        if let Some(entry) = entry.filter(|_| changed.is_changed) {
            let (before, after) = (app_document(&before), app_document(&changed.app));
            store::audit::add(tx, &entry.in_app(sdk_app_id).between(&before, &after)).await?;
        }
        Ok(Some(changed))
    });
    let updated = update.await?;
    // Also if nothing has changed: an earlier attempt may have made no copies.
    if updated.is_some() && is_copied {
        copy_app(partitions, sdk_app_id, deadline).await.map_err(Error::after_commit)?;
    }
    Ok(updated)
}

/// The app before and after a change.
pub(super) async fn update(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    change: AppChange,
) -> Result<Option<(App, ChangedApp)>, Error> {
    let Some(before) = store::apps::lock(tx, sdk_app_id).await? else { return Ok(None) };
    let mut app = before.clone();
    change.apply(&mut app)?;
    let is_changed = app != before;
    let app = if is_changed { store::apps::save(tx, &app).await? } else { app };
    Ok(Some((before, ChangedApp { app, is_changed })))
}

/// Disables an app that is about to be deleted, and turns its feed off, so that nothing is appended to it any more. With an
/// operator, also writes the entry of the deletion, and returns its number.
pub(super) async fn disable_to_delete(
    partitions: &Partitions,
    sdk_app_id: SdkAppId,
    operator: Option<&Operator>,
    deadline: Deadline,
) -> Result<Option<i64>, Error> {
    let disable = partitions.shared().clone().write(deadline, async |tx| {
        let settings =
            AppSettings { disabled: Some(true), feed: Some(false), ..AppSettings::default() };
        let updated = update(tx, sdk_app_id, AppChange::Set(settings)).await?;
        let (before, _) = updated.ok_or(Refusal::UnknownApp)?;
        let Some(operator) = operator else { return Ok(None) };
        let entry = operator.did(Action::AppDelete).in_app(sdk_app_id);
        Ok(Some(store::audit::add(tx, &entry.before(app_document(&before))).await?))
    });
    let number = disable.await?;
    copy_app(partitions, sdk_app_id, deadline).await.map_err(Error::after_commit)?;
    Ok(number)
}
