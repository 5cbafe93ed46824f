//! Rows as parameters of a statement: one array per column, which the statement turns back into rows with `unnest`.
//!
//! [`unnest!`] binds the arrays in the order in which the call lists the columns. The statement repeats the columns, so the
//! compiler compares the two: two lines that are swapped on one side do not compile.

/// Calls a query macro of sqlx with one array parameter per column.
///
/// The first `for` binds the parameters from `$1`, the next `for` those that follow, and expressions after `;` come last.
/// The expression behind `in` is evaluated once per column. A value may use `?`.
macro_rules! unnest {
    (
        $query:ident!($($file_or_text:tt)+),
        $(for $row:tt in $rows:expr => { $($column:ident: $type:ty = $value:expr),+ $(,)? })+
        $(; $($more:expr),+ $(,)?)?
    ) => {{
        const _: () = assert!(
            $crate::store::unnest::is_unnested(
                $crate::store::unnest::statement_text!($query!($($file_or_text)+)),
                &[$(&[$((
                    stringify!($column),
                    <$type as $crate::store::unnest::Element>::SQL_NAME,
                )),+]),+],
            ),
            "the statement does not unnest these columns in this order",
        );
        sqlx::$query!(
            $($file_or_text)+,
            $($(
                &{
                    let rows = IntoIterator::into_iter($rows);
                    let mut column = Vec::<$type>::with_capacity(rows.size_hint().0);
                    for $row in rows {
                        $crate::store::unnest::mark_used!($row);
                        column.push($value);
                    }
                    column
                } as &[$type],
            )+)+
            $($($more),+)?
        )
    }};
}

/// Prevents warnings: a column need not use all variables of a pattern such as `(key, row)`.
macro_rules! mark_used {
    ($row:ident) => {};
    (($($part:ident),+)) => {
        _ = ($(&$part),+);
    };
}

/// The text of a statement: that of the file for sqlx's `query_file` macros.
macro_rules! statement_text {
    (query_file!($file:literal)) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $file))
    };
    (query_file_scalar!($file:literal)) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $file))
    };
    (query_file_as!($row:ty, $file:literal)) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $file))
    };
    ($query:ident!($text:literal)) => {
        $text
    };
}

pub(super) use {mark_used, statement_text, unnest};

/// An element of an array parameter.
pub(super) trait Element {
    /// PostgreSQL's name of the type.
    const SQL_NAME: &'static str;
}

macro_rules! elements {
    ($($type:ty = $name:literal),+) => {
        $(impl Element for $type {
            const SQL_NAME: &'static str = $name;
        })+
    };
}

elements!(bool = "boolean", i16 = "smallint", i32 = "int", i64 = "bigint", &str = "text");

impl<T: Element> Element for Option<T> {
    const SQL_NAME: &'static str = T::SQL_NAME;
}

/// A column: its name, and the SQL name of its type.
type Column = (&'static str, &'static str);

/// Returns whether the statement unnests these lists of columns. The first list starts with parameter `$1`, each later one
/// continues the numbers. A list is `unnest($1::int[], …) [WITH ORDINALITY] AS alias (column, … [, nr])`.
pub(super) const fn is_unnested(statement: &str, lists: &[&[Column]]) -> bool {
    let (mut nr, mut parameter) = (0, 1);
    while nr < lists.len() {
        if !finds_list(statement.as_bytes(), parameter, lists[nr]) {
            return false;
        }
        parameter += lists[nr].len();
        nr += 1;
    }
    true
}

const fn finds_list(text: &[u8], parameter: usize, columns: &[Column]) -> bool {
    let mut start = 0;
    while start < text.len() {
        let mut scanner = Scanner { text, at: start };
        if scanner.takes_parameters(parameter, columns) && scanner.takes_names(columns) {
            return true;
        }
        start += 1;
    }
    false
}

struct Scanner<'s> {
    text: &'s [u8],
    at: usize,
}

impl Scanner<'_> {
    const fn takes_parameters(&mut self, first: usize, columns: &[Column]) -> bool {
        let mut nr = 0;
        while nr < columns.len() {
            let before = if nr == 0 { "unnest(" } else { "," };
            let is_taken = self.takes(before)
                && self.takes("$")
                && self.takes_number(first + nr)
                && self.takes("::")
                && self.takes(columns[nr].1)
                && self.takes("[]");
            if !is_taken {
                return false;
            }
            nr += 1;
        }
        self.takes(")")
    }

    const fn takes_names(&mut self, columns: &[Column]) -> bool {
        let has_ordinality = self.takes("WITH ORDINALITY");
        if !self.takes("AS") {
            return false;
        }
        self.skip_word();
        let mut nr = 0;
        while nr < columns.len() {
            if !self.takes(if nr == 0 { "(" } else { "," }) || !self.takes(columns[nr].0) {
                return false;
            }
            nr += 1;
        }
        (!has_ordinality || self.takes(", nr")) && self.takes(")")
    }

    /// Takes a token if it comes next. White space before the token does not count.
    const fn takes(&mut self, token: &str) -> bool {
        let (token, mut length) = (token.as_bytes(), 0);
        self.skip_space();
        while length < token.len() {
            if self.at + length >= self.text.len() || self.text[self.at + length] != token[length] {
                return false;
            }
            length += 1;
        }
        self.at += length;
        true
    }

    const fn takes_number(&mut self, number: usize) -> bool {
        let mut found = 0;
        while self.at < self.text.len() && self.text[self.at].is_ascii_digit() {
            found = found * 10 + (self.text[self.at] - b'0') as usize;
            self.at += 1;
        }
        found == number
    }

    const fn skip_space(&mut self) {
        while self.at < self.text.len() && self.text[self.at].is_ascii_whitespace() {
            self.at += 1;
        }
    }

    const fn skip_word(&mut self) {
        self.skip_space();
        while self.at < self.text.len() && self.text[self.at].is_ascii_lowercase() {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[Column] = &[("user_id", "text"), ("marked", "int"), ("grouped", "int")];
    const SECOND: &[Column] = &[("kind", "smallint")];

    #[track_caller]
    fn check(text: &str, expected: bool) {
        assert_eq!(is_unnested(text, &[FIRST, SECOND]), expected, "{text}");
    }

    #[test]
    fn names_types_and_numbers_of_columns_are_compared() {
        let first = "FROM unnest(\n  $1::text[], $2::int[], $3::int[]\n) AS t (\n user_id, marked, grouped)";
        let second = "unnest($4::smallint[]) WITH ORDINALITY AS u (kind, nr)";
        check(&format!("SELECT {first} JOIN {second} ON TRUE"), true);
        check(&format!("SELECT {second}, {first}"), true);
        for (from, to) in [
            ("marked, grouped", "grouped, marked"),
            ("$2::int[], $3", "$3::int[], $2"),
            ("$1::text", "$1::int"),
            ("grouped)", "grouped, other)"),
            ("marked, ", ""),
        ] {
            let first = first.replace(from, to);
            assert!(first.contains(to));
            check(&format!("SELECT {first} JOIN {second} ON TRUE"), false);
        }
        check(&first.replace(" AS t", ""), false);
        check(first, false);
    }
}
