//! Erasing a user.
//!
//! First the user's own state goes, in one transaction, and the account becomes gone. From then on no one can write about the
//! user: the rules refuse a conversation whose other end is gone. So the lists of the other users can be searched one after the
//! other, and what a search has left behind stays clean.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Until, retried, step};
use crate::audit::{Action, Operator};
use crate::deadline::Deadline;
use crate::domain::{App, Conversation, Counts, Presence, Refusal, UserId, UserKey, UserState};
use crate::error::Error;
use crate::limits::Limits;
use crate::service::audit::{begin, finish};
use crate::service::copies::copy_directory;
use crate::service::load_app;
use crate::store::accounts::Account;
use crate::store::erasing::user::{self, Step};
use crate::store::snapshot::Head;
use crate::store::{self, ChangedUser, KnownMembers, Partitions, Reader, Store, Tx};

/// Users whose lists are searched by one statement, which must end in time even if each look-up reads from a disk.
const SEARCHED_AT_ONCE: u32 = 2_000;
/// Users who are locked at once.
const LOCKED_AT_ONCE: usize = 100;
/// After this time, every transaction of the service is over: our sessions end one within eight seconds
/// (`src/store/pool/open.rs`).
const WRITERS_MAX: Duration = Duration::from_secs(10);
/// Between two looks at the transactions.
const WRITERS_PAUSE: Duration = Duration::from_millis(10);

/// What is known of a user.
#[derive(Debug, Clone)]
pub struct KnownUser {
    pub key: UserKey,
    pub head: Head,
    /// What counts against the limits.
    pub used: Counts,
    /// `None` if the user is not imported.
    pub account: Option<Account>,
    pub is_admin: bool,
}

/// What was erased of a user.
#[derive(Debug, Clone)]
pub struct ErasedUser {
    pub key: UserKey,
    /// The user was imported.
    pub had_account: bool,
    pub conversations: u64,
    pub contact_groups: u64,
    /// Other users who had a conversation with the user.
    pub lists: u64,
    /// If not, there is more to erase: call again, and go on after [`Self::next`].
    pub is_complete: bool,
    /// The last user whose list was searched. `None` if no list was searched yet, or all were.
    pub next: Option<UserId>,
    /// The account was imported again meanwhile, so the search has ended early.
    pub came_back: bool,
}

impl ErasedUser {
    /// For the audit trail.
    fn document(&self) -> Value {
        json!({
            "account": self.had_account, "conversations": self.conversations, "contact_groups": self.contact_groups,
            "lists": self.lists, "complete": self.is_complete,
        })
    }
}

/// Reads what is known of a user. Fails if the app does not exist.
pub async fn load_user(
    partitions: &Partitions,
    key: &UserKey,
    deadline: Deadline,
) -> Result<KnownUser, Error> {
    let load = load_app(partitions.shared(), key.sdk_app_id, deadline);
    let app = load.await?.ok_or(Refusal::UnknownApp)?;
    let read = partitions.of_user(key).clone().read(deadline, async |reader| {
        let (head, used) = store::snapshot::read_user(reader, key).await?;
        let account = store::accounts::load(reader, key).await?;
        let is_admin = app.admins.iter().any(|admin| admin == key.user_id.as_str());
        Ok(KnownUser { key: key.clone(), head, used, account, is_admin })
    });
    read.await
}

/// Erases everything about a user: account, marks, contact groups and pins, and the user's conversation in the lists of others. Goes on
/// after `after` if that is given.
///
/// What stays is the id with numbers: the revision, and that the account is gone (`docs/adr/0032-erasing.md`). If this is ended early,
/// call it again: it finds what is left.
pub async fn erase_user(
    partitions: &Partitions,
    key: &UserKey,
    after: Option<UserId>,
    operator: &Operator,
    until: Until,
) -> Result<ErasedUser, Error> {
    let app = load_app(partitions.shared(), key.sdk_app_id, until.step()).await?;
    let app = app.ok_or(Refusal::UnknownApp)?;
    let entry = operator.did(Action::UserErase).about_user(key);
    let number = retried(until, async |deadline| begin(partitions, &entry, deadline).await).await?;
    let erased = erase(partitions, key, &app, after, until).await?;
    finish(partitions, number, erased.document()).await;
    Ok(erased)
}

async fn erase(
    partitions: &Partitions,
    key: &UserKey,
    app: &App,
    after: Option<UserId>,
    until: Until,
) -> Result<ErasedUser, Error> {
    let own_part = partitions.of_user(key);
    let mut erased = ErasedUser {
        key: key.clone(),
        had_account: false,
        conversations: 0,
        contact_groups: 0,
        lists: 0,
        is_complete: false,
        next: after,
        came_back: false,
    };
    if erased.next.is_none() {
        let own = step(own_part, until, async |tx| erase_own(tx, key, &app.limits).await).await?;
        if let Some(own) = own {
            erased.had_account = own.had_account;
            erased.conversations = own.conversations;
            erased.contact_groups = own.contact_groups;
        }
        copy_directory(partitions, own_part, key.sdk_app_id, until.step()).await?;
        for part in partitions.each() {
            if !wait_for_writers(part, until).await? || until.is_over() {
                return Ok(erased);
            }
        }
    }
    match leave_lists(partitions, app, &mut erased, until).await {
        // The caller must hear of what is done, and goes on from there.
        Err(Error::Unavailable(_)) if until.is_over() => {}
        done => done?,
    }
    Ok(erased)
}

/// What was erased of the user's own state.
struct Own {
    had_account: bool,
    conversations: u64,
    contact_groups: u64,
}

/// Returns `None` if nothing is left to erase.
async fn erase_own(tx: &mut Tx<'_>, key: &UserKey, limits: &Limits) -> Result<Option<Own>, Error> {
    // A user without a row gets one, since the row is the lock.
    let mut states = store::users::lock(tx, &BTreeMap::from([(key.clone(), true)])).await?;
    store::conversations::load(tx, &mut states, &BTreeSet::new(), &KnownMembers::default()).await?;
    store::contact_groups::load(tx, &mut states, &[key]).await?;
    let Some(state) = states.get_mut(key) else {
        return Err(Error::internal("a user was locked who has no row"));
    };
    if state.owner == Presence::Gone {
        return Ok(None);
    }
    let own = Own {
        had_account: state.owner == Presence::Present,
        conversations: state.numbers.counts.rows.into(),
        contact_groups: state.groups.len() as u64,
    };
    state.erase();
    let directory = store::accounts::delete(tx, &[key]).await?;
    let changed = ChangedUser { key, state, limits, revision: next_revision(state) };
    store::users::save(tx, &[changed], &directory).await?;
    Ok(Some(own))
}

/// Waits until every transaction is over that may have read, before the user was gone, that the user exists. Returns false if the time
/// was too short.
async fn wait_for_writers(store: &Store, until: Until) -> Result<bool, Error> {
    let writers = async || {
        let read = store.clone().read(until.step(), async |reader| user::writers(reader).await);
        Ok::<BTreeSet<String>, Error>(read.await?.into_iter().collect())
    };
    let end = Instant::now() + WRITERS_MAX;
    let mut left = writers().await?;
    while !left.is_empty() && Instant::now() < end {
        if until.is_over() {
            return Ok(false);
        }
        sleep(WRITERS_PAUSE).await;
        let now = writers().await?;
        left.retain(|transaction| now.contains(transaction));
    }
    Ok(true)
}

/// Removes the user from the lists of the others, in the order of their ids.
async fn leave_lists(
    partitions: &Partitions,
    app: &App,
    erased: &mut ErasedUser,
    until: Until,
) -> Result<(), Error> {
    let conversation = Conversation::OneToOne(erased.key.user_id.clone());
    let searched = (SEARCHED_AT_ONCE / u32::from(partitions.count())).max(1);
    loop {
        let after = erased.next.as_ref();
        let finds = partitions.each().iter().map(async |part| {
            let find = async |deadline| {
                let find = async |reader: &mut Reader<'_>| {
                    user::find(reader, app.sdk_app_id, &conversation, after, searched).await
                };
                part.clone().read(deadline, find).await
            };
            retried(until, find).await
        });
        let steps = try_join_all(finds).await?;
        // Up to this user, every partition was searched.
        let last = steps.iter().filter_map(|step| step.last.clone()).min();
        for (part, Step { mut found, .. }) in partitions.each().iter().zip(steps) {
            found.retain(|key| last.as_ref().is_none_or(|last| key.user_id <= *last));
            for users in found.chunks(LOCKED_AT_ONCE) {
                let work =
                    async |tx: &mut Tx<'_>| leave(tx, users, &conversation, &app.limits).await;
                let Some(left) = step(part, until, work).await? else {
                    erased.came_back = true;
                    return Ok(());
                };
                erased.lists += left;
                if !partitions.is_divided() {
                    erased.next = users.last().map(|key| key.user_id.clone());
                }
                if until.is_over() {
                    return Ok(());
                }
            }
        }
        erased.is_complete = last.is_none();
        erased.next = last;
        if erased.is_complete || until.is_over() {
            return Ok(());
        }
    }
}

/// Removes a conversation from the lists of these users, who are sorted. Returns how many had it, or `None` if its other end has
/// come back: then the lists may tell of the new account.
async fn leave(
    tx: &mut Tx<'_>,
    users: &[UserKey],
    conversation: &Conversation,
    limits: &Limits,
) -> Result<Option<u64>, Error> {
    let keys = users.iter().map(|key| (key.clone(), false)).collect();
    let mut states = store::users::lock(tx, &keys).await?;
    let touched = users.iter().map(|key| (key, conversation)).collect();
    store::conversations::load(tx, &mut states, &touched, &KnownMembers::default()).await?;
    let peers = states.values().filter_map(|state| state.entries.get(conversation));
    if peers.into_iter().any(|entry| entry.peer != Presence::Gone) {
        return Ok(None);
    }
    states.retain(|_, state| state.remove_erased(conversation));
    if states.is_empty() {
        return Ok(Some(0));
    }
    user::delete_rows(tx, &states, conversation).await?;
    let change = |(key, state)| ChangedUser { key, state, limits, revision: next_revision(state) };
    let changed: Vec<_> = states.iter().map(change).collect();
    store::users::save(tx, &changed, &[]).await?;
    Ok(Some(changed.len() as u64))
}

fn next_revision(state: &UserState) -> u64 {
    state.numbers.revision + 1
}
