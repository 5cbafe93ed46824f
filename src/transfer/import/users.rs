//! Stores a batch of users.

use std::collections::BTreeMap;

use crate::domain::{App, Conversation, Counts, StoredUser, UserKey};
use crate::error::Error;
use crate::limits::Limits;
use crate::store::Tx;
use crate::store::transfer::{self as rows, ImportedUser};
use crate::transfer::FileProblem;
use crate::transfer::difference::{Ignored, account_differences, user_differences};
use crate::transfer::form::{self, FieldProblem};
use crate::transfer::reading::Place;

/// A user of the file.
pub(super) struct FileUser {
    pub(super) line: u64,
    pub(super) user: StoredUser,
}

/// What became of a batch.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) has_written: bool,
    pub(super) new: u64,
    /// Each with what was different.
    pub(super) changed: Vec<(String, Vec<String>)>,
    pub(super) conversations: u64,
    pub(super) refused: u64,
    pub(super) problems: Vec<FileProblem>,
}

/// Stores the users of an app who differ from what is stored. They are in the order of their ids.
pub(super) async fn save(tx: &mut Tx<'_>, app: &App, users: &[FileUser]) -> Result<Outcome, Error> {
    let sdk_app_id = app.sdk_app_id;
    let wanted: BTreeMap<UserKey, bool> =
        users.iter().map(|file| (key(app, &file.user), file.user.numbers.revision > 0)).collect();
    rows::lock(tx, &wanted).await?;
    let ids: Vec<&str> = users.iter().map(|file| file.user.user_id.as_str()).collect();
    let stored = rows::load(tx, sdk_app_id, &ids).await?;
    let owners = users.iter().map(|file| Conversation::OneToOne(file.user.user_id.clone()));
    let owners: Vec<_> = owners.collect();
    let gone = rows::gone_among(tx, sdk_app_id, owners.iter()).await?;

    let mut plan = Plan::default();
    for ((file, stored), owner) in users.iter().zip(&stored).zip(&owners) {
        plan.add(tx, app, file, stored, gone.contains(owner)).await?;
    }
    let Plan { accounts, imported, refused, mut outcome } = plan;
    if !refused.is_empty() {
        rows::remove_new(tx, sdk_app_id, &refused).await?;
    }
    let directory = rows::save_accounts(tx, sdk_app_id, &accounts).await?;
    rows::save(tx, sdk_app_id, &imported, &directory).await?;
    outcome.has_written = !accounts.is_empty() || !imported.is_empty();
    Ok(outcome)
}

pub(super) fn key(app: &App, user: &StoredUser) -> UserKey {
    UserKey { sdk_app_id: app.sdk_app_id, user_id: user.user_id.clone() }
}

/// What is to be written.
#[derive(Default)]
struct Plan<'u> {
    accounts: Vec<&'u StoredUser>,
    imported: Vec<ImportedUser>,
    refused: Vec<&'u str>,
    outcome: Outcome,
}

impl<'u> Plan<'u> {
    async fn add(
        &mut self,
        tx: &mut Tx<'_>,
        app: &App,
        file: &'u FileUser,
        stored: &StoredUser,
        is_gone: bool,
    ) -> Result<(), Error> {
        let user = &file.user;
        let changes_account = user.account.as_ref().is_some_and(|account| {
            let old = stored.account.as_ref();
            is_gone || old.is_none_or(|old| !account.agree_with(old))
        });
        let is_first = stored.numbers.revision == 0 && user.numbers.revision > 0;
        let changes_state = is_first || !user.has_state_of(stored);
        if !changes_account && !changes_state {
            return Ok(());
        }
        let taken = taken(tx, app, user).await?;
        if let Some(problem) = refusal(user, is_gone, taken, &app.limits) {
            let about = Place::User(user.user_id.as_str().to_owned()).about();
            self.outcome.problems.push(FileProblem::new(file.line, about, problem));
            self.outcome.refused += 1;
            self.refused.push(user.user_id.as_str());
            return Ok(());
        }
        self.note(user, stored, changes_account);
        if changes_account {
            self.accounts.push(user);
        }
        if changes_state {
            let key = key(app, user);
            let user = user.clone().in_place_of(stored);
            let room = user.room(&app.limits, taken);
            self.imported.push(ImportedUser { key, user, room, replaces: stored.has_state() });
        }
        Ok(())
    }

    fn note(&mut self, user: &StoredUser, stored: &StoredUser, changes_account: bool) {
        self.outcome.conversations += user.conversations.len() as u64;
        if stored.account.is_none() && stored.numbers.revision == 0 {
            self.outcome.new += 1;
            return;
        }
        let (old, new) = (form::User::from(stored), form::User::from(user));
        let mut found = user_differences(&old, &new, &[Ignored::Revisions]);
        if changes_account {
            let account = new.account.as_ref();
            found.extend(account_differences(old.account.as_ref(), account));
        }
        self.outcome.changed.push((user.user_id.as_str().to_owned(), found));
    }
}

/// What counts against the limits. Whose other ends are gone is asked only if it matters.
async fn taken(tx: &mut Tx<'_>, app: &App, user: &StoredUser) -> Result<Counts, Error> {
    let taken = user.taken(|_| false);
    let limits = &app.limits;
    if too_many(taken, limits).is_none() {
        return Ok(taken);
    }
    let conversations = user.conversations.iter().map(|row| &row.conversation);
    let gone = rows::gone_among(tx, app.sdk_app_id, conversations).await?;
    Ok(user.taken(|conversation| gone.contains(conversation)))
}

fn too_many(taken: Counts, limits: &Limits) -> Option<FieldProblem> {
    let found = [
        ("marked", "marked", taken.marked, limits.marked),
        ("in contact groups", "grouped", taken.grouped, limits.grouped),
        ("pinned", "pinned", taken.pinned, limits.pinned),
    ];
    let (what, limit, taken, max) = found.into_iter().find(|(.., taken, max)| taken > max)?;
    let reason = format!("{taken} are {what}, at most {max} may be (limit `{limit}`)");
    Some(FieldProblem::new("conversations", reason))
}

fn refusal(
    user: &StoredUser,
    is_gone: bool,
    taken: Counts,
    limits: &Limits,
) -> Option<FieldProblem> {
    if is_gone && user.account.is_none() && user.has_state() {
        let reason =
            "the user is deleted in the app, and the file has no account that brings it back";
        return Some(FieldProblem::new("account", reason));
    }
    too_many(taken, limits)
}
