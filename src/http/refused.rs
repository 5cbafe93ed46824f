//! The last refused requests of each app, for operators who look for the cause. They are in the memory of this process only.
//!
//! Strangers can be refused as often as they like, so the memory is bounded in each direction: apps, requests of an app, and bytes
//! of a text. Requests that were refused for the same reason share an entry, so that one client cannot displace the others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use smol_str::SmolStr;

use crate::domain::SdkAppId;

/// Apps with refused requests. If there are more, the app goes that was refused least recently.
const APPS_MAX: usize = 100;
/// Entries of an app. If there are more, the oldest goes.
const ENTRIES_MAX: usize = 100;
/// Longest text of an entry, in bytes of UTF-8.
const TEXT_BYTES_MAX: usize = 300;
/// How long an entry stays after its last request, in seconds: a day.
const AGE_MAX_S: u64 = 24 * 3600;

/// Why requests were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) call: &'static str,
    /// The `ErrorCode`, or the `ResultCode` of the first refused item.
    pub(super) code: u32,
    /// The `ErrorInfo`, or the `ResultInfo` of the first refused item.
    pub(super) info: String,
    /// Whose state the request was about, if the caller's credentials were right and the request named a user.
    pub(super) user: Option<SmolStr>,
    /// How many items were refused, and of how many; `None` if the whole request was.
    pub(super) items: Option<(u64, u64)>,
    /// Whether the credentials were right.
    pub(super) is_admitted: bool,
}

/// A reason, and the last request that was refused for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) refused: Refused,
    /// Unix seconds of the last request.
    pub(super) at: u64,
    pub(super) request_id: String,
    /// Requests that were refused for this reason.
    pub(super) times: u64,
}

/// All worker threads share it.
#[derive(Debug, Clone, Default)]
pub struct RefusedRequests(Arc<Mutex<BTreeMap<SdkAppId, VecDeque<Entry>>>>);

impl RefusedRequests {
    /// Notes a request. The app must exist, since strangers can name any number.
    pub(super) fn note(&self, app: SdkAppId, mut refused: Refused, at: u64, request_id: String) {
        shorten(&mut refused.info);
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if apps.len() >= APPS_MAX && !apps.contains_key(&app) {
            let last = |entries: &VecDeque<Entry>| entries.front().map_or(0, |entry| entry.at);
            let least_recent = apps.iter().min_by_key(|(_, entries)| last(entries));
            if let Some(least_recent) = least_recent.map(|(app, _)| *app) {
                apps.remove(&least_recent);
            }
        }
        let entries = apps.entry(app).or_default();
        entries.retain(|entry| at.saturating_sub(entry.at) <= AGE_MAX_S);
        let known = entries.iter().position(|entry| entry.refused.is_same(&refused));
        let before = known.and_then(|known| entries.remove(known)).map_or(0, |entry| entry.times);
        entries.push_front(Entry { refused, at, request_id, times: before + 1 });
        entries.truncate(ENTRIES_MAX);
    }

    /// The entries of an app, newest first.
    pub(super) fn of(&self, app: SdkAppId, now: u64) -> Vec<Entry> {
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        apps.retain(|_, entries| {
            entries.retain(|entry| now.saturating_sub(entry.at) <= AGE_MAX_S);
            !entries.is_empty()
        });
        apps.get(&app).into_iter().flatten().cloned().collect()
    }

    /// Forgets what was about a user.
    pub(super) fn forget_user(&self, app: SdkAppId, user: &str) {
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entries) = apps.get_mut(&app) {
            entries.retain(|entry| entry.refused.user.as_deref() != Some(user));
        }
    }

    pub(super) fn forget_app(&self, app: SdkAppId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&app);
    }
}

impl Refused {
    /// Without right credentials, only the code counts: it is all that a stranger cannot choose freely.
    fn is_same(&self, other: &Self) -> bool {
        let is_same_call = self.call == other.call && self.user == other.user;
        let is_same_reason = self.code == other.code && self.is_admitted == other.is_admitted;
        let is_same_text = self.info == other.info && self.items.is_some() == other.items.is_some();
        is_same_reason && (!self.is_admitted || (is_same_call && is_same_text))
    }
}

fn shorten(text: &mut String) {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX - '…'.len_utf8()));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: i64 = 7;

    fn app(number: i64) -> SdkAppId {
        SdkAppId::new(number).unwrap()
    }

    fn refused(user: &str) -> Refused {
        let (user, info) = (Some(user.into()), "x".to_owned());
        Refused { call: "top", code: 50002, info, user, items: None, is_admitted: true }
    }

    fn note(requests: &RefusedRequests, refused: Refused, at: u64) {
        requests.note(app(APP), refused, at, format!("id-{at}"));
    }

    /// The users, times and request ids, newest first.
    fn shown(requests: &RefusedRequests, now: u64) -> Vec<(String, u64, String)> {
        let entries = requests.of(app(APP), now).into_iter();
        entries
            .map(|entry| {
                (entry.refused.user.unwrap_or_default().into(), entry.times, entry.request_id)
            })
            .collect()
    }

    #[test]
    fn requests_that_were_refused_for_one_reason_share_an_entry() {
        let requests = RefusedRequests::default();
        note(&requests, refused("a"), 1);
        note(&requests, refused("b"), 2);
        note(&requests, refused("a"), 3);
        note(&requests, Refused { items: Some((1, 2)), ..refused("a") }, 4);
        let expected = [("a", 1, "id-4"), ("a", 2, "id-3"), ("b", 1, "id-2")]
            .map(|(user, times, id)| (user.to_owned(), times, id.to_owned()));
        assert_eq!(shown(&requests, 4), expected);
    }

    #[test]
    fn strangers_fill_one_entry_for_each_code() {
        let requests = RefusedRequests::default();
        note(&requests, refused("a"), 0);
        for at in 1..=1000 {
            let info = format!("{at}");
            let stranger =
                Refused { code: 70003, info, user: None, is_admitted: false, ..refused("") };
            note(&requests, stranger, at);
        }
        let expected = [("", 1000, "id-1000"), ("a", 1, "id-0")]
            .map(|(user, times, id)| (user.to_owned(), times, id.to_owned()));
        assert_eq!(shown(&requests, 1000), expected);
    }

    #[test]
    fn an_app_has_its_newest_hundred() {
        let requests = RefusedRequests::default();
        for (count, kept) in [(99, 99), (100, 100), (101, 100)] {
            for at in 0..count {
                note(&requests, refused(&at.to_string()), at);
            }
            let found = shown(&requests, count);
            assert_eq!((found.len(), &found[0].0), (kept, &(count - 1).to_string()));
        }
    }

    #[test]
    fn the_app_that_was_refused_least_recently_makes_room_for_a_new_one() {
        let requests = RefusedRequests::default();
        let most = i64::try_from(APPS_MAX).unwrap();
        for number in 1..=most {
            requests.note(app(number), refused("a"), number.unsigned_abs(), String::new());
        }
        requests.note(app(1), refused("b"), 1000, String::new());
        requests.note(app(most + 1), refused("a"), 1001, String::new());
        let has = |number| !requests.of(app(number), 1001).is_empty();
        assert_eq!([1, 2, 3, most + 1].map(has), [true, false, true, true]);
    }

    #[test]
    fn an_entry_ends_a_day_after_its_last_request() {
        let requests = RefusedRequests::default();
        note(&requests, refused("a"), 10);
        assert_eq!(shown(&requests, 10 + AGE_MAX_S).len(), 1);
        assert_eq!(shown(&requests, 11 + AGE_MAX_S), []);
    }

    #[test]
    fn what_was_about_an_erased_user_or_a_deleted_app_is_forgotten() {
        let requests = RefusedRequests::default();
        note(&requests, refused("a"), 1);
        note(&requests, refused("b"), 2);
        requests.forget_user(app(APP), "a");
        assert_eq!(shown(&requests, 2).len(), 1);
        requests.forget_app(app(APP));
        assert_eq!(shown(&requests, 2), []);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let requests = RefusedRequests::default();
        for (length, expected) in [(150, "ä".repeat(150)), (151, "ä".repeat(148) + "…")] {
            note(&requests, Refused { info: "ä".repeat(length), ..refused("a") }, 1);
            assert_eq!(requests.of(app(APP), 1)[0].refused.info, expected);
        }
    }
}
