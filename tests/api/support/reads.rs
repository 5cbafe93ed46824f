//! What the API says about a user's state, and calls that prepare the directory.

use serde_json::{Value, json};

use super::{
    Answer, CREATE_CHAT_GROUP, DESTROY_CHAT_GROUP, GET, GET_LIST, SEARCH, TestApp, peer_of, search,
};

impl TestApp {
    /// Calls a command. The call and all of its items must succeed.
    pub(crate) async fn call_ok(&self, command: &str, body: Value) -> Answer {
        let answer = self.call(command, body).await;
        answer.assert_ok();
        answer
    }

    /// What a search says about one conversation.
    pub(crate) async fn search_one(&self, owner: &str, contact_item: &Value) -> Value {
        let answer = self.call_ok(SEARCH, search(owner, [contact_item.clone()])).await;
        answer["ContactResultItem"][0].clone()
    }

    /// The conversations on all pages of `get_contact_group`.
    pub(crate) async fn all_pages(&self, owner: &str) -> Vec<Value> {
        let (mut found, mut start) = (Vec::new(), 0);
        loop {
            let body = json!({ "From_Account": owner, "StartIndex": start });
            let page = self.call_ok(GET, body).await;
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

    /// The peers on all pages of `get_contact_group`, in order.
    pub(crate) async fn peers_on_pages(&self, owner: &str) -> Vec<String> {
        self.all_pages(owner).await.iter().map(|shown| peer_of(shown).to_owned()).collect()
    }

    /// The conversations on all pages of `get_list`. Each page is asked for with the cursors of the page before.
    pub(crate) async fn listed(&self, owner: &str) -> Vec<Value> {
        let mut found = Vec::new();
        let mut body = json!({
            "From_Account": owner, "TimeStamp": 0, "StartIndex": 0, "TopTimeStamp": 0,
            "TopStartIndex": 0, "AssistFlags": 63,
        });
        for _ in 0..1000 {
            let page = self.call_ok(GET_LIST, body.clone()).await;
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

    /// The names and ids of the user's contact groups.
    pub(crate) async fn contact_groups(&self, owner: &str) -> Vec<(String, u64)> {
        let page = self.call_ok(GET, json!({ "From_Account": owner })).await;
        let read = |contact_group: &Value| {
            let name = contact_group["GroupName"].as_str().unwrap().to_owned();
            (name, contact_group["GroupId"].as_u64().unwrap())
        };
        page["GroupItem"].as_array().unwrap().iter().map(read).collect()
    }

    /// Sets the time of all of a user's conversations to the second 1, so that the next change shows.
    pub(crate) async fn reset_times(&self, owner: &str) {
        sqlx::query(
            "UPDATE conversations SET changed_at = 1 WHERE sdk_app_id = $1 AND user_id = $2",
        )
        .bind(super::APP)
        .bind(owner)
        .execute(&self.db)
        .await
        .unwrap();
    }

    /// Whether a conversation has changed since [`Self::reset_times`].
    pub(crate) async fn has_new_time(&self, owner: &str, contact_item: &Value) -> bool {
        self.search_one(owner, contact_item).await["Timestamp"].as_u64().unwrap() > 1
    }

    /// Creates a chat group through the API.
    pub(crate) async fn create_chat_group(&self, id: &str) {
        let body = json!({ "Type": "Public", "Name": "a chat group", "GroupId": id });
        assert_eq!(self.call_ok(CREATE_CHAT_GROUP, body).await["GroupId"], id);
    }

    /// Destroys a chat group through the API.
    pub(crate) async fn destroy_chat_group(&self, id: &str) {
        self.call_ok(DESTROY_CHAT_GROUP, json!({ "GroupId": id })).await;
    }
}
