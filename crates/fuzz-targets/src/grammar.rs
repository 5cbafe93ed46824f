//! The bodies that each command must accept. This shares no code with the service.

use serde_json::Value;

use earmark::http::tencent::codes::Code;

use super::body::LIMITS;

/// What a call accepts, and the codes with which it may refuse a body.
pub(super) fn of(command: &str) -> (fn(&Value) -> bool, &'static [Code]) {
    use Code::{
        AccountNotString, BadAccountParameter, BadChatGroupParameter, BadParameter,
        ContactGroupNameLength, EntryCount, ItemCount, NotImportable,
    };
    match command {
        "mark_contact" => (mark_contact, &[BadParameter, ItemCount, AccountNotString]),
        "create_contact_group" => (
            create_contact_group,
            &[BadParameter, ItemCount, ContactGroupNameLength, AccountNotString],
        ),
        "update_contact_group" => (
            update_contact_group,
            &[BadParameter, ItemCount, ContactGroupNameLength, AccountNotString],
        ),
        "del_contact_group" => (del_contact_group, &[BadParameter, AccountNotString]),
        "search_contact_group" => (search_contact_group, &[BadParameter, AccountNotString]),
        "get_contact_group" => (get_contact_group, &[BadParameter, AccountNotString]),
        "top" => (top, &[BadParameter, ItemCount, AccountNotString]),
        "get_list" => (get_list, &[BadParameter, AccountNotString]),
        "delete" => (delete, &[BadParameter, AccountNotString]),
        "account_import" => (account_import, &[BadAccountParameter, AccountNotString]),
        "multiaccount_import" => {
            (multiaccount_import, &[BadAccountParameter, AccountNotString, EntryCount])
        }
        "account_check" => (account_check, &[BadAccountParameter, AccountNotString, EntryCount]),
        "account_delete" => (account_delete, &[BadAccountParameter, AccountNotString, EntryCount]),
        "create_group" => (create_group, &[BadChatGroupParameter, AccountNotString]),
        "import_group" => (import_group, &[BadChatGroupParameter, AccountNotString, NotImportable]),
        "destroy_group" => (destroy_group, &[BadChatGroupParameter]),
        "get_group_info" => (get_group_info, &[BadChatGroupParameter]),
        other => panic!("{other} has no grammar"),
    }
}

const CHAT_GROUP_TYPES: [&str; 5] = ["Private", "Public", "ChatRoom", "AVChatRoom", "Community"];

fn mark_contact(body: &Value) -> bool {
    let item = |item: &Value| {
        let (has_bits, has_text) = match integer(&item["OptType"]) {
            Some(1) => (true, false),
            Some(2) => (false, true),
            Some(3) => (true, true),
            _ => return false,
        };
        let (set, clear, custom) = (&item["SetMark"], &item["ClearMark"], &item["CustomMark"]);
        let bits = |bits: &Value| optional(bits, |bits| list(bits, 0, usize::MAX, is_bit));
        let asks = has_bits && !(set.is_null() && clear.is_null()) || has_text && !custom.is_null();
        item.is_object()
            && asks
            && conversation(&item["ContactItem"], &["ToGroupId"])
            && (!has_bits || bits(set) && bits(clear))
            && (!has_text || optional(custom, |custom| text(custom, 0, LIMITS.custom_mark_bytes)))
    };
    owner(body) && list(&body["MarkItem"], 1, LIMITS.mark_items as usize, item)
}

fn create_contact_group(body: &Value) -> bool {
    let members = |members: &Value| list(members, 0, LIMITS.group_items as usize, contact_item);
    let group = |group: &Value| {
        text(&group["GroupName"], 1, LIMITS.group_name_bytes)
            && optional(&group["ContactItem"], members)
    };
    owner(body) && list(&body["GroupContactItem"], 1, 1, group)
}

fn update_contact_group(body: &Value) -> bool {
    let group = &body["UpdateGroup"];
    let item = |item: &Value| {
        matches!(integer(&item["ContactOptType"]), Some(1 | 2))
            && contact_item(&item["ContactItem"])
    };
    owner(body)
        && integer(&body["UpdateType"]) == Some(1)
        && text(&group["OldGroupName"], 0, u32::MAX)
        && match integer(&group["UpdateGroupType"]) {
            Some(1) => text(&group["NewGroupName"], 1, LIMITS.group_name_bytes),
            Some(2) => list(&group["ContactUpdateItem"], 1, LIMITS.group_items as usize, item),
            _ => false,
        }
}

fn del_contact_group(body: &Value) -> bool {
    owner(body) && list(&body["GroupName"], 1, 1, |name| text(name, 0, u32::MAX))
}

fn search_contact_group(body: &Value) -> bool {
    owner(body) && list(&body["ContactItem"], 1, LIMITS.search_items as usize, contact_item)
}

fn get_contact_group(body: &Value) -> bool {
    owner(body) && cursor(&body["StartIndex"])
}

fn top(body: &Value) -> bool {
    let item = |item: &Value| conversation(item, &["GroupId", "ToGroupId"]);
    owner(body)
        && matches!(integer(&body["OperationType"]), Some(1 | 2))
        && list(&body["RecentContactItem"], 1, LIMITS.mark_items as usize, item)
}

fn get_list(body: &Value) -> bool {
    let cursors = ["TimeStamp", "StartIndex", "TopTimeStamp", "TopStartIndex", "AssistFlags"];
    owner(body) && cursors.iter().all(|name| cursor(&body[name]))
}

fn delete(body: &Value) -> bool {
    owner(body) && conversation(body, &["ToGroupid", "ToGroupId"])
}

fn account_import(body: &Value) -> bool {
    let value = |name| optional(&body[name], |value| text(value, 0, 500));
    account(first_of(body, &["UserID", "Identifier"])) && value("Nick") && value("FaceUrl")
}

fn multiaccount_import(body: &Value) -> bool {
    let (newer, older) = (&body["AccountList"], &body["Accounts"]);
    match (newer.is_null(), older.is_null()) {
        (false, true) => list(newer, 1, 100, named),
        (true, false) => list(older, 1, 100, Value::is_string),
        _ => false,
    }
}

fn account_check(body: &Value) -> bool {
    list(&body["CheckItem"], 1, 100, named)
}

fn account_delete(body: &Value) -> bool {
    list(&body["DeleteItem"], 1, 100, named)
}

fn create_group(body: &Value) -> bool {
    let id = body["GroupId"].as_str().unwrap_or_default();
    let is_community = body["Type"] == "Community" && id.starts_with("@TGS#_");
    new_group(body) && (is_community || !id.starts_with("@TGS#"))
}

fn import_group(body: &Value) -> bool {
    new_group(body) && body["Type"] != "AVChatRoom"
}

fn new_group(body: &Value) -> bool {
    let id = |id: &Value| {
        id.as_str().is_some_and(|id| {
            id.len() <= LIMITS.chat_group_id_bytes as usize
                && id.chars().all(|c| c == ' ' || c.is_ascii_graphic())
        })
    };
    optional(&body["Owner_Account"], |owner| *owner == "" || account(owner))
        && optional(&body["GroupId"], id)
        && body["Type"].as_str().is_some_and(|kind| CHAT_GROUP_TYPES.contains(&kind))
        && text(&body["Name"], 1, 30)
}

fn destroy_group(body: &Value) -> bool {
    text(&body["GroupId"], 1, LIMITS.chat_group_id_bytes)
}

fn get_group_info(body: &Value) -> bool {
    list(&body["GroupIdList"], 1, 50, |id| text(id, 1, LIMITS.chat_group_id_bytes))
}

fn owner(body: &Value) -> bool {
    account(&body["From_Account"])
}

pub(super) fn account(name: &Value) -> bool {
    text(name, 1, LIMITS.user_id_bytes)
}

/// An item that names a user by any text. A bad name makes only its item fail.
fn named(item: &Value) -> bool {
    first_of(item, &["UserID", "Identifier"]).is_string()
}

fn contact_item(item: &Value) -> bool {
    conversation(item, &["ToGroupId"])
}

fn conversation(item: &Value, group_names: &[&str]) -> bool {
    let kind = first_of(item, &["Type", "type"]);
    let kind = match kind.as_str() {
        Some("1") => Some(1),
        Some("2") => Some(2),
        _ => integer(kind),
    };
    match kind {
        Some(1) => account(&item["To_Account"]),
        Some(2) => text(first_of(item, group_names), 1, LIMITS.chat_group_id_bytes),
        _ => false,
    }
}

fn first_of<'v>(value: &'v Value, names: &[&str]) -> &'v Value {
    let found = names.iter().map(|name| &value[name]).find(|value| !value.is_null());
    found.unwrap_or(&Value::Null)
}

pub(super) fn optional(value: &Value, allows: impl Fn(&Value) -> bool) -> bool {
    value.is_null() || allows(value)
}

pub(super) fn list(
    value: &Value,
    least: usize,
    most: usize,
    allows: impl Fn(&Value) -> bool,
) -> bool {
    let Some(items) = value.as_array() else { return false };
    (least..=most).contains(&items.len()) && items.iter().all(allows)
}

pub(super) fn is_bit(bit: &Value) -> bool {
    integer(bit).is_some_and(|bit| (0..=63).contains(&bit))
}

pub(super) fn text(value: &Value, least: u32, most: u32) -> bool {
    let fits = |text: &str| (least as usize..=most as usize).contains(&text.len());
    value.as_str().is_some_and(|text| fits(text) && !text.contains('\0'))
}

/// A number with an integral value, however it is written.
pub(super) fn integer(value: &Value) -> Option<i128> {
    let exact = value.as_u64().map(i128::from).or_else(|| value.as_i64().map(i128::from));
    let float =
        value.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= 2_f64.powi(53));
    #[expect(clippy::cast_possible_truncation, reason = "it is integral and at most 2^53")]
    exact.or(float.map(|float| float as i128))
}

/// A number that is neither a fraction nor negative.
pub(super) fn cursor(value: &Value) -> bool {
    optional(value, |value| {
        integer(value).is_some_and(|number| number >= 0)
            || value.as_f64().is_some_and(|number| number > 1e19)
    })
}
