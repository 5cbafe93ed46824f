//! Every code, in words. The table itself is data: the console shows it, `docs/compatibility.md` prints it.

use std::sync::LazyLock;

use serde_json::Value;

use super::service_of;
use crate::error::Family;

/// Where the codes are explained.
pub(super) const SEE: &str = "The codes are explained in `x-error-codes`.";

/// One object for each code and family.
pub(super) static TABLE: LazyLock<Vec<Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("codes.json")).unwrap_or_default());

/// The codes that a command can answer at the top, in ascending order: those that all have, and those `of_its_own`.
pub(super) fn at_the_top(family: Family, of_its_own: &[u32]) -> Vec<u32> {
    let of_all = |code: &Value| match code["family"].as_str() {
        // A command that is there is not unknown.
        Some("all") => code["name"] != "UnknownCommand",
        _ => code["name"] == "NotAdmin" || code["name"] == "BadParameter",
    };
    listed(family, "top", of_its_own, of_all)
}

/// The codes that an item of a command can have, in ascending order.
pub(super) fn of_items(family: Family, of_its_own: &[u32]) -> Vec<u32> {
    listed(family, "item", of_its_own, |code| code["family"] == "all")
}

fn listed(family: Family, level: &str, of_its_own: &[u32], of_all: fn(&Value) -> bool) -> Vec<u32> {
    let of_family = |code: &&Value| code["family"] == "all" || code["family"] == service_of(family);
    let mut listed: Vec<u32> = TABLE
        .iter()
        .filter(of_family)
        .filter(|code| code["level"].as_str().is_some_and(|levels| levels.contains(level)))
        .filter_map(|code| Some((code, u32::try_from(code["code"].as_u64()?).ok()?)))
        .filter(|(code, number)| of_all(code) || of_its_own.contains(number))
        .map(|(_, number)| number)
        .collect();
    listed.sort_unstable();
    listed
}
