//! All limits of the API, in one place.

use std::fmt;

pub const MARK_BITS: u64 = 64;
/// Longest request body, in bytes. The same for all apps.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of request bodies that the process holds at the same time.
pub const BODIES_BYTES_MAX: usize = 64 * BODY_BYTES_MAX;
/// Longest UserSig after inflation, in bytes. Stops zip bombs.
pub const USER_SIG_INFLATED_BYTES_MAX: u64 = 4 * 1024;
/// Entries in one call of `im_open_login_svc`.
pub const ACCOUNT_ITEMS_MAX: usize = 100;
pub const CHAT_GROUP_ITEMS_MAX: usize = 50;
/// Longest nick or face URL of an account, in bytes.
pub const ACCOUNT_VALUE_BYTES_MAX: usize = 500;
/// Longest name of a chat group, in bytes.
pub const CHAT_GROUP_NAME_BYTES_MAX: u32 = 30;
/// Secret keys of one app that are valid at the same time.
pub const SECRET_KEYS_MAX: usize = 2;
/// Shortest secret key text that an operator may choose, in bytes.
pub const SECRET_KEY_BYTES_MIN: usize = 16;
/// Longest secret key text, in bytes. It is in an index of PostgreSQL, whose entries have at most 2,704 bytes.
pub const SECRET_KEY_BYTES_MAX: usize = 1024;

/// Shortest operator token, in bytes.
pub const OPERATOR_TOKEN_BYTES_MIN: usize = 16;
/// Highest value of any limit. The columns of `apps` have the type `integer`.
pub const LIMIT_MAX: u32 = i32::MAX as u32;
/// Longest name of a mark, in bytes.
pub const MARK_NAME_BYTES_MAX: u32 = 32;
/// Ids of users in one answer of the admin API, and how many if the request does not say.
pub const USER_IDS_MAX: u32 = 100;
pub const USER_IDS_DEFAULT: u32 = 20;
/// How long a client may wait for changes in one call, in seconds.
pub const CHANGES_WAIT_MAX_S: u32 = 60;
/// Web sites of an app whose pages may call.
pub const ORIGINS_MAX: u32 = 20;
/// Longest name of an app, in characters.
pub const APP_NAME_CHARS_MAX: usize = 64;
/// Entries of the audit trail on one page.
pub const AUDIT_ENTRIES_MAX: u32 = 100;
/// Longest name of an app's admin, in bytes.
pub const IDENTIFIER_BYTES_MAX: u32 = 255;

const _: () = assert!(MARK_BITS == u64::BITS as u64, "a standard mark is one u64");

/// The limits of one app, stored in columns of `apps`. The defaults are those of Tencent's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Conversations with a standard or a custom mark, per user.
    pub marked: u32,
    /// Distinct conversations in contact groups, per user.
    pub grouped: u32,
    pub groups: u32,
    /// Longest name of a contact group, in bytes of UTF-8.
    pub group_name_bytes: u32,
    /// Longest custom mark, in bytes of UTF-8.
    pub custom_mark_bytes: u32,
    /// `MarkItem` entries per call.
    pub mark_items: u32,
    /// Conversations in one call that creates or changes a contact group.
    pub group_items: u32,
    /// Conversations in one `search_contact_group`.
    pub search_items: u32,
    /// Conversations on one page of `get_contact_group` and `get_list`.
    pub page_items: u32,
    /// Pinned conversations per user.
    pub pinned: u32,
    /// Longest UserID, in bytes of UTF-8.
    pub user_id_bytes: u32,
    /// Longest chat group id, in bytes of UTF-8.
    pub chat_group_id_bytes: u32,
    /// Calls per second and command; 0 = unlimited.
    pub calls_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            marked: 1000,
            grouped: 1000,
            groups: 20,
            group_name_bytes: 32,
            custom_mark_bytes: 256,
            mark_items: 100,
            group_items: 100,
            search_items: 300,
            page_items: 100,
            pinned: 50,
            user_id_bytes: 32,
            chat_group_id_bytes: 48,
            calls_per_second: 200,
        }
    }
}

/// `NAME=NUMBER`, as an operator writes a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitChange {
    name: &'static str,
    value: u32,
}

impl Limits {
    /// Each limit with the name that operators use.
    #[must_use]
    pub fn named(&mut self) -> [(&'static str, &mut u32); 13] {
        [
            ("marked", &mut self.marked),
            ("grouped", &mut self.grouped),
            ("groups", &mut self.groups),
            ("group-name-bytes", &mut self.group_name_bytes),
            ("custom-mark-bytes", &mut self.custom_mark_bytes),
            ("mark-items", &mut self.mark_items),
            ("group-items", &mut self.group_items),
            ("search-items", &mut self.search_items),
            ("page-items", &mut self.page_items),
            ("pinned", &mut self.pinned),
            ("user-id-bytes", &mut self.user_id_bytes),
            ("chat-group-id-bytes", &mut self.chat_group_id_bytes),
            ("calls-per-second", &mut self.calls_per_second),
        ]
    }

    pub fn change(&mut self, changes: impl IntoIterator<Item = LimitChange>) {
        for change in changes {
            let limit = self.named().into_iter().find(|(name, _)| *name == change.name);
            if let Some((_, value)) = limit {
                *value = change.value;
            }
        }
    }
}

impl LimitChange {
    /// Fails if no limit has the name `wanted`, or if `value` is out of range.
    pub fn new(wanted: &str, value: i128) -> Result<Self, String> {
        let mut limits = Limits::default();
        let Some((name, _)) = limits.named().into_iter().find(|(name, _)| *name == wanted) else {
            let names = limits.named().map(|(name, _)| name).join(", ");
            return Err(format!("{wanted} is not a limit; the limits are {names}"));
        };
        let lowest = u32::from(name != "calls-per-second");
        match u32::try_from(value) {
            Ok(value) if (lowest..=LIMIT_MAX).contains(&value) => Ok(Self { name, value }),
            _ => Err(format!("{name} must be a number from {lowest} to {LIMIT_MAX}")),
        }
    }
}

impl std::str::FromStr for LimitChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (wanted, number) = text.split_once('=').ok_or("must be NAME=NUMBER")?;
        // A text that is not a number gets the same error as -1, which is out of range.
        Self::new(wanted, number.parse::<u32>().map_or(-1, Into::into))
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut limits = *self;
        for (nr, (name, value)) in limits.named().into_iter().enumerate() {
            write!(out, "{}{name}={value}", if nr == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
