//! The error codes in words. The table is data (`codes.json`): the console shows it, `docs/compatibility.md` prints it.

use std::sync::LazyLock;

use serde_json::Value;

use crate::http::tencent::codes::{Code, Family};

pub(super) const SEE: &str = "The codes are explained in `x-error-codes`.";

pub(super) static TABLE: LazyLock<Vec<Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("codes.json")).unwrap_or_default());

/// The codes that a command can return as the call's `ErrorCode`, ascending: those of all commands, and `of_its_own`.
pub(super) fn at_the_top(family: Family, of_its_own: &[Code]) -> Vec<u32> {
    let of_all = |code: &Value| match code["family"].as_str() {
        // A documented command exists, so it never returns this code.
        Some("all") => code["name"] != "UnknownCommand",
        _ => code["name"] == "NotAdmin" || code["name"] == "BadParameter",
    };
    listed(family, "top", of_its_own, of_all)
}

/// The codes that a command can return for an item, ascending.
pub(super) fn of_items(family: Family, of_its_own: &[Code]) -> Vec<u32> {
    listed(family, "item", of_its_own, |code| code["family"] == "all")
}

fn listed(
    family: Family,
    level: &str,
    of_its_own: &[Code],
    of_all: fn(&Value) -> bool,
) -> Vec<u32> {
    let of_family = |code: &&Value| code["family"] == "all" || code["family"] == family.service();
    let mut listed: Vec<u32> = TABLE
        .iter()
        .filter(of_family)
        .filter(|code| code["level"].as_str().is_some_and(|levels| levels.contains(level)))
        .filter_map(|code| Some((code, u32::try_from(code["code"].as_u64()?).ok()?)))
        .filter(|(code, number)| {
            of_all(code) || of_its_own.iter().any(|own| own.number() == *number)
        })
        .map(|(_, number)| number)
        .collect();
    listed.sort_unstable();
    listed
}
