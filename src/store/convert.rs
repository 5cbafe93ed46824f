//! Conversions between stored values and values of the domain.
//!
//! A stored value that does not fit is an internal error that names the table and the column: corrupt data must not turn
//! into different data.

use std::fmt::Display;

use crate::error::Error;

/// Converts a number between the type of a column and the type of the domain, in either direction.
pub(super) fn number<S, T>(column: &'static str, value: S) -> Result<T, Error>
where
    S: Copy + Display,
    T: TryFrom<S>,
{
    T::try_from(value).map_err(|_| corrupt(column, format_args!("{value} is out of range")))
}

/// Returns the value of a column that is NULL only if a LEFT JOIN found no row.
pub(super) fn required<T>(column: &'static str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| corrupt(column, "NULL"))
}

/// Checks that a statement wrote the rows that it was given: they were loaded under the lock of their user.
pub(super) fn check_row_count(
    table: &'static str,
    written: u64,
    expected: usize,
) -> Result<(), Error> {
    if u64::try_from(expected).is_ok_and(|expected| expected == written) {
        Ok(())
    } else {
        Err(corrupt(table, format_args!("{written} rows were written instead of {expected}")))
    }
}

/// The error for a column, `table.column`, that holds a value which the domain refuses.
pub(super) fn corrupt(column: &'static str, problem: impl Display) -> Error {
    Error::Internal(anyhow::anyhow!("{column}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: std::fmt::Debug>(converted: Result<T, Error>, expected: &str) {
        let Err(Error::Internal(cause)) = converted else { panic!("{converted:?}") };
        assert_eq!(cause.to_string(), expected);
    }

    #[test]
    fn numbers_that_fit_are_converted() {
        assert_eq!(number::<i32, u32>("users.marked", i32::MAX).unwrap(), i32::MAX.unsigned_abs());
        assert_eq!(number::<u64, i64>("users.revision", 7).unwrap(), 7);
    }

    #[test]
    fn errors_name_the_column_and_the_value() {
        check(number::<i32, u32>("users.marked", -1), "users.marked: -1 is out of range");
        check(number::<i64, u64>("users.revision", -7), "users.revision: -7 is out of range");
        check(
            number::<u32, i32>("users.pinned", 1 << 31),
            "users.pinned: 2147483648 is out of range",
        );
        check(required::<i64>("conversations.changed_at", None), "conversations.changed_at: NULL");
        check(check_row_count("users", 1, 2), "users: 1 rows were written instead of 2");
    }
}
