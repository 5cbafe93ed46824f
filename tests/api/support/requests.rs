//! The commands, and bodies of requests.

use serde_json::{Value, json};

pub(crate) const MARK_CONTACT: &str = "recentcontact/mark_contact";
pub(crate) const CREATE: &str = "recentcontact/create_contact_group";
pub(crate) const UPDATE: &str = "recentcontact/update_contact_group";
pub(crate) const DEL: &str = "recentcontact/del_contact_group";
pub(crate) const SEARCH: &str = "recentcontact/search_contact_group";
pub(crate) const GET: &str = "recentcontact/get_contact_group";
pub(crate) const TOP: &str = "recentcontact/top";
pub(crate) const GET_LIST: &str = "recentcontact/get_list";
pub(crate) const DELETE: &str = "recentcontact/delete";
pub(crate) const ACCOUNT_IMPORT: &str = "im_open_login_svc/account_import";
pub(crate) const MULTIACCOUNT_IMPORT: &str = "im_open_login_svc/multiaccount_import";
pub(crate) const ACCOUNT_CHECK: &str = "im_open_login_svc/account_check";
pub(crate) const ACCOUNT_DELETE: &str = "im_open_login_svc/account_delete";
pub(crate) const CREATE_CHAT_GROUP: &str = "group_open_http_svc/create_group";
pub(crate) const IMPORT_CHAT_GROUP: &str = "group_open_http_svc/import_group";
pub(crate) const DESTROY_CHAT_GROUP: &str = "group_open_http_svc/destroy_group";
pub(crate) const GET_CHAT_GROUP_INFO: &str = "group_open_http_svc/get_group_info";

/// An empty list.
pub(crate) const EMPTY: [Value; 0] = [];

/// A `ContactItem` with a user.
pub(crate) fn user(peer: &str) -> Value {
    json!({ "Type": 1, "To_Account": peer })
}

/// A `ContactItem` with a chat group.
pub(crate) fn chat_group(id: &str) -> Value {
    json!({ "Type": 2, "ToGroupId": id })
}

/// The users `peer{from}` up to, and without, `peer{to}`.
pub(crate) fn peers(from: usize, to: usize) -> Vec<Value> {
    (from..to).map(|nr| user(&format!("peer{nr}"))).collect()
}

/// A body for [`MARK_CONTACT`].
pub(crate) fn mark_contact(owner: &str, items: impl Into<Value>) -> Value {
    json!({ "From_Account": owner, "MarkItem": items.into() })
}

/// A `MarkItem` that sets one bit of the conversation with `peer`.
pub(crate) fn set(peer: &str, bit: u8) -> Value {
    change_bits(&user(peer), &[bit], &[])
}

/// A `MarkItem` that clears one bit of the conversation with `peer`.
pub(crate) fn clear(peer: &str, bit: u8) -> Value {
    change_bits(&user(peer), &[], &[bit])
}

/// A `MarkItem` that sets and clears bits.
pub(crate) fn change_bits(contact_item: &Value, set: &[u8], clear: &[u8]) -> Value {
    json!({ "OptType": 1, "ContactItem": contact_item, "SetMark": set, "ClearMark": clear })
}

/// A `MarkItem` that gives the conversation with `peer` a custom mark.
pub(crate) fn custom(peer: &str, text: &str) -> Value {
    json!({ "OptType": 2, "ContactItem": user(peer), "CustomMark": text })
}

/// A body for [`CREATE`].
pub(crate) fn create(owner: &str, name: &str, members: impl Into<Value>) -> Value {
    let contact_group = json!({ "GroupName": name, "ContactItem": members.into() });
    json!({ "From_Account": owner, "GroupContactItem": [contact_group] })
}

/// A body for [`UPDATE`] that renames a contact group.
pub(crate) fn rename(owner: &str, old: &str, new: &str) -> Value {
    let update = json!({ "UpdateGroupType": 1, "OldGroupName": old, "NewGroupName": new });
    json!({ "From_Account": owner, "UpdateType": 1, "UpdateGroup": update })
}

/// A body for [`UPDATE`] that adds conversations to a contact group and removes others.
pub(crate) fn update(owner: &str, name: &str, changes: impl Into<Value>) -> Value {
    let changes = changes.into();
    let update =
        json!({ "UpdateGroupType": 2, "OldGroupName": name, "ContactUpdateItem": changes });
    json!({ "From_Account": owner, "UpdateType": 1, "UpdateGroup": update })
}

/// A `ContactUpdateItem` that adds a conversation.
pub(crate) fn add(contact_item: &Value) -> Value {
    json!({ "ContactOptType": 1, "ContactItem": contact_item })
}

/// A `ContactUpdateItem` that removes a conversation.
pub(crate) fn remove(contact_item: &Value) -> Value {
    json!({ "ContactOptType": 2, "ContactItem": contact_item })
}

/// A body for [`DEL`].
pub(crate) fn del(owner: &str, name: &str) -> Value {
    json!({ "From_Account": owner, "GroupName": [name] })
}

/// A body for [`SEARCH`].
pub(crate) fn search(owner: &str, wanted: impl Into<Value>) -> Value {
    json!({ "From_Account": owner, "ContactItem": wanted.into() })
}

/// A body for [`TOP`]; `operation` is 1 to pin and 2 to unpin.
pub(crate) fn top(owner: &str, operation: u8, items: impl Into<Value>) -> Value {
    let items = items.into();
    json!({ "From_Account": owner, "OperationType": operation, "RecentContactItem": items })
}

/// The id of the user or chat group of a conversation in an answer.
pub(crate) fn peer_of(shown: &Value) -> &str {
    let id = ["To_Account", "ToGroupId", "GroupId"].into_iter().find_map(|name| shown.get(name));
    id.unwrap().as_str().unwrap()
}
