//! Conversations: one row for each conversation that is or was marked, grouped or pinned. The caller holds the user's lock.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::ChangedUser;
use crate::domain::{
    Conversation, ConversationState, Counts, CustomMark, Entry, Presence, SdkAppId, StandardMark,
    UserKey, UserState,
};
use crate::error::Error;
use crate::store::convert::{check_row_count, corrupt, number, required};
use crate::store::directory::gone::presence;
use crate::store::unnest::unnest;
use crate::store::{KnownMembers, Tx};

/// The columns of `conversations` that become [`ConversationState`].
pub(in crate::store) struct ConversationRow {
    pub(in crate::store) standard_mark: i64,
    pub(in crate::store) custom_mark: Box<str>,
    pub(in crate::store) holds_place: bool,
    pub(in crate::store) group_ids: Vec<i32>,
    pub(in crate::store) position: Option<i32>,
    pub(in crate::store) pin_position: Option<i32>,
    pub(in crate::store) changed_at: i64,
}

impl TryFrom<ConversationRow> for ConversationState {
    type Error = Error;

    fn try_from(row: ConversationRow) -> Result<Self, Error> {
        let position = |column, value: Option<i32>| value.map(|at| number(column, at)).transpose();
        let group_ids = row.group_ids.into_iter().map(|id| number("conversations.group_ids", id));
        Ok(Self {
            standard: StandardMark::new(row.standard_mark.cast_unsigned()),
            custom: CustomMark::parse(row.custom_mark, u32::MAX)
                .map_err(|problem| corrupt("conversations.custom_mark", problem))?,
            holds_place: row.holds_place,
            group_ids: group_ids.collect::<Result<_, _>>()?,
            position: position("conversations.position", row.position)?,
            pin_position: position("conversations.pin_position", row.pin_position)?,
            changed_at: number("conversations.changed_at", row.changed_at)?,
        })
    }
}

/// Converts the columns `kind` and `peer_id`.
pub(super) fn conversation(
    kind: i16,
    peer_id: impl AsRef<str> + Into<SmolStr>,
) -> Result<Conversation, Error> {
    Conversation::stored(kind, peer_id).map_err(|problem| corrupt("conversations.peer_id", problem))
}

/// Loads the presence of locked users, and the conversations that changes touch with the presence of their other ends.
///
/// This is a statement after the one that takes the locks, so that it sees the commits of their previous holders.
pub async fn load(
    tx: &mut Tx<'_>,
    states: &mut BTreeMap<UserKey, UserState>,
    touched: &BTreeSet<(&UserKey, &Conversation)>,
    known: &KnownMembers,
) -> Result<(), Error> {
    // A touched user without a state does not exist.
    let user_nrs: BTreeMap<&UserKey, i64> = states.keys().zip(1..).collect();
    let touched: Vec<_> = touched
        .iter()
        .filter_map(|(key, conversation)| {
            Some(Touched { nr: *user_nrs.get(key)?, conversation, app: key.sdk_app_id })
        })
        .collect();
    let rows = unnest!(
        query_file!("src/store/sql/load.sql"),
        for key in states.keys() => {
            sdk_app_id: i64 = key.sdk_app_id.number(),
            user_id: &str = key.user_id.as_str(),
        }
        for one in &touched => {
            user_nr: i64 = one.nr,
            kind: i16 = one.conversation.kind(),
            peer_id: &str = one.conversation.peer_id(),
        }
    )
    .fetch_all(tx.session())
    .await?;
    let mut states: Vec<_> = states.values_mut().collect();
    for row in rows {
        let unknown = || Error::internal("load.sql: a row that was not asked for");
        let state = index(row.user_nr).and_then(|index| states.get_mut(index));
        let state = state.ok_or_else(unknown)?;
        state.owner = presence(row.owner_is_gone);
        let Some(nr) = row.nr else { continue };
        let Touched { conversation, app, .. } =
            index(nr).and_then(|index| touched.get(index)).ok_or_else(unknown)?;
        let kept = match row.changed_at {
            None => None,
            Some(changed_at) => Some(ConversationState::try_from(ConversationRow {
                standard_mark: required("conversations.standard_mark", row.standard_mark)?,
                custom_mark: required("conversations.custom_mark", row.custom_mark)?.into(),
                holds_place: required("conversations.holds_place", row.holds_place)?,
                group_ids: required("conversations.group_ids", row.group_ids)?,
                position: row.position,
                pin_position: row.pin_position,
                changed_at,
            })?),
        };
        let peer = match presence(row.peer_is_gone) {
            Presence::Unknown if known.has(*app, conversation) => Presence::Present,
            presence @ (Presence::Unknown | Presence::Present | Presence::Gone) => presence,
        };
        let entry = Entry::loaded(kept, peer);
        state.load_entry((*conversation).clone(), entry);
    }
    Ok(())
}

/// A conversation that a change touches, with the number of its user in the statement.
struct Touched<'t> {
    nr: i64,
    conversation: &'t Conversation,
    app: SdkAppId,
}

/// The index of a row by its ordinality, which starts at 1.
fn index(nr: i64) -> Option<usize> {
    usize::try_from(nr - 1).ok()
}

/// Loads all conversations of a user that are in any contact group, except those that are loaded already.
pub async fn load_members(
    tx: &mut Tx<'_>,
    key: &UserKey,
    state: &mut UserState,
) -> Result<(), Error> {
    let rows = sqlx::query!(
        r#"
        SELECT
            kind, peer_id, standard_mark, custom_mark, holds_place, group_ids, position, pin_position, changed_at,
            (
                SELECT TRUE FROM gone g
                WHERE g.sdk_app_id = c.sdk_app_id AND g.kind = c.kind AND g.id = c.peer_id AND g.is_gone
            ) AS peer_is_gone
        FROM conversations c
        WHERE c.sdk_app_id = $1 AND c.user_id = $2 AND group_ids <> '{}'
        "#,
        key.sdk_app_id.number(),
        key.user_id.as_str(),
    )
    .fetch_all(tx.session())
    .await?;
    for row in rows {
        let conversation = conversation(row.kind, row.peer_id)?;
        if state.entries.contains_key(&conversation) {
            continue;
        }
        let kept = ConversationState::try_from(ConversationRow {
            standard_mark: row.standard_mark,
            custom_mark: row.custom_mark.into(),
            holds_place: row.holds_place,
            group_ids: row.group_ids,
            position: row.position,
            pin_position: row.pin_position,
            changed_at: row.changed_at,
        })?;
        let entry = Entry::loaded(Some(kept), presence(row.peer_is_gone));
        state.load_entry(conversation, entry);
    }
    Ok(())
}

/// Counts what takes room among the conversations of a user that are not loaded: those that are not empty and whose other
/// end is not gone.
pub async fn count_others(
    tx: &mut Tx<'_>,
    key: &UserKey,
    state: &UserState,
) -> Result<Counts, Error> {
    let counts = unnest!(
        query!(
            r#"
            SELECT
                count(*) FILTER (WHERE standard_mark <> 0 OR custom_mark <> '') AS "marked!",
                count(*) FILTER (WHERE group_ids <> '{}') AS "grouped!",
                count(*) FILTER (WHERE pin_position IS NOT NULL) AS "pinned!"
            FROM live_conversations
            WHERE sdk_app_id = $3 AND user_id = $4
                AND (kind, peer_id) NOT IN (SELECT * FROM unnest($1::smallint[], $2::text[]) AS t (kind, peer_id))
            "#
        ),
        for conversation in state.entries.keys() => {
            kind: i16 = conversation.kind(),
            peer_id: &str = conversation.peer_id(),
        };
        key.sdk_app_id.number(),
        key.user_id.as_str()
    )
    .fetch_one(tx.session())
    .await?;
    Ok(Counts {
        rows: 0,
        marked: number("conversations, marked", counts.marked)?,
        grouped: number("conversations, grouped", counts.grouped)?,
        pinned: number("conversations, pinned", counts.pinned)?,
    })
}

/// Saves the changed conversations of users. Their rows in `users` are saved with the same revision.
pub async fn save(tx: &mut Tx<'_>, changed: &[ChangedUser<'_>]) -> Result<(), Error> {
    let mut rows = Vec::new();
    for ChangedUser { key, state, revision, .. } in changed {
        for (conversation, entry) in state.entries.iter().filter(|(_, entry)| entry.is_changed()) {
            let Some(kept) = &entry.after else { continue };
            rows.push((*key, conversation, kept, *revision));
        }
    }
    save_rows(tx, &rows).await
}

/// Inserts or replaces rows, each with the revision of its last change.
pub(in crate::store) async fn save_rows(
    tx: &mut Tx<'_>,
    rows: &[(&UserKey, &Conversation, &ConversationState, u64)],
) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let members = rows.iter().zip(1..).flat_map(|((_, _, kept, _), nr)| {
        kept.group_ids.iter().map(move |group_id| (nr, *group_id))
    });
    let members: Vec<(usize, u32)> = members.collect();
    let position = |column, value: Option<u32>| value.map(|at| number(column, at)).transpose();
    let saved = unnest!(
        query_file!("src/store/sql/save_conversations.sql"),
        for (key, conversation, kept, revision) in rows => {
            sdk_app_id: i64 = key.sdk_app_id.number(),
            user_id: &str = key.user_id.as_str(),
            kind: i16 = conversation.kind(),
            peer_id: &str = conversation.peer_id(),
            standard_mark: i64 = kept.standard.bits().cast_signed(),
            custom_mark: &str = kept.custom.as_str(),
            holds_place: bool = kept.holds_place,
            position: Option<i32> = position("conversations.position", kept.position)?,
            pin_position: Option<i32> = position("conversations.pin_position", kept.pin_position)?,
            changed_at: i64 = number("conversations.changed_at", kept.changed_at)?,
            changed_revision: i64 = number("conversations.changed_revision", *revision)?,
        }
        for (conversation_nr, group_id) in &members => {
            conversation_nr: i64 = number("save_conversations.sql, nr", *conversation_nr)?,
            group_id: i32 = number("conversations.group_ids", *group_id)?,
        }
    )
    .execute(tx.session())
    .await?;
    check_row_count("conversations", saved.rows_affected(), rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spoil: impl FnOnce(&mut ConversationRow), expected: &str) {
        let mut row = ConversationRow {
            standard_mark: -1,
            custom_mark: "x".into(),
            holds_place: true,
            group_ids: vec![1, 2],
            position: Some(3),
            pin_position: Some(4),
            changed_at: 5,
        };
        spoil(&mut row);
        let text = match ConversationState::try_from(row) {
            Ok(kept) => format!("{:?}", (kept.group_ids, kept.position, kept.pin_position)),
            Err(Error::Internal(cause)) => cause.to_string(),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn a_corrupt_value_is_an_error_that_names_its_column() {
        check(|_| (), "([1, 2], Some(3), Some(4))");
        check(
            |row| row.custom_mark = "a\0b".into(),
            "conversations.custom_mark: must not contain the NUL character",
        );
        check(|row| row.group_ids[1] = -2, "conversations.group_ids: -2 is out of range");
        check(|row| row.position = Some(-3), "conversations.position: -3 is out of range");
        check(|row| row.pin_position = Some(-4), "conversations.pin_position: -4 is out of range");
        check(|row| row.changed_at = -5, "conversations.changed_at: -5 is out of range");
    }
}
