//! Reads for the native API. Each is one statement, and says at which moment the state was as it shows it. A read finds no row if
//! the app was deleted after the request had loaded it.

use smol_str::SmolStr;

use super::columns::Column;
use super::contact_groups::contact_group;
use super::conversation_columns::{ConversationColumns, next};
use super::conversations::conversation;
use crate::domain::{
    ContactGroup, ContactGroupName, Conversation, ConversationState, Counts, CustomMark, Moment,
    PeerKind, Presence, Refusal, StandardMark, UserKey,
};
use crate::error::Error;
use crate::store::Reader;
use crate::store::convert::number;
use crate::store::directory::gone::presence;

/// What every read says about a user, also about one without state.
#[derive(Debug, Clone)]
pub struct Head {
    pub at: Moment,
    /// The presence of the user.
    pub owner: Presence,
    /// The highest revision of all rows that were removed, each taken at the row's last change.
    pub forgotten_revision: u64,
    /// The revision of the last change of the contact groups, or of which conversations are in them.
    pub groups_revision: u64,
    /// All contact groups of the user, in the user's order, each with the number of its conversations, which is 0 in reads
    /// that do not count them.
    pub groups: Vec<(ContactGroup, u32)>,
}

/// A conversation that is not empty and whose other end is not gone.
#[derive(Debug, Clone)]
pub struct Shown {
    pub conversation: Conversation,
    pub state: ConversationState,
    /// The user's revision of the last change of the conversation.
    pub revision: u64,
}

/// What is different since an earlier moment.
#[derive(Debug, Clone)]
pub struct Changes {
    pub head: Head,
    /// The oldest change first.
    pub conversations: Vec<Shown>,
    /// Conversations that are not shown any more, or never were.
    pub removed: Vec<Conversation>,
    /// The contact groups are different, or the numbers of their conversations. Only then the head has these numbers.
    pub groups_differ: bool,
}

impl Changes {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conversations.is_empty() && self.removed.is_empty() && !self.groups_differ
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Conversations that were only ever pinned come last.
    FirstMarked,
    /// The newest change of marks, contact groups or pin first.
    LastChanged,
    /// Pinned conversations first, the newest pin first; then the others, the newest change first.
    Pinned,
}

impl Order {
    pub const ALL: [Self; 3] = [Self::FirstMarked, Self::LastChanged, Self::Pinned];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstMarked => "first_marked",
            Self::LastChanged => "last_changed",
            Self::Pinned => "pinned",
        }
    }
}

/// Which conversations a list has. By default all that are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// At least one of these bits, all of these bits, none of these bits.
    pub any: StandardMark,
    pub all: StandardMark,
    pub none: StandardMark,
    pub kind: Option<PeerKind>,
    pub group: Option<ContactGroupName>,
    pub is_pinned: Option<bool>,
    pub has_custom: Option<bool>,
    pub custom: Option<CustomMark>,
}

/// The last conversation of a page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Grows along the list. Its meaning depends on the order.
    pub sort_key: i64,
    pub conversation: Conversation,
}

/// Takes the columns of the head out of a row of any statement.
macro_rules! head {
    ($row:expr) => {
        HeadColumns {
            owner_is_gone: $row.owner_is_gone,
            epoch: $row.epoch,
            directory_revision: $row.directory_revision,
            revision: $row.revision,
            forgotten_revision: $row.forgotten_revision,
            groups_revision: $row.groups_revision,
            group_ids: $row.contact_group_ids,
            group_names: $row.contact_group_names,
            group_sizes: $row.contact_group_sizes,
        }
        .head()
    };
}

struct HeadColumns {
    owner_is_gone: Option<bool>,
    epoch: i64,
    directory_revision: i64,
    revision: i64,
    forgotten_revision: i64,
    groups_revision: i64,
    group_ids: Vec<i32>,
    group_names: Vec<String>,
    group_sizes: Vec<i64>,
}

impl HeadColumns {
    fn head(self) -> Result<Head, Error> {
        let (mut names, mut sizes) = (self.group_names.into_iter(), self.group_sizes.into_iter());
        let group = |id| -> Result<_, Error> {
            let size = number("contact_groups, conversations", next(&mut sizes)?)?;
            Ok((contact_group(id, &next(&mut names)?, None)?, size))
        };
        Ok(Head {
            at: Moment {
                epoch: number("database_epoch.epoch", self.epoch)?,
                directory_revision: number("apps.directory_revision", self.directory_revision)?,
                revision: number("users.revision", self.revision)?,
            },
            owner: presence(self.owner_is_gone),
            forgotten_revision: number("users.forgotten_revision", self.forgotten_revision)?,
            groups_revision: number("users.groups_revision", self.groups_revision)?,
            groups: self.group_ids.into_iter().map(group).collect::<Result<_, _>>()?,
        })
    }
}

/// Takes the columns of conversations out of a row of any statement.
macro_rules! shown {
    ($row:expr) => {
        shown(
            ConversationColumns {
                kinds: $row.kinds.into(),
                peer_ids: $row.peer_ids.into(),
                standard_marks: $row.standard_marks.into(),
                custom_marks: $row.custom_marks.into(),
                group_ids: $row.group_ids.into(),
                positions: $row.positions.into(),
                pin_positions: $row.pin_positions.into(),
                changed_at: $row.changed_at.into(),
            },
            $row.changed_revisions.into(),
        )
    };
}

fn shown(columns: ConversationColumns, revisions: Vec<i64>) -> Result<Vec<Shown>, Error> {
    let mut revisions = revisions.into_iter();
    let shown = |(conversation, state)| {
        let revision = number("conversations.changed_revision", next(&mut revisions)?)?;
        Ok(Shown { conversation, state, revision })
    };
    columns.rows()?.into_iter().map(shown).collect()
}

/// Reads a user's contact groups, with the numbers of their conversations, and what counts against the limits.
pub async fn read_user(reader: &mut Reader<'_>, key: &UserKey) -> Result<(Head, Counts), Error> {
    let row = sqlx::query_file!(
        "src/store/sql/snapshot_user.sql",
        key.sdk_app_id.number(),
        key.user_id.as_str(),
    )
    .fetch_optional(reader.session())
    .await?
    .ok_or(Refusal::UnknownApp)?;
    let used = Counts {
        rows: 0,
        marked: number("conversations, marked", row.used_marked)?,
        grouped: number("conversations, grouped", row.used_grouped)?,
        pinned: number("conversations, pinned", row.used_pinned)?,
    };
    Ok((head!(row)?, used))
}

/// Reads one conversation; `None` if it is empty or its other end is gone.
pub async fn read_conversation(
    reader: &mut Reader<'_>,
    key: &UserKey,
    conversation: &Conversation,
) -> Result<(Head, Option<Shown>), Error> {
    let row = sqlx::query_file!(
        "src/store/sql/snapshot_conversation.sql",
        key.sdk_app_id.number(),
        key.user_id.as_str(),
        conversation.kind(),
        conversation.peer_id(),
    )
    .fetch_optional(reader.session())
    .await?
    .ok_or(Refusal::UnknownApp)?;
    let shown = shown!(row)?.pop();
    Ok((head!(row)?, shown))
}

/// Reads what is different since `since`, or only the head if that is `None`. The result means nothing if the head says that
/// `since` is not known.
pub async fn read_changes(
    reader: &mut Reader<'_>,
    key: &UserKey,
    since: Option<Moment>,
) -> Result<Changes, Error> {
    // A client can make up a number that no column holds. It lies in the future, and so does the greatest one.
    let or_greatest = |number| i64::try_from(number).unwrap_or(i64::MAX);
    let row = sqlx::query_file!(
        "src/store/sql/snapshot_changes.sql",
        key.sdk_app_id.number(),
        key.user_id.as_str(),
        since.map_or(i64::MAX, |since| or_greatest(since.revision)),
        since.map_or(i64::MAX, |since| or_greatest(since.directory_revision)),
    )
    .fetch_optional(reader.session())
    .await?
    .ok_or(Refusal::UnknownApp)?;
    let removed: Vec<i16> = row.removed_kinds.into();
    let peer_ids: Vec<SmolStr> = row.removed_peer_ids.into();
    let removed = removed.into_iter().zip(peer_ids).map(|(kind, id)| conversation(kind, id));
    Ok(Changes {
        conversations: shown!(row)?,
        removed: removed.collect::<Result<_, _>>()?,
        groups_differ: row.groups_differ,
        head: head!(row)?,
    })
}

/// Reads up to `limit` conversations after a place, each with its sort key.
pub async fn read_list(
    reader: &mut Reader<'_>,
    key: &UserKey,
    order: Order,
    filter: &Filter,
    after: Option<&Place>,
    limit: u32,
) -> Result<(Head, Vec<(Shown, i64)>), Error> {
    let row = sqlx::query_file!(
        "src/store/sql/snapshot_list.sql",
        key.sdk_app_id.number(),
        key.user_id.as_str(),
        order.name(),
        filter.any.bits().cast_signed(),
        filter.all.bits().cast_signed(),
        filter.none.bits().cast_signed(),
        filter.kind.map(PeerKind::number),
        filter.group.as_ref().map(ContactGroupName::as_str),
        filter.is_pinned,
        after.map(|place| place.sort_key),
        after.map(|place| place.conversation.kind()),
        after.map(|place| place.conversation.peer_id()),
        i64::from(limit),
        filter.has_custom,
        filter.custom.as_ref().map(CustomMark::as_str),
    )
    .fetch_optional(reader.session())
    .await?
    .ok_or(Refusal::UnknownApp)?;
    let sort_keys: Vec<i64> = row.sort_keys.into();
    let conversations = shown!(row)?.into_iter().zip(sort_keys).collect();
    Ok((head!(row)?, conversations))
}

#[cfg(test)]
mod tests {
    /// Citus supports no function for it.
    #[test]
    fn all_reads_have_the_same_head() {
        let head = |text: &'static str| {
            let begin = text.find("head AS MATERIALIZED (").unwrap();
            let end = text[begin..].find("\n)").unwrap();
            &text[begin..begin + end]
        };
        let expected = head(include_str!("../sql/snapshot_user.sql"));
        for other in [
            include_str!("../sql/snapshot_changes.sql"),
            include_str!("../sql/snapshot_conversation.sql"),
            include_str!("../sql/snapshot_list.sql"),
        ] {
            assert_eq!(head(other), expected);
        }
    }
}
