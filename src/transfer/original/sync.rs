//! Sends what differs of one user.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::UserError;
use super::client::{CallError, Original};
use super::read::read_user;
use crate::transfer::form::{ContactGroup, Conversation, PeerType, User};

/// Items of a call.
const ITEMS_MAX: usize = 100;
/// How often a user is compared and sent, if a call was interrupted that must not be repeated blindly.
const ATTEMPTS: u32 = 3;

/// What was sent of a user.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Calls that change state.
    pub(super) calls: u64,
    /// Contact groups whose id is another one than wanted.
    pub(super) renumbered: u64,
    /// What the service has refused.
    pub(super) refused: Vec<String>,
}

/// Makes a user the same as wanted.
pub(super) async fn push_user(original: &Original, wanted: &User) -> Result<Sent, UserError> {
    let (mut calls, mut cause) = (0, String::new());
    for _ in 0..ATTEMPTS {
        let mut push = Push { original, wanted, sent: Sent { calls, ..Sent::default() } };
        match push.run().await {
            Ok(()) => return Ok(push.sent),
            Err(UserError::OnlyThis(text)) => (cause, calls) = (text, push.sent.calls),
            Err(fatal) => return Err(fatal),
        }
    }
    Err(UserError::OnlyThis(cause))
}

/// The answer to a call with items. Each call has a name of its own for the list.
#[derive(Debug, Deserialize)]
struct Items {
    #[serde(rename = "ResultItem", alias = "ContactResultItem")]
    items: Vec<ItemResult>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ItemResult {
    result_code: i64,
    #[serde(default)]
    result_info: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    group_result_item: [CreatedGroup; 1],
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreatedGroup {
    group_item: CreatedId,
    result_item: Vec<ItemResult>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreatedId {
    group_id: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Updated {
    update_group_result: Items,
}

type Key<'u> = (PeerType, &'u str);

fn key(row: &Conversation) -> Key<'_> {
    (row.kind, &row.id)
}

fn rows(user: &User) -> BTreeMap<Key<'_>, &Conversation> {
    user.conversations.iter().map(|row| (key(row), row)).collect()
}

/// The conversations of a contact group, in their order.
fn members<'u>(user: &'u User, group: &ContactGroup) -> Vec<Key<'u>> {
    let mut rows: Vec<_> =
        user.conversations.iter().filter(|row| row.groups.contains(&group.id)).collect();
    rows.sort_by_key(|row| row.position);
    rows.into_iter().map(key).collect()
}

/// The pinned conversations, oldest pin first.
fn pins(user: &User) -> Vec<Key<'_>> {
    let mut rows: Vec<_> =
        user.conversations.iter().filter(|row| row.pin_position.is_some()).collect();
    rows.sort_by_key(|row| row.pin_position);
    rows.into_iter().map(key).collect()
}

/// `ContactItem`; `group_field` is the call's name for the id of a chat group.
fn item((kind, id): Key<'_>, group_field: &str) -> Value {
    match kind {
        PeerType::User => json!({ "Type": 1, "To_Account": id }),
        PeerType::Group => json!({ "Type": 2, group_field: id }),
    }
}

/// The `MarkItem` that makes the marks of a conversation the same; `None` if they are.
fn mark_change(
    key: Key<'_>,
    old: Option<&&Conversation>,
    new: Option<&&Conversation>,
) -> Option<Value> {
    let bits = |row: Option<&&Conversation>| -> BTreeSet<u8> {
        row.map(|row| row.marks.iter().copied().collect()).unwrap_or_default()
    };
    let custom =
        |row: Option<&&Conversation>| row.map_or(String::new(), |row| row.custom.to_string());
    let (had, has) = (bits(old), bits(new));
    let mut change = json!({ "OptType": 3, "ContactItem": item(key, "ToGroupId") });
    if had != has {
        change["SetMark"] = has.difference(&had).copied().collect::<Vec<_>>().into();
        change["ClearMark"] = had.difference(&has).copied().collect::<Vec<_>>().into();
    }
    if custom(old) != custom(new) {
        change["CustomMark"] = custom(new).into();
    }
    (had != has || custom(old) != custom(new)).then_some(change)
}

struct Push<'p> {
    original: &'p Original,
    wanted: &'p User,
    sent: Sent,
}

impl Push<'_> {
    async fn run(&mut self) -> Result<(), UserError> {
        if self.wanted.account.is_some() {
            self.import_account().await?;
        }
        let found = if let Some(found) = read_user(self.original, &self.wanted.id).await? {
            found
        } else {
            // The file has state of a user without an account, which the service does not allow.
            self.import_account().await?;
            let (contact_groups, conversations) = (Vec::new(), Vec::new());
            User { contact_groups, conversations, ..self.wanted.clone() }
        };
        self.marks(&found).await?;
        self.groups(&found).await?;
        self.pins(&found).await?;
        Ok(())
    }

    /// To import an account again does no harm, and the service cannot tell its nick.
    async fn import_account(&mut self) -> Result<(), CallError> {
        let mut body = json!({ "UserID": self.wanted.id });
        let account = self.wanted.account.clone().unwrap_or_default();
        for (field, value) in [("Nick", account.nick), ("FaceUrl", account.face_url)] {
            if let Some(value) = value {
                body[field] = value.into();
            }
        }
        let call = self.original.call::<Value>("im_open_login_svc/account_import", &body, 1);
        call.await.map(drop)
    }

    fn note<'k>(&mut self, keys: impl IntoIterator<Item = Key<'k>>, items: &[ItemResult]) {
        for ((_, id), item) in keys.into_iter().zip(items) {
            let ItemResult { result_code, result_info } = item;
            if *result_code != 0 {
                let reason = format!(
                    "conversation {id:?} is refused with {result_code}: {result_info:.300}"
                );
                self.sent.refused.push(reason);
            }
        }
    }

    async fn marks(&mut self, found: &User) -> Result<(), CallError> {
        let (old, new) = (rows(found), rows(self.wanted));
        let mut keys: Vec<Key<'_>> = new.keys().chain(old.keys()).copied().collect();
        let place = |key: &Key<'_>| new.get(key).and_then(|row| row.position).unwrap_or(u32::MAX);
        keys.sort_by(|one, other| (place(one), one).cmp(&(place(other), other)));
        keys.dedup();
        let changes = keys
            .into_iter()
            .filter_map(|key| Some((key, mark_change(key, old.get(&key), new.get(&key))?)));
        let changes: Vec<_> = changes.collect();
        for changes in changes.chunks(ITEMS_MAX) {
            let items: Vec<_> = changes.iter().map(|(_, change)| change).collect();
            let body = json!({ "From_Account": self.wanted.id, "MarkItem": items });
            self.sent.calls += 1;
            let answer: Items =
                self.original.call("recentcontact/mark_contact", &body, items.len()).await?;
            self.note(changes.iter().map(|(key, _)| *key), &answer.items);
        }
        Ok(())
    }

    async fn groups(&mut self, found: &User) -> Result<(), CallError> {
        let wanted = self.wanted;
        let named = |user: &'_ User, name: &str| {
            user.contact_groups.iter().find(|group| group.name == name).cloned()
        };
        let (mut old, mut renamed) = (Vec::new(), Vec::new());
        for group in found.contact_groups.iter().filter(|old| named(wanted, &old.name).is_none()) {
            let same = wanted.contact_groups.iter().find(|new| new.id == group.id);
            match same.filter(|new| named(found, &new.name).is_none()) {
                Some(new) => renamed.push((group, new.name.clone())),
                None => old.push(group),
            }
        }
        for group in old {
            let body = json!({ "From_Account": wanted.id, "GroupName": [group.name] });
            self.change_once("del_contact_group", &body, 1).await?;
        }
        for (group, name) in &renamed {
            let body = json!({
                "From_Account": wanted.id, "UpdateType": 1, "UpdateGroup": {
                    "UpdateGroupType": 1, "OldGroupName": group.name, "NewGroupName": name,
                },
            });
            self.change_once("update_contact_group", &body, 1).await?;
        }
        for group in &wanted.contact_groups {
            let was = renamed.iter().find(|(_, name)| *name == group.name);
            let was = was.map(|(old, _)| (*old).clone()).or_else(|| named(found, &group.name));
            let new = members(wanted, group);
            if let Some(was) = was {
                let before = members(found, &was);
                let added = new.iter().filter(|key| !before.contains(key)).map(|key| (1, *key));
                let removed = before.iter().filter(|key| !new.contains(key)).map(|key| (2, *key));
                let changes: Vec<_> = removed.chain(added).collect();
                self.members(&group.name, &changes).await?;
                self.sent.renumbered += u64::from(was.id != group.id);
            } else {
                self.create(group, &new).await?;
            }
        }
        Ok(())
    }

    async fn change_once(
        &mut self,
        command: &str,
        body: &Value,
        items: usize,
    ) -> Result<Value, CallError> {
        self.sent.calls += 1;
        self.original.call_once(&format!("recentcontact/{command}"), body, items).await
    }

    async fn create(&mut self, group: &ContactGroup, members: &[Key<'_>]) -> Result<(), CallError> {
        let (first, rest) = members.split_at(members.len().min(ITEMS_MAX));
        let items: Vec<_> = first.iter().map(|key| item(*key, "ToGroupId")).collect();
        let body = json!({
            "From_Account": self.wanted.id,
            "GroupContactItem": [{ "GroupName": group.name, "ContactItem": items }],
        });
        let answer = self.change_once("create_contact_group", &body, items.len()).await?;
        let created: Created = serde_json::from_value(answer)
            .map_err(|error| CallError::Failed(format!("create_contact_group: {error}")))?;
        let [created] = created.group_result_item;
        self.sent.renumbered += u64::from(created.group_item.group_id != group.id);
        self.note(first.iter().copied(), &created.result_item);
        let rest: Vec<_> = rest.iter().map(|key| (1, *key)).collect();
        self.members(&group.name, &rest).await
    }

    /// 1 adds a conversation to a contact group, 2 removes it.
    async fn members(&mut self, name: &str, changes: &[(u8, Key<'_>)]) -> Result<(), CallError> {
        for changes in changes.chunks(ITEMS_MAX) {
            let change = |(kind, key): &(u8, Key<'_>)| json!({ "ContactOptType": kind, "ContactItem": item(*key, "ToGroupId") });
            let items: Vec<_> = changes.iter().map(change).collect();
            let body = json!({
                "From_Account": self.wanted.id, "UpdateType": 1, "UpdateGroup": {
                    "UpdateGroupType": 2, "OldGroupName": name, "ContactUpdateItem": items,
                },
            });
            self.sent.calls += 1;
            let command = "recentcontact/update_contact_group";
            let answer: Updated = self.original.call(command, &body, items.len()).await?;
            self.note(changes.iter().map(|(_, key)| *key), &answer.update_group_result.items);
        }
        Ok(())
    }

    /// Keeps the oldest pins that are in their places, and pins the others anew, in their order.
    async fn pins(&mut self, found: &User) -> Result<(), CallError> {
        let (old, new) = (pins(found), pins(self.wanted));
        let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
        for (operation, keys) in [(2, &old[same..]), (1, &new[same..])] {
            for keys in keys.chunks(ITEMS_MAX) {
                let items: Vec<_> = keys.iter().map(|key| item(*key, "GroupId")).collect();
                let body = json!({
                    "From_Account": self.wanted.id, "OperationType": operation,
                    "RecentContactItem": items,
                });
                self.sent.calls += 1;
                let answer: Items =
                    self.original.call("recentcontact/top", &body, items.len()).await?;
                self.note(keys.iter().copied(), &answer.items);
            }
        }
        Ok(())
    }
}
