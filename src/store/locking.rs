//! Locking users, and loading what their changes touch.

use std::collections::BTreeMap;

use super::accounts::standing;
use super::conversations::KeptRow;
use super::users::stored_key;
use super::{Tx, count};
use crate::domain::{Conversation, Counts, Entry, UserKey, UserState};
use crate::error::Error;

impl Tx<'_> {
    /// Locks users until the transaction ends, and loads what is kept about the touched conversations, with the standing
    /// of everybody concerned. Locks are taken in the order of the keys, so that two writers never wait for each other
    /// in a circle. Revisions grow here already, since the lock writes the row anyway: if nothing changes, the
    /// transaction is rolled back.
    ///
    /// Whoever has no row yet gets one, if `anyone` may have state or the directory knows the user; the others are
    /// missing from the answer.
    pub async fn lock_users(
        &mut self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, &Conversation)],
    ) -> Result<BTreeMap<UserKey, UserState>, Error> {
        match self.try_lock_users(users, touched).await? {
            Some(states) => Ok(states),
            // Now that the locks are ours, nobody comes in between.
            None => (self.try_lock_users(users, touched).await?)
                .ok_or_else(|| Error::internal("users: a locked row has changed")),
        }
    }

    /// One statement for both, which reads everything as it was when it began, before it had the locks. A revision that
    /// has grown by more than our own step since then tells that somebody else was faster: then what was read is old,
    /// and `None` is the answer.
    #[expect(clippy::too_many_lines, reason = "one statement, with its arrays, in one piece")]
    async fn try_lock_users(
        &mut self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, &Conversation)],
    ) -> Result<Option<BTreeMap<UserKey, UserState>>, Error> {
        let sdk_app_ids: Vec<_> = users.keys().map(|key| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = users.keys().map(|key| key.user_id.as_str()).collect();
        let anyone: Vec<_> = users.values().copied().collect();
        let of_apps: Vec<_> = touched.iter().map(|(key, _)| key.sdk_app_id.number()).collect();
        let of_users: Vec<_> = touched.iter().map(|(key, _)| key.user_id.as_str()).collect();
        let kinds: Vec<_> = touched.iter().map(|(_, conversation)| conversation.kind()).collect();
        let peer_ids: Vec<_> =
            touched.iter().map(|(_, conversation)| conversation.peer_id()).collect();
        let rows = sqlx::query_as!(
            Row,
            r#"
            WITH locked AS (
                INSERT INTO users AS u (sdk_app_id, user_id, revision)
                SELECT sdk_app_id, user_id, 1
                FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS t (sdk_app_id, user_id, anyone)
                WHERE anyone OR EXISTS (
                    SELECT FROM accounts a WHERE a.sdk_app_id = t.sdk_app_id AND a.user_id = t.user_id
                )
                ORDER BY sdk_app_id, user_id COLLATE "C"
                ON CONFLICT (sdk_app_id, user_id) DO UPDATE SET revision = u.revision + 1
                RETURNING
                    sdk_app_id, user_id, revision, next_position, next_group_id, marked, grouped, pinned
            )
            SELECT
                0 AS "nr!",
                sdk_app_id AS "sdk_app_id?", user_id AS "user_id?",
                revision = 1 + COALESCE((
                    SELECT s.revision FROM users s
                    WHERE s.sdk_app_id = l.sdk_app_id AND s.user_id = l.user_id
                ), 0) AS "is_as_read?",
                next_position AS "next_position?", next_group_id AS "next_group_id?",
                marked AS "marked?", grouped AS "grouped?", pinned AS "pinned?",
                (
                    SELECT a.deleted FROM accounts a
                    WHERE a.sdk_app_id = l.sdk_app_id AND a.user_id = l.user_id
                ) AS "gone?",
                NULL::bigint AS "standard_mark?", NULL::text AS "custom_mark?",
                NULL::integer[] AS "group_ids?", NULL::integer AS "position?",
                NULL::integer AS "pin_position?", NULL::bigint AS "changed_at?"
            FROM locked l
            UNION ALL
            SELECT
                t.nr, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                COALESCE(a.deleted, g.destroyed),
                c.standard_mark, c.custom_mark, c.group_ids, c.position, c.pin_position, c.changed_at
            FROM unnest($4::bigint[], $5::text[], $6::smallint[], $7::text[])
                WITH ORDINALITY AS t (sdk_app_id, user_id, kind, peer_id, nr)
            LEFT JOIN conversations c
                ON c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                AND c.kind = t.kind AND c.peer_id = t.peer_id
            LEFT JOIN accounts a
                ON a.sdk_app_id = t.sdk_app_id AND a.user_id = CASE t.kind WHEN 1 THEN t.peer_id END
            LEFT JOIN chat_groups g
                ON g.sdk_app_id = t.sdk_app_id AND g.group_id = CASE t.kind WHEN 2 THEN t.peer_id END
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
            &anyone,
            &of_apps,
            &of_users as &[&str],
            &kinds,
            &peer_ids as &[&str],
        )
        .fetch_all(self.session())
        .await?;
        states_of(rows, touched)
    }
}

/// A user who was locked, if `nr` is 0; otherwise the touched conversation of that number, counted from 1.
struct Row {
    nr: i64,
    sdk_app_id: Option<i64>,
    user_id: Option<String>,
    is_as_read: Option<bool>,
    next_position: Option<i32>,
    next_group_id: Option<i32>,
    marked: Option<i32>,
    grouped: Option<i32>,
    pinned: Option<i32>,
    gone: Option<bool>,
    standard_mark: Option<i64>,
    custom_mark: Option<String>,
    group_ids: Option<Vec<i32>>,
    position: Option<i32>,
    pin_position: Option<i32>,
    changed_at: Option<i64>,
}

impl Row {
    fn into_user(self) -> Result<(UserKey, UserState), Error> {
        let number = |number: Option<i32>| count(number.unwrap_or_default());
        let counts = Counts {
            marked: number(self.marked),
            grouped: number(self.grouped),
            pinned: number(self.pinned),
        };
        let (next_position, next_group_id) =
            (number(self.next_position), number(self.next_group_id));
        let mut state = UserState::stored(counts, next_position, next_group_id);
        state.owner = standing(self.gone);
        let user_id = self.user_id.unwrap_or_default();
        Ok((stored_key(self.sdk_app_id.unwrap_or_default(), &user_id)?, state))
    }

    fn into_entry(self) -> Result<Entry, Error> {
        let peer = standing(self.gone);
        let kept = KeptRow {
            standard_mark: self.standard_mark.unwrap_or_default(),
            custom_mark: self.custom_mark.unwrap_or_default(),
            group_ids: self.group_ids.unwrap_or_default(),
            position: self.position,
            pin_position: self.pin_position,
            changed_at: self.changed_at.unwrap_or_default(),
        };
        Ok(Entry::loaded(kept.into_kept()?, peer))
    }
}

/// The states that the rows tell of, unless one of them was read too early.
fn states_of(
    rows: Vec<Row>,
    touched: &[(&UserKey, &Conversation)],
) -> Result<Option<BTreeMap<UserKey, UserState>>, Error> {
    let (users, conversations): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.nr == 0);
    if users.iter().any(|row| row.is_as_read != Some(true)) {
        return Ok(None);
    }
    let mut states =
        users.into_iter().map(Row::into_user).collect::<Result<BTreeMap<_, _>, _>>()?;
    for row in conversations {
        let asked = usize::try_from(row.nr - 1).ok().and_then(|nr| touched.get(nr));
        let Some((key, conversation)) = asked else { continue };
        // Whoever was not locked has no state.
        let Some(state) = states.get_mut(*key) else { continue };
        state.entries.insert((*conversation).clone(), row.into_entry()?);
    }
    Ok(Some(states))
}
