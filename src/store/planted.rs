//! Bugs to order, for the tests that prove that bugs of their kind are found. The feature `planted-bugs` compiles them in,
//! `EARMARK_PLANTED_BUG` chooses one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::{Changed, Connection, Reading, Tx};
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
            entry.bits = crate::domain::BitChange::default();
        }
    }
}

/// `panic`: somewhere on the way to a commit.
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
    /// `unchecked`: users are saved whoever has changed them since they were loaded.
    pub async fn forget_revisions(&mut self, changed: &[Changed<'_>]) -> Result<(), Error> {
        for (key, state, _) in changed.iter().filter(|_| strikes("unchecked", 1)) {
            sqlx::query("UPDATE users SET revision = $3 WHERE sdk_app_id = $1 AND user_id = $2")
                .bind(key.sdk_app_id.number())
                .bind(key.user_id.as_str())
                .bind(state.revision.cast_signed())
                .execute(self.session())
                .await?;
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
