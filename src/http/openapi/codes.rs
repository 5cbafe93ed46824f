//! The error codes in words. The table is data (`codes.json`): the console shows it, `docs/compatibility.md` prints it.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::http::failure::Failure;
use crate::http::tencent::codes::{Code, Family, bad_parameter};

pub(super) const SEE: &str = "The codes are explained in `x-error-codes`.";

/// A code in one service, or in all of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorCode {
    code: u32,
    name: Code,
    /// `all`, or the name of a service.
    family: String,
    /// `top`, `item`, or both with a comma.
    level: String,
    meaning: String,
    provoked_by: String,
    remedy: String,
}

pub(super) static TABLE: LazyLock<Vec<ErrorCode>> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the table is part of the program, and tests read it")]
    let table =
        serde_json::from_str(include_str!("codes.json")).expect("codes.json has this shape");
    table
});

/// The codes that a command can return as the call's `ErrorCode`, ascending: those of all commands, and `of_its_own`.
pub(super) fn at_the_top(family: Family, of_its_own: &[Code]) -> Vec<u32> {
    let of_family = [Failure::NotAdmin.code(family), bad_parameter(family)];
    listed(family, "top", |row| match row.family.as_str() {
        // A documented command exists, so it never returns this code.
        "all" => row.name != Code::UnknownCommand,
        _ => of_family.contains(&row.name) || of_its_own.contains(&row.name),
    })
}

/// The code with this number, if a whole call can be answered with it.
pub(in crate::http) fn code_at_the_top(number: u32) -> Option<Code> {
    let row = TABLE.iter().find(|row| row.code == number && row.level.contains("top"))?;
    Some(row.name)
}

/// The codes that a command can return for an item, ascending.
pub(super) fn of_items(family: Family, of_its_own: &[Code]) -> Vec<u32> {
    listed(family, "item", |row| row.family == "all" || of_its_own.contains(&row.name))
}

fn listed(family: Family, level: &str, is_returned: impl Fn(&ErrorCode) -> bool) -> Vec<u32> {
    let mut listed: Vec<u32> = TABLE
        .iter()
        .filter(|row| row.family == "all" || row.family == family.service())
        .filter(|row| row.level.contains(level) && is_returned(row))
        .map(|row| row.code)
        .collect();
    listed.sort_unstable();
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_table_has_the_number_of_the_code_that_it_names() {
        for row in &*TABLE {
            assert_eq!(row.code, row.name.number(), "{:?}", row.name);
        }
    }
}
