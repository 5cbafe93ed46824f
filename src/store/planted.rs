//! Bugs to order, for the tests that prove that bugs of their kind are found. The feature `planted-bugs` compiles them in,
//! `EARMARK_PLANTED_BUG` chooses one.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::{Connection, Reading, Tx};
use crate::domain::{UserKey, UserState};
use crate::error::Error;

static CHOSEN: LazyLock<String> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "no setting of the program: no build has it")]
    std::env::var("EARMARK_PLANTED_BUG").unwrap_or_default()
});

/// What each page was, the last time that it was read.
static PAGES: LazyLock<Mutex<HashMap<UserKey, Reading>>> = LazyLock::new(Mutex::default);

/// The bug was chosen, and it is its turn: once in so many times.
fn strikes(bug: &str, once_in: u32) -> bool {
    static TIMES: AtomicU32 = AtomicU32::new(0);
    *CHOSEN == bug && TIMES.fetch_add(1, Ordering::Relaxed) % once_in == once_in - 1
}

/// `lost-update`: a write is applied to the state as it was loaded, without what others in the same batch have done to it.
pub fn forget_others(state: &mut UserState) {
    if strikes("lost-update", 1) {
        (state.counts, state.next_position, _) = state.stored_counts();
        for entry in state.entries.values_mut() {
            entry.after = entry.before.clone();
        }
    }
}

/// `panic`: somewhere on the way to a commit.
///
/// # Panics
///
/// That is what it is for: every twentieth time, if it was chosen.
pub fn panic() {
    assert!(!strikes("panic", 20), "a planted panic");
}

/// `stale-read`: what was read the last time.
pub(super) fn perhaps_stale(key: &UserKey, reading: Reading) -> Reading {
    if *CHOSEN != "stale-read" {
        return reading;
    }
    let mut pages = PAGES.lock().unwrap_or_else(PoisonError::into_inner);
    let earlier = pages.insert(key.clone(), reading.clone());
    earlier.filter(|_| strikes("stale-read", 10)).unwrap_or(reading)
}

/// `not-durable`: a server whose commits do not wait for the disk is taken for one whose commits do.
pub(super) fn durably(durably: bool) -> bool {
    durably || *CHOSEN == "not-durable"
}

impl Connection {
    /// `unchecked`: what was loaded is taken for what is there, whoever has changed it since.
    pub async fn forget_versions(
        &mut self,
        states: &mut BTreeMap<UserKey, UserState>,
    ) -> Result<(), Error> {
        for (key, state) in states.iter_mut().filter(|_| strikes("unchecked", 1)) {
            let revision = "SELECT revision FROM users WHERE sdk_app_id = $1 AND user_id = $2";
            let revision: Option<i64> = sqlx::query_scalar(revision)
                .bind(key.sdk_app_id.number())
                .bind(key.user_id.as_str())
                .fetch_optional(self.session())
                .await?;
            state.revision = revision.unwrap_or_default().unsigned_abs();
            for (conversation, entry) in &mut state.entries {
                let version = "SELECT xmin::text::bigint, ctid::text FROM conversations
                    WHERE sdk_app_id = $1 AND user_id = $2 AND kind = $3 AND peer_id = $4";
                let version: Option<(i64, Box<str>)> = sqlx::query_as(version)
                    .bind(key.sdk_app_id.number())
                    .bind(key.user_id.as_str())
                    .bind(conversation.kind())
                    .bind(conversation.peer_id())
                    .fetch_optional(self.session())
                    .await?;
                let (xmin, place) = version.unwrap_or_default();
                entry.version = super::conversations::version(xmin, place.into())?;
            }
        }
        Ok(())
    }
}

/// `not-committed`: what is answered as done was never committed.
pub(super) fn is_not_committed() -> bool {
    strikes("not-committed", 50)
}

impl Tx<'_> {
    /// The same where there is a transaction.
    pub async fn spoil_commit(&mut self) -> Result<(), Error> {
        if is_not_committed() {
            sqlx::raw_sql("ROLLBACK; BEGIN").execute(&mut *self.inner).await?;
        }
        Ok(())
    }
}
