//! The bodies that each call of the native API must accept. This shares no code with the service.

use serde_json::Value;

use super::body::LIMITS;
use super::grammar::{account, cursor, integer, is_bit, list, optional, text};

const STANDARD_MARKS: [&str; 4] = ["favorite", "unread", "collapsed", "hidden"];
const PATCH: [&str; 6] = ["set", "clear", "custom", "add_to", "remove_from", "pinned"];

/// What a call accepts.
pub(super) fn of(call: &str) -> fn(&Value) -> bool {
    match call {
        "v1_patch_conversation" => |body| only(body, &PATCH) && patch(body),
        "v1_batch" => batch,
        "v1_patch_group" => patch_group,
        "v1_put_mark" => put_mark,
        other => panic!("{other} has no grammar"),
    }
}

fn batch(body: &Value) -> bool {
    let change = |change: &Value| {
        only(change, &[&["type", "id"], &PATCH[..]].concat())
            && match change["type"].as_str() {
                Some("user") => account(&change["id"]),
                Some("group") => text(&change["id"], 1, LIMITS.chat_group_id_bytes),
                _ => false,
            }
            && patch(change)
    };
    let is_revision =
        |revision: &Value| integer(revision).is_some_and(|number| u64::try_from(number).is_ok());
    only(body, &["expected_revision", "changes"])
        && optional(&body["expected_revision"], is_revision)
        && list(&body["changes"], 1, LIMITS.mark_items as usize, change)
}

fn patch(body: &Value) -> bool {
    let names = |names: &Value| list(names, 0, usize::MAX, |name| text(name, 0, u32::MAX));
    let marks = |marks: &Value| list(marks, 0, usize::MAX, |mark| bit(mark).is_some());
    let bits = |name: &str| items(&body[name]).iter().map(bit).collect::<Vec<_>>();
    let (set, clear) = (bits("set"), bits("clear"));
    ["set", "clear"].iter().all(|name| optional(&body[name], marks))
        && ["add_to", "remove_from"].iter().all(|name| optional(&body[name], names))
        && set.iter().all(|bit| !clear.contains(bit))
        && items(&body["add_to"]).iter().all(|name| !items(&body["remove_from"]).contains(name))
        && optional(&body["custom"], |custom| text(custom, 0, LIMITS.custom_mark_bytes))
        && optional(&body["pinned"], Value::is_boolean)
}

fn patch_group(body: &Value) -> bool {
    only(body, &["name", "position"])
        && optional(&body["name"], |name| text(name, 1, LIMITS.group_name_bytes))
        && cursor(&body["position"])
}

fn put_mark(body: &Value) -> bool {
    let is_color = |color: &Value| {
        color.as_str().is_some_and(|color| {
            let is_hex = |digit: char| digit.is_ascii_hexdigit();
            [4, 7].contains(&color.len())
                && color.starts_with('#')
                && color.chars().skip(1).all(is_hex)
        })
    };
    only(body, &["name", "color"])
        && text(&body["name"], 1, 32)
        && !STANDARD_MARKS.iter().any(|name| body["name"] == *name)
        && optional(&body["color"], is_color)
}

/// An object without other fields.
fn only(object: &Value, names: &[&str]) -> bool {
    object.as_object().is_some_and(|fields| fields.keys().all(|name| names.contains(&&**name)))
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// The bit of a mark, which is written as such or as a name.
fn bit(mark: &Value) -> Option<i128> {
    let named = STANDARD_MARKS.iter().position(|name| mark == name);
    match named {
        Some(position) => i128::try_from(position).ok(),
        None => integer(mark).filter(|_| is_bit(mark)),
    }
}
