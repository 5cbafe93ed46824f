//! `recentcontact`: marks, conversation groups, pins.

use serde_json::{Value, json};

use super::schema::{
    answered, array, choice, closed, conversation, count, item_result, joined, limited_array,
    named, object, shown_conversation, with,
};
use super::{Operation, codes};
use crate::error::Family::RecentContact;
use crate::limits::Limits;

pub(super) fn operations(limits: &Limits) -> Vec<Operation> {
    vec![
        mark_contact(limits),
        create_contact_group(limits),
        update_contact_group(limits),
        del_contact_group(),
        search_contact_group(limits),
        get_contact_group(),
        top(limits),
        get_list(),
        delete(),
    ]
}

/// The user whose state it is, and more.
fn of_user(required: &[&str], properties: Value) -> Value {
    let user = json!({ "From_Account": { "$ref": "#/components/schemas/UserID", "description": "Whose conversations." } });
    object(&[&["From_Account"], required].concat(), joined(user, properties))
}

/// The results of a command, by codes of its own.
fn result_of(codes: &[u32]) -> Value {
    item_result(&codes::of_items(RecentContact, codes))
}

/// An item of an answer: a conversation with what it came to.
fn outcome(codes: &[u32]) -> Value {
    let shown = json!({ "ContactItem": named("ShownContactItem") });
    closed(&["ContactItem", "ResultCode", "ResultInfo"], joined(shown, result_of(codes)))
}

fn mark_contact(limits: &Limits) -> Operation {
    const CODES: &[u32] = &[50001, 51006, 51007, 51008, 51013];
    let opt_type = choice(
        "Which of the marks change.",
        &[(1, "standard mark"), (2, "custom mark"), (3, "both")],
    );
    let item = object(
        &["OptType", "ContactItem"],
        json!({
            "OptType": opt_type,
            "ContactItem": named("ContactItem"),
            "SetMark": { "$ref": "#/components/schemas/Bits", "description": "Bits to set. With OptType 1 and 3." },
            "ClearMark": { "$ref": "#/components/schemas/Bits", "description": "Bits to clear. With OptType 1 and 3." },
            "CustomMark": named("CustomMark"),
        }),
    );
    let case = |number: u8, one_of: &[&str]| {
        let has: Vec<_> = one_of.iter().map(|name| json!({ "required": [name] })).collect();
        json!({ "properties": { "OptType": { "const": number } }, "anyOf": has })
    };
    let item = with(
        item,
        "oneOf",
        json!([
            case(1, &["SetMark", "ClearMark"]),
            case(2, &["CustomMark"]),
            case(3, &["SetMark", "ClearMark", "CustomMark"]),
        ]),
    );
    let max = ("mark-items", limits.mark_items);
    let result = joined(
        json!({ "OptType": { "enum": [1, 2, 3] }, "ContactItem": named("ShownContactItem") }),
        result_of(CODES),
    );
    Operation {
        family: RecentContact,
        command: "mark_contact",
        summary: "Sets and clears marks",
        description: "Sets and clears bits of the standard marks of conversations, and sets their custom marks. Items \
            apply in order; one that is refused leaves its neighbours applied.",
        request: of_user(
            &["MarkItem"],
            json!({ "MarkItem": limited_array(1, max, "One change for one conversation each.", item) }),
        ),
        answer: json!({ "ResultItem": answered(
            "One for each item, in order.",
            closed(&["OptType", "ContactItem", "ResultCode", "ResultInfo"], result),
        ) }),
        codes: CODES,
        example: (
            r#"{"From_Account":"user0","MarkItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"user1"},"SetMark":[0,32],"CustomMark":"abcd"}]}"#,
            r#"{"ResultItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"user1"},"ResultCode":0,"ResultInfo":""}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

fn create_contact_group(limits: &Limits) -> Operation {
    const CODES: &[u32] = &[50001, 51006, 51007, 51008, 51010, 51011, 51013];
    let max = ("group-items", limits.group_items);
    let group = object(
        &["GroupName"],
        json!({
            "GroupName": named("GroupName"),
            "ContactItem": limited_array(0, max, "What is in it from the start.", named("ContactItem")),
        }),
    );
    Operation {
        family: RecentContact,
        command: "create_contact_group",
        summary: "Makes a conversation group",
        description: "Makes one conversation group, with conversations or without. A name that the user already has is \
            refused.",
        request: of_user(
            &["GroupContactItem"],
            json!({ "GroupContactItem": array(1, 1, "Exactly one group.", group) }),
        ),
        answer: json!({ "GroupResultItem": answered("The one group.", closed(
            &["GroupItem", "ResultItem"],
            json!({
                "GroupItem": named("GroupItem"),
                "ResultItem": answered("One for each conversation, in order.", outcome(CODES)),
            }),
        )) }),
        codes: CODES,
        example: (
            r#"{"From_Account":"user0","GroupContactItem":[{"GroupName":"friends","ContactItem":[{"Type":1,"To_Account":"user1"},{"Type":1,"To_Account":"user2"}]}]}"#,
            r#"{"GroupResultItem":[{"GroupItem":{"GroupName":"friends","GroupId":1},"ResultItem":[{"ContactItem":{"Type":1,"To_Account":"user1"},"ResultCode":0,"ResultInfo":""},{"ContactItem":{"Type":1,"To_Account":"user2"},"ResultCode":0,"ResultInfo":""}]}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

fn update_contact_group(limits: &Limits) -> Operation {
    const CODES: &[u32] = &[50001, 51006, 51007, 51008, 51009, 51011, 51013];
    let opt_type = choice("What happens to it.", &[(1, "add"), (2, "remove")]);
    let item = object(
        &["ContactOptType", "ContactItem"],
        json!({ "ContactOptType": opt_type, "ContactItem": named("ContactItem") }),
    );
    let max = ("group-items", limits.group_items);
    let group = object(
        &["UpdateGroupType", "OldGroupName"],
        json!({
            "UpdateGroupType": choice("What changes.", &[(1, "rename"), (2, "add and remove conversations")]),
            "OldGroupName": { "$ref": "#/components/schemas/GroupName", "description": "Which group, by the name that it has." },
            "NewGroupName": { "$ref": "#/components/schemas/GroupName", "description": "Its new name. With UpdateGroupType 1." },
            "ContactUpdateItem": limited_array(1, max, "What to add and remove. With UpdateGroupType 2.", item),
        }),
    );
    let case = |number: u8, has: &str| json!({ "properties": { "UpdateGroupType": { "const": number } }, "required": [has] });
    let group =
        with(group, "oneOf", json!([case(1, "NewGroupName"), case(2, "ContactUpdateItem")]));
    let result = joined(
        json!({ "ContactOptType": { "enum": [1, 2] }, "ContactItem": named("ShownContactItem") }),
        result_of(CODES),
    );
    let results = answered(
        "One for each conversation, in order; empty after a rename.",
        closed(&["ContactOptType", "ContactItem", "ResultCode", "ResultInfo"], result),
    );
    Operation {
        family: RecentContact,
        command: "update_contact_group",
        summary: "Changes a conversation group",
        description: "Renames a conversation group, or adds and removes conversations. To add what is in, or remove \
            what is not, is fine.",
        request: of_user(
            &["UpdateType", "UpdateGroup"],
            json!({ "UpdateType": choice("What is updated.", &[(1, "one group")]), "UpdateGroup": group }),
        ),
        answer: json!({
            "UpdateType": { "const": 1 },
            "UpdateGroupResult": closed(
                &["UpdateGroupType", "GroupName", "GroupId", "OldGroupName", "ContactResultItem"],
                json!({
                    "UpdateGroupType": { "enum": [1, 2] },
                    "GroupName": { "type": "string", "description": "The name that it has now." },
                    "GroupId": { "type": "integer", "minimum": 1 },
                    "OldGroupName": { "type": "string", "description": "The name that it had before." },
                    "ContactResultItem": results,
                }),
            ),
        }),
        codes: CODES,
        example: (
            r#"{"From_Account":"user0","UpdateType":1,"UpdateGroup":{"UpdateGroupType":2,"OldGroupName":"friends","ContactUpdateItem":[{"ContactOptType":2,"ContactItem":{"Type":1,"To_Account":"user2"}},{"ContactOptType":1,"ContactItem":{"Type":2,"ToGroupId":"MyFirstGroup"}}]}}"#,
            r#"{"UpdateType":1,"UpdateGroupResult":{"UpdateGroupType":2,"GroupName":"friends","GroupId":1,"OldGroupName":"friends","ContactResultItem":[{"ContactOptType":2,"ContactItem":{"Type":1,"To_Account":"user2"},"ResultCode":0,"ResultInfo":""},{"ContactOptType":1,"ContactItem":{"Type":2,"ToGroupId":"MyFirstGroup"},"ResultCode":0,"ResultInfo":""}]},"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

fn del_contact_group() -> Operation {
    Operation {
        family: RecentContact,
        command: "del_contact_group",
        summary: "Deletes a conversation group",
        description: "Ends one conversation group. Its conversations keep their marks.",
        request: of_user(
            &["GroupName"],
            json!({ "GroupName": array(1, 1, "Exactly one name.", named("GroupName")) }),
        ),
        answer: json!({ "GroupItem": answered("The group that was.", named("GroupItem")) }),
        codes: &[50001, 51009, 51013],
        example: (
            r#"{"From_Account":"user0","GroupName":["friends"]}"#,
            r#"{"GroupItem":[{"GroupName":"friends","GroupId":1}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

/// What is kept about a conversation, as the calls that read show it.
fn kept() -> Value {
    shown_conversation(
        "ToGroupId",
        &["StandardMark", "Timestamp"],
        json!({
            "StandardMark": named("StandardMark"),
            "CustomMark": { "type": "string", "minLength": 1, "description": "Left out when empty." },
            "ContactGroupId": {
                "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 1 },
                "description": "The numbers of the groups that it is in; left out when it is in none.",
            },
            "Timestamp": count("Unix seconds of the last change to marks, custom mark or membership; 0 for none."),
        }),
    )
}

fn search_contact_group(limits: &Limits) -> Operation {
    let max = ("search-items", limits.search_items);
    Operation {
        family: RecentContact,
        command: "search_contact_group",
        summary: "Looks conversations up",
        description: "What is kept about the conversations asked for, in the order of the request. One that nothing is \
            kept about is answered bare.",
        request: of_user(
            &["ContactItem"],
            json!({ "ContactItem": limited_array(1, max, "The conversations.", named("ContactItem")) }),
        ),
        answer: json!({
            "ContactResultItem": answered("One for each conversation, in order.", kept()),
            "GroupItem": answered("The groups that the answer refers to.", named("GroupItem")),
        }),
        codes: &[50001],
        example: (
            r#"{"From_Account":"user0","ContactItem":[{"Type":1,"To_Account":"user1"},{"Type":1,"To_Account":"user9"}]}"#,
            r#"{"ContactResultItem":[{"Type":1,"To_Account":"user1","StandardMark":"100000000000000000000000000000001","CustomMark":"abcd","ContactGroupId":[1],"Timestamp":1795473418},{"Type":1,"To_Account":"user9","StandardMark":"","Timestamp":0}],"GroupItem":[{"GroupName":"friends","GroupId":1}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

fn get_contact_group() -> Operation {
    let start = count(
        "Where to go on: the `NextStartIndex` of the page before; 0, or nothing, is the beginning.",
    );
    Operation {
        family: RecentContact,
        command: "get_contact_group",
        summary: "Lists marked and grouped conversations",
        description: "All marked and grouped conversations of the user, page by page, in the order in which they were \
            first marked or grouped, with all groups. A page holds as many as the app's limit `page-items`.",
        request: of_user(&[], json!({ "StartIndex": start })),
        answer: json!({
            "ContactItem": answered("The conversations of this page.", kept()),
            "GroupItem": answered("All groups of the user.", named("GroupItem")),
            "CompleteFlag": choice("Whether this is the last page.", &[(0, "there is more"), (1, "the last page")]),
            "NextStartIndex": { "type": "integer", "minimum": 0, "maximum": i32::MAX, "description": "The next `StartIndex`; 0 at the end." },
        }),
        codes: &[50001],
        example: (
            r#"{"From_Account":"user0","StartIndex":0}"#,
            r#"{"ContactItem":[{"Type":1,"To_Account":"user1","StandardMark":"100000000000000000000000000000001","CustomMark":"abcd","ContactGroupId":[1],"Timestamp":1795473418},{"Type":2,"ToGroupId":"MyFirstGroup","StandardMark":"","ContactGroupId":[1],"Timestamp":1795473418}],"GroupItem":[{"GroupName":"friends","GroupId":1}],"CompleteFlag":1,"NextStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

fn top(limits: &Limits) -> Operation {
    const CODES: &[u32] = &[50001, 51006, 51007, 51012];
    let max = ("mark-items", limits.mark_items);
    let result = joined(
        json!({ "RecentContactItem": shown_conversation("GroupId", &[], json!({})) }),
        result_of(CODES),
    );
    Operation {
        family: RecentContact,
        command: "top",
        summary: "Pins and unpins conversations",
        description: "A pin is no mark, and has a cap of its own. To pin what is pinned, or unpin what is not, is fine.",
        request: of_user(
            &["OperationType", "RecentContactItem"],
            json!({
                "OperationType": choice("Which of the two.", &[(1, "pin"), (2, "unpin")]),
                "RecentContactItem": limited_array(
                    1, max, "The conversations.", conversation(&["GroupId", "ToGroupId"])),
            }),
        ),
        answer: json!({ "ResultItem": answered(
            "One for each conversation, in order.",
            closed(&["RecentContactItem", "ResultCode", "ResultInfo"], result),
        ) }),
        codes: CODES,
        example: (
            r#"{"From_Account":"user0","OperationType":1,"RecentContactItem":[{"Type":1,"To_Account":"user1"}]}"#,
            r#"{"ResultItem":[{"RecentContactItem":{"Type":1,"To_Account":"user1"},"ResultCode":0,"ResultInfo":""}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

fn get_list() -> Operation {
    let again = |name: &str| {
        count(&format!("The `{name}` of the page before; 0, or nothing, is the beginning."))
    };
    let session = shown_conversation(
        "GroupId",
        &["MsgTime", "TopFlag"],
        json!({
            "MsgTime": count("Unix seconds of the last change to marks and groups."),
            "TopFlag": choice("Whether it is pinned.", &[(0, "not pinned"), (1, "pinned")]),
            "StandardMark": { "$ref": "#/components/schemas/StandardMark", "description": "Left out when no bit is set." },
            "CustomMark": { "type": "string", "minLength": 1, "description": "Left out when empty." },
            "ContactGroupId": {
                "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 1 },
                "description": "Left out when it is in no group.",
            },
        }),
    );
    Operation {
        family: RecentContact,
        command: "get_list",
        summary: "Lists all conversations, pinned ones first",
        description: "The conversations that anything is kept about: pinned ones first, newest pin first; then the \
            others, newest change first. For the next page send back all four cursors as they came.",
        request: of_user(
            &[],
            json!({
                "TimeStamp": again("TimeStamp"), "StartIndex": again("StartIndex"),
                "TopTimeStamp": again("TopTimeStamp"), "TopStartIndex": again("TopStartIndex"),
                "AssistFlags": count("What the client supports: bits of the original; changes nothing here."),
            }),
        ),
        answer: json!({
            "SessionItem": answered("The conversations of this page.", session),
            "CompleteFlag": choice("Whether this is the last page.", &[(0, "there is more"), (1, "the last page")]),
            "TimeStamp": count("A cursor; 0 at the end."), "StartIndex": count("A cursor; 0 at the end."),
            "TopTimeStamp": count("A cursor; 0 at the end."), "TopStartIndex": count("A cursor; 0 at the end."),
        }),
        codes: &[50001],
        example: (
            r#"{"From_Account":"user0","TimeStamp":0,"StartIndex":0,"TopTimeStamp":0,"TopStartIndex":0,"AssistFlags":15}"#,
            r#"{"SessionItem":[{"Type":1,"To_Account":"user1","MsgTime":1795473418,"TopFlag":1,"StandardMark":"100000000000000000000000000000001","CustomMark":"abcd","ContactGroupId":[1]},{"Type":2,"GroupId":"MyFirstGroup","MsgTime":1795473418,"TopFlag":0,"ContactGroupId":[1]}],"CompleteFlag":1,"TimeStamp":0,"StartIndex":0,"TopTimeStamp":0,"TopStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}

fn delete() -> Operation {
    let from = json!({ "From_Account": named("UserID") });
    let mut request = conversation(&["ToGroupid", "ToGroupId"]);
    request["required"] = json!(["From_Account", "Type"]);
    request["properties"] = joined(from, request["properties"].take());
    request["properties"]["ClearRamble"] =
        choice("Whether messages are cleared too; there are none here.", &[(0, "no"), (1, "yes")]);
    Operation {
        family: RecentContact,
        command: "delete",
        summary: "Forgets a conversation",
        description: "Forgets marks, groups and pin of one conversation. It is fine where nothing is kept.",
        request,
        answer: json!({}),
        codes: &[50001],
        example: (
            r#"{"From_Account":"user0","Type":1,"To_Account":"user1"}"#,
            r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    }
}
