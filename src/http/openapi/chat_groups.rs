//! `group_open_http_svc`: the chat groups that the directory has.

use serde_json::{Value, json};

use super::schema::{answered, array, closed, named, object, text};
use super::{Operation, codes};
use crate::domain::ChatGroupType;
use crate::error::Family::ChatGroups;
use crate::limits::{CHAT_GROUP_ITEMS_MAX, CHAT_GROUP_NAME_BYTES_MAX, Limits};

pub(super) fn operations(limits: &Limits) -> Vec<Operation> {
    vec![create_group(limits), import_group(limits), destroy_group(), get_group_info()]
}

/// A new chat group, of one of these types.
fn new_group(types: &[&str], limits: &Limits) -> Value {
    let chosen = json!({
        "type": "string", "pattern": "^(?!@TGS#)[ -~]*$", "maxLength": limits.chat_group_id_bytes, "x-limit": "chat-group-id-bytes",
        "description": "An id of your choice: printable ASCII, not beginning with `@TGS#`. One is made if there is none.",
    });
    object(
        &["Type", "Name"],
        json!({
            "Owner_Account": { "$ref": "#/components/schemas/UserID", "description": "Has to be a possible UserID; not kept." },
            "Type": { "enum": types, "description": "What kind of chat group." },
            "Name": text(1, CHAT_GROUP_NAME_BYTES_MAX, "Its name."),
            "GroupId": chosen,
        }),
    )
}

fn id_of_new() -> Value {
    json!({ "GroupId": { "type": "string", "minLength": 1, "description": "The id that it has." } })
}

fn create_group(limits: &Limits) -> Operation {
    Operation {
        family: ChatGroups,
        command: "create_group",
        summary: "Creates a chat group",
        description: "Puts a chat group into the directory. Members and messages are not kept here.",
        request: new_group(&ChatGroupType::ALL.map(ChatGroupType::name), limits),
        answer: id_of_new(),
        codes: &[10021],
        example: (
            r#"{"Owner_Account":"user0","Type":"Public","Name":"First","GroupId":"MyFirstGroup"}"#,
            r#"{"GroupId":"MyFirstGroup","ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

fn import_group(limits: &Limits) -> Operation {
    let types = ChatGroupType::ALL.into_iter().filter(|kind| *kind != ChatGroupType::AvChatRoom);
    let types: Vec<&str> = types.map(ChatGroupType::name).collect();
    Operation {
        family: ChatGroups,
        command: "import_group",
        summary: "Imports a chat group",
        description: "As `create_group`, for chat groups that exist elsewhere. An `AVChatRoom` cannot be imported.",
        request: new_group(&types, limits),
        answer: id_of_new(),
        codes: &[10007, 10021],
        example: (
            r#"{"Type":"Private","Name":"Second","GroupId":"MySecondGroup"}"#,
            r#"{"GroupId":"MySecondGroup","ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

fn destroy_group() -> Operation {
    Operation {
        family: ChatGroups,
        command: "destroy_group",
        summary: "Destroys a chat group",
        description: "What users keep about it stays stored, and is hidden from now on.",
        request: object(&["GroupId"], json!({ "GroupId": named("ChatGroupId") })),
        answer: json!({}),
        codes: &[10010],
        example: (
            r#"{"GroupId":"MySecondGroup"}"#,
            r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

fn get_group_info() -> Operation {
    const CODES: &[u32] = &[10010];
    let missing = codes::of_items(ChatGroups, CODES);
    let codes: Vec<u32> = std::iter::once(0).chain(missing).collect();
    let info = closed(
        &["GroupId", "ErrorCode", "ErrorInfo"],
        json!({
            "GroupId": { "type": "string", "description": "As it was sent." },
            "ErrorCode": { "type": "integer", "enum": codes, "description": "0: it is there." },
            "ErrorInfo": { "type": "string", "description": "In words; empty when it is there." },
            "Type": { "enum": ChatGroupType::ALL.map(ChatGroupType::name), "description": "Only if it is there." },
            "Name": { "type": "string", "description": "Only if it is there." },
        }),
    );
    let ids = array(1, CHAT_GROUP_ITEMS_MAX, "The ids.", named("ChatGroupId"));
    Operation {
        family: ChatGroups,
        command: "get_group_info",
        summary: "Looks chat groups up",
        description: "Id, type and name of up to 50 chat groups.",
        request: object(&["GroupIdList"], json!({ "GroupIdList": ids })),
        answer: json!({ "GroupInfo": answered("One for each id, in order.", info) }),
        codes: CODES,
        example: (
            r#"{"GroupIdList":["MyFirstGroup","nothing"]}"#,
            r#"{"GroupInfo":[{"GroupId":"MyFirstGroup","ErrorCode":0,"ErrorInfo":"","Type":"Public","Name":"First"},{"GroupId":"nothing","ErrorCode":10010,"ErrorInfo":"GroupId: no such chat group, or it was destroyed"}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}
