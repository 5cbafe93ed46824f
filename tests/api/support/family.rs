//! Conversation groups, reading back and pins: bodies of requests, and what matters of answers.

use serde_json::{Value, json};

use super::TestApp;

pub(crate) const CREATE: &str = "recentcontact/create_contact_group";
pub(crate) const UPDATE: &str = "recentcontact/update_contact_group";
pub(crate) const DEL: &str = "recentcontact/del_contact_group";
pub(crate) const SEARCH: &str = "recentcontact/search_contact_group";
pub(crate) const GET: &str = "recentcontact/get_contact_group";
pub(crate) const TOP: &str = "recentcontact/top";
pub(crate) const GET_LIST: &str = "recentcontact/get_list";
pub(crate) const DELETE: &str = "recentcontact/delete";
pub(crate) const ACCOUNT_DELETE: &str = "im_open_login_svc/account_delete";
pub(crate) const CREATE_GROUP: &str = "group_open_http_svc/create_group";
pub(crate) const IMPORT_GROUP: &str = "group_open_http_svc/import_group";
pub(crate) const DESTROY_GROUP: &str = "group_open_http_svc/destroy_group";
pub(crate) const GET_GROUP_INFO: &str = "group_open_http_svc/get_group_info";

/// A body that makes a conversation group.
pub(crate) fn create(owner: &str, name: &str, members: impl Into<Value>) -> Value {
    let group = json!({ "GroupName": name, "ContactItem": members.into() });
    json!({ "From_Account": owner, "GroupContactItem": [group] })
}

/// A body that gives a conversation group another name.
pub(crate) fn rename(owner: &str, old: &str, new: &str) -> Value {
    let group = json!({ "UpdateGroupType": 1, "OldGroupName": old, "NewGroupName": new });
    json!({ "From_Account": owner, "UpdateType": 1, "UpdateGroup": group })
}

/// A body that changes what is in a conversation group.
pub(crate) fn update(owner: &str, name: &str, changes: impl Into<Value>) -> Value {
    let changes = changes.into();
    let group = json!({ "UpdateGroupType": 2, "OldGroupName": name, "ContactUpdateItem": changes });
    json!({ "From_Account": owner, "UpdateType": 1, "UpdateGroup": group })
}

/// An item that puts a conversation into a group.
pub(crate) fn add(contact_item: &Value) -> Value {
    json!({ "ContactOptType": 1, "ContactItem": contact_item })
}

/// An item that takes a conversation out of a group.
pub(crate) fn remove(contact_item: &Value) -> Value {
    json!({ "ContactOptType": 2, "ContactItem": contact_item })
}

/// A body that ends a conversation group.
pub(crate) fn del(owner: &str, name: &str) -> Value {
    json!({ "From_Account": owner, "GroupName": [name] })
}

/// A body that asks for conversations.
pub(crate) fn search(owner: &str, wanted: impl Into<Value>) -> Value {
    json!({ "From_Account": owner, "ContactItem": wanted.into() })
}

/// A body that pins (1) or unpins (2).
pub(crate) fn top(owner: &str, operation: u8, items: impl Into<Value>) -> Value {
    let items = items.into();
    json!({ "From_Account": owner, "OperationType": operation, "RecentContactItem": items })
}

/// Users `peer{from}` up to, and without, `peer{to}`.
pub(crate) fn peers(from: usize, to: usize) -> Vec<Value> {
    (from..to).map(|nr| user(&format!("peer{nr}"))).collect()
}

fn user(peer: &str) -> Value {
    super::user(peer)
}

/// The `ErrorCode`, and the `ResultCode` of each item, wherever the call puts its items.
pub(crate) fn outcome(answer: &Value) -> (u64, Vec<u64>) {
    let places =
        ["/ResultItem", "/GroupResultItem/0/ResultItem", "/UpdateGroupResult/ContactResultItem"];
    let items = places.into_iter().find_map(|place| answer.pointer(place)?.as_array());
    let code = |item: &Value| item["ResultCode"].as_u64().unwrap();
    let items = items.map_or(&[][..], Vec::as_slice);
    (answer["ErrorCode"].as_u64().unwrap(), items.iter().map(code).collect())
}

/// The id of the other end of a conversation that an answer shows.
pub(crate) fn peer_of(shown: &Value) -> &str {
    let id = ["To_Account", "ToGroupId", "GroupId"].into_iter().find_map(|name| shown.get(name));
    id.unwrap().as_str().unwrap()
}

impl TestApp {
    /// Calls, and answers with the `ErrorCode` and each `ResultCode`.
    pub(crate) async fn outcome(&self, command: &str, body: Value) -> (u64, Vec<u64>) {
        outcome(&self.call(command, body).await)
    }

    /// The call must succeed, with all of its items.
    pub(crate) async fn must(&self, command: &str, body: Value) -> Value {
        let answer = self.call(command, body).await;
        let (code, items) = outcome(&answer);
        assert!(code == 0 && items.iter().all(|code| *code == 0), "{command}: {answer}");
        answer
    }

    /// What a search says of one conversation.
    pub(crate) async fn look(&self, owner: &str, contact_item: &Value) -> Value {
        let answer = self.must(SEARCH, search(owner, [contact_item.clone()])).await;
        answer["ContactResultItem"][0].clone()
    }

    /// All pages of `get_contact_group`, which must end.
    pub(crate) async fn everything(&self, owner: &str) -> Vec<Value> {
        let (mut found, mut start) = (Vec::new(), 0);
        loop {
            let body = json!({ "From_Account": owner, "StartIndex": start });
            let page = self.must(GET, body).await;
            found.extend_from_slice(page["ContactItem"].as_array().unwrap());
            let next = page["NextStartIndex"].as_u64().unwrap();
            if page["CompleteFlag"] == 1 {
                assert_eq!(next, 0, "{page}");
                return found;
            }
            assert!(next > start && next < 1 << 31, "{page}");
            start = next;
        }
    }

    /// The other ends of all conversations of `get_contact_group`, in order.
    pub(crate) async fn found(&self, owner: &str) -> Vec<String> {
        self.everything(owner).await.iter().map(|shown| peer_of(shown).to_owned()).collect()
    }

    /// All pages of `get_list`, cursors sent back as they came.
    pub(crate) async fn listed(&self, owner: &str) -> Vec<Value> {
        let mut found = Vec::new();
        let mut body = json!({
            "From_Account": owner, "TimeStamp": 0, "StartIndex": 0, "TopTimeStamp": 0,
            "TopStartIndex": 0, "AssistFlags": 63,
        });
        for _ in 0..1000 {
            let page = self.must(GET_LIST, body.clone()).await;
            found.extend_from_slice(page["SessionItem"].as_array().unwrap());
            for cursor in ["TimeStamp", "StartIndex", "TopTimeStamp", "TopStartIndex"] {
                body[cursor] = page[cursor].clone();
            }
            if page["CompleteFlag"] == 1 {
                return found;
            }
        }
        panic!("the list has no end");
    }

    /// The user's conversation groups: name and number.
    pub(crate) async fn groups(&self, owner: &str) -> Vec<(String, u64)> {
        let page = self.must(GET, json!({ "From_Account": owner })).await;
        let read = |group: &Value| {
            let name = group["GroupName"].as_str().unwrap().to_owned();
            (name, group["GroupId"].as_u64().unwrap())
        };
        page["GroupItem"].as_array().unwrap().iter().map(read).collect()
    }

    /// Puts the time of everything that is kept for a user back to the second 1, so that a change shows.
    pub(crate) async fn set_back(&self, owner: &str) {
        sqlx::query(
            "UPDATE conversations SET changed_at = 1 WHERE sdk_app_id = $1 AND user_id = $2",
        )
        .bind(super::APP)
        .bind(owner)
        .execute(&self.db)
        .await
        .unwrap();
    }

    /// The time of a conversation has been set since it was put back.
    pub(crate) async fn has_moved(&self, owner: &str, contact_item: &Value) -> bool {
        self.look(owner, contact_item).await["Timestamp"].as_u64().unwrap() > 1
    }

    /// Makes a chat group through the API.
    pub(crate) async fn make_chat_group(&self, id: &str) {
        let body = json!({ "Type": "Public", "Name": "a group", "GroupId": id });
        assert_eq!(self.must(CREATE_GROUP, body).await["GroupId"], id);
    }

    /// Ends a chat group through the API.
    pub(crate) async fn destroy_chat_group(&self, id: &str) {
        self.must(DESTROY_GROUP, json!({ "GroupId": id })).await;
    }
}
