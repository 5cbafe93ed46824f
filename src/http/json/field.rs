//! [`Field`] walks the tree of a body.

use std::ops::RangeInclusive;

use serde_json_borrow::Value;

use super::Json;
use crate::domain::{Problem, UserId};
use crate::http::failure::Failure;

/// The type of a value, as error texts call it.
fn kind(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        // serde_json reads an integer beyond 64 bits as a float.
        Value::Number(number) if number.is_f64() => "a number that is not an integer",
        Value::Number(_) => "an integer",
        Value::Str(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The value of a float that is integral and small enough to be exact.
fn integral(number: f64) -> Option<i128> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is integral and below 2^53")]
    (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then_some(number as i128)
}

/// A value in a body, or its absence, with the path to it.
#[derive(Debug, Clone, Copy)]
pub struct Field<'f> {
    value: Option<&'f Value<'f>>,
    step: Step<'f>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'f> {
    Root,
    Name(&'f Field<'f>, &'static str),
    Item(&'f Field<'f>, usize),
}

impl<'f> Field<'f> {
    /// A body that was not sent.
    pub const ABSENT: Field<'static> = Field { value: None, step: Step::Root };

    #[must_use]
    pub fn root(Json(body): &'f Json<'f>) -> Self {
        Self { value: Some(body), step: Step::Root }
    }

    /// The path as a client would write it: `MarkItem[3].SetMark[1]`. Built only for an error.
    #[must_use]
    pub fn path(&self) -> String {
        match self.step {
            Step::Root => String::new(),
            Step::Item(array, index) => format!("{}[{index}]", array.path()),
            Step::Name(Field { step: Step::Root, .. }, name) => name.to_owned(),
            Step::Name(object, name) => format!("{}.{name}", object.path()),
        }
    }

    /// The error that says `problem` about this field.
    #[must_use]
    pub fn refuse(&self, problem: Problem) -> Failure {
        let path = match self.step {
            Step::Root => "body".to_owned(),
            Step::Name(..) | Step::Item(..) => self.path(),
        };
        Failure::Parameter { path, problem }
    }

    fn expected(&self, what: &str) -> Failure {
        self.refuse(Problem::new(match self.value {
            None => format!("missing, must be {what}"),
            Some(other) => format!("must be {what}, got {}", kind(other)),
        }))
    }

    /// The field `name` of this object. `null` means absent. A name that is given twice is refused, since we would have to
    /// drop one of the two values.
    pub fn get(&'f self, name: &'static str) -> Result<Self, Failure> {
        let field = self.get_nullable(name)?;
        Ok(if field.is_null() { Self { value: None, ..field } } else { field })
    }

    /// Like [`Field::get`], but a field that is `null` is present.
    pub fn get_nullable(&'f self, name: &'static str) -> Result<Self, Failure> {
        let Some(Value::Object(entries)) = self.value else {
            return Err(self.expected("an object"));
        };
        let field = |value| Field { value, step: Step::Name(self, name) };
        let mut found = entries.iter().filter(|(key, _)| *key == name).map(|(_, value)| value);
        let value = found.next();
        match found.next() {
            None => Ok(field(value)),
            Some(_) => Err(field(value).refuse(Problem::new("must not be given twice"))),
        }
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value.is_some_and(Value::is_null)
    }

    /// The first of these fields that is present. If none is, the field of the first name, which is absent.
    pub fn first_of(&'f self, names: &[&'static str]) -> Result<Self, Failure> {
        let fields: Vec<Self> =
            names.iter().map(|name| self.get(name)).collect::<Result<_, _>>()?;
        let found = fields.iter().copied().find_map(Self::present).or(fields.first().copied());
        found.ok_or_else(|| crate::error::Error::internal("a field has no name").into())
    }

    /// This field, or `None` if it is absent.
    #[must_use]
    pub fn present(self) -> Option<Self> {
        self.value.is_some().then_some(self)
    }

    /// Refuses anything but an object whose fields are all among `names`.
    pub fn only(&self, names: &[&str]) -> Result<(), Failure> {
        let Some(Value::Object(entries)) = self.value else {
            return Err(self.expected("an object"));
        };
        let Some(unknown) = entries.keys().find(|name| !names.contains(name)) else {
            return Ok(());
        };
        let known = names.join(", ");
        // A path cannot express such a name, nor can what is made from a path.
        if unknown.contains(['.', '[', ']', '/', '~']) {
            let problem = format!("no such field: {unknown:?}, must be one of {known}");
            return Err(self.refuse(Problem::new(problem)));
        }
        let parent = self.path();
        let path =
            if parent.is_empty() { unknown.to_owned() } else { format!("{parent}.{unknown}") };
        let problem = Problem::new(format!("no such field, must be one of {known}"));
        Err(Failure::Parameter { path, problem })
    }

    pub fn boolean(&self) -> Result<bool, Failure> {
        self.value.and_then(Value::as_bool).ok_or_else(|| self.expected("true or false"))
    }

    pub fn text(&self) -> Result<&'f str, Failure> {
        self.value.and_then(Value::as_str).ok_or_else(|| self.expected("a string"))
    }

    /// A number with an integral value, however it is written: `1`, `1.0`, `1e0`.
    pub fn integer(&self) -> Result<i128, Failure> {
        let unsigned = self.value.and_then(Value::as_u64).map(i128::from);
        let integer = unsigned.or_else(|| self.value.and_then(Value::as_i64).map(i128::from));
        let integer = integer.or_else(|| integral(self.value?.as_f64()?));
        integer.ok_or_else(|| self.expected("an integer"))
    }

    /// A number above 0 and at most 1, in millionths.
    pub fn millionths(&self) -> Result<u32, Failure> {
        let expected = "a number from 0.000001 to 1";
        let number = self.value.and_then(Value::as_f64).ok_or_else(|| self.expected(expected))?;
        if !(0.000_001..=1.0).contains(&number) {
            return Err(self.refuse(Problem::new(format!("must be {expected}"))));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is from 1 to a million"
        )]
        let millionths = (number * 1e6).round() as u32;
        Ok(millionths)
    }

    /// An integer, or one of these texts, which stand for the integers from 1.
    pub fn integer_or_text(&self, texts: &[&str]) -> Result<i128, Failure> {
        let text = self.value.and_then(Value::as_str);
        let position = text.and_then(|text| texts.iter().position(|other| *other == text));
        match position.and_then(|position| i128::try_from(position + 1).ok()) {
            Some(number) => Ok(number),
            None => self.integer(),
        }
    }

    /// This field, or `None` if it is absent or an empty text, which clients send for an optional value.
    #[must_use]
    pub fn not_empty(self) -> Option<Self> {
        self.present().filter(|field| field.value.and_then(Value::as_str) != Some(""))
    }

    /// The offset to continue a list from. Absent means 0; an offset beyond `u32` means the end of the list.
    pub fn cursor(&self) -> Result<u32, Failure> {
        match self.value {
            None => return Ok(0),
            // serde_json reads an integer beyond 64 bits as a float.
            Some(value) if value.as_f64().is_some_and(|number| number > 1e19) => {
                return Ok(u32::MAX);
            }
            Some(_) => {}
        }
        match u128::try_from(self.integer()?) {
            Ok(offset) => Ok(u32::try_from(offset).unwrap_or(u32::MAX)),
            Err(_) => Err(self.refuse(Problem::new("must not be negative"))),
        }
    }

    /// An array; `read` reads each of its items.
    pub fn array<T>(
        &self,
        mut read: impl FnMut(&Field<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let Some(Value::Array(items)) = self.value else { return Err(self.expected("an array")) };
        items
            .iter()
            .enumerate()
            .map(|(index, item)| read(&Field { value: Some(item), step: Step::Item(self, index) }))
            .collect()
    }

    /// Refuses an array of `got` items if that is fewer or more than `allowed`.
    pub fn check_count(&self, got: usize, allowed: RangeInclusive<u32>) -> Result<(), Failure> {
        if u32::try_from(got).is_ok_and(|got| allowed.contains(&got)) {
            return Ok(());
        }
        let (min, max) = allowed.into_inner();
        Err(Failure::ItemCount { path: self.path(), min, max, got })
    }

    /// A user id. The API has an error code of its own for an account that is not a string.
    pub fn account(&self, bytes_max: u32) -> Result<UserId, Failure> {
        match self.value {
            None | Some(Value::Str(_)) => {
                UserId::parse(self.text()?, bytes_max).map_err(|problem| self.refuse(problem))
            }
            Some(other) => Err(Failure::AccountType { path: self.path(), got: kind(other) }),
        }
    }

    /// A string that `parse` accepts.
    pub fn parsed<T>(&self, parse: impl FnOnce(&str) -> Result<T, Problem>) -> Result<T, Failure> {
        parse(self.text()?).map_err(|problem| self.refuse(problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T>(body: &str, read: impl FnOnce(Field<'_>) -> Result<T, Failure>, expected: &str) {
        let json = Json::parse(body.as_bytes()).unwrap();
        let error = read(Field::root(&json)).err().unwrap();
        assert_eq!(error.to_string(), expected);
    }

    fn read_bit(bit: &Field<'_>) -> Result<i128, Failure> {
        bit.integer()
    }

    #[test]
    fn an_error_names_the_path_to_the_wrong_value() {
        let deep = |root: Field<'_>| root.get("a")?.array(|item| item.get("b")?.array(read_bit));
        check(
            r#"{"a":[{"b":[1]},{"b":[2,"x"]}]}"#,
            deep,
            "a[1].b[1]: must be an integer, got a string",
        );
        check(r#"{"a":[{"b":{"0":1}}]}"#, deep, "a[0].b: must be an array, got an object");
        check(r#"{"a":[[]]}"#, deep, "a[0]: must be an object, got an array");
        check(r#"{"a":null}"#, deep, "a: missing, must be an array");
        check("[]", deep, "body: must be an object, got an array");
    }

    #[test]
    fn a_name_that_is_given_twice_is_refused_and_unknown_names_are_not() {
        let read = |root: Field<'_>| root.get("a")?.integer();
        check(r#"{"a":1,"a":1}"#, read, "a: must not be given twice");
        check(r#"{"a":null,"a":1}"#, read, "a: must not be given twice");
        let json = Json::parse(br#"{"x":1,"a":7,"x":2}"#).unwrap();
        assert_eq!(read(Field::root(&json)).unwrap(), 7);
    }

    #[test]
    fn an_unknown_field_is_named_by_its_path_or_by_the_object_that_has_it() {
        let read = |root: Field<'_>| root.get("a")?.array(|item| item.only(&["b"]));
        check(r#"{"a":[{"b":1},{"c":1}]}"#, read, "a[1].c: no such field, must be one of b");
        check(r#"{"a":[{"b/c":1}]}"#, read, r#"a[0]: no such field: "b/c", must be one of b"#);
    }

    #[test]
    fn null_is_absent_unless_it_is_asked_for() {
        let json = Json::parse(br#"{"null":null,"text":"x"}"#).unwrap();
        let root = Field::root(&json);
        assert!(root.get("null").unwrap().present().is_none());
        for (name, is_present, is_null) in
            [("null", true, true), ("text", true, false), ("absent", false, false)]
        {
            let field = root.get_nullable(name).unwrap();
            assert_eq!(
                (field.present().is_some(), field.is_null()),
                (is_present, is_null),
                "{name}"
            );
        }
    }

    #[test]
    fn only_integral_numbers_are_integers_however_they_are_written() {
        let read = |root: Field<'_>| root.get("a")?.integer();
        let no_integer = "a: must be an integer, got a number that is not an integer";
        check(r#"{"a":1.5}"#, read, no_integer);
        check(r#"{"a":1e40}"#, read, no_integer);
        check(r#"{"a":18446744073709551616}"#, read, no_integer);
        check(r#"{"a":true}"#, read, "a: must be an integer, got a boolean");
        for number in [0, 1, -1, i64::MIN.into(), i64::MAX.into(), u64::MAX.into()] {
            let json = format!(r#"{{"a":{number}}}"#);
            let json = Json::parse(json.as_bytes()).unwrap();
            assert_eq!(read(Field::root(&json)).unwrap(), number);
        }
        for (text, number) in
            [("1.0", 1), ("1e0", 1), ("-3.0E+1", -30), ("9007199254740992.0", 1 << 53)]
        {
            let json = format!(r#"{{"a":{text}}}"#);
            let json = Json::parse(json.as_bytes()).unwrap();
            assert_eq!(read(Field::root(&json)).unwrap(), number, "{text}");
        }
    }

    #[test]
    fn a_cursor_beyond_the_end_is_the_end() {
        let read = |text: &str| {
            let body = format!(r#"{{"a":{text}}}"#);
            let json = Json::parse(body.as_bytes()).unwrap();
            Field::root(&json).get("a").unwrap().cursor().map_err(|error| error.to_string())
        };
        for (text, expected) in [
            ("null", 0),
            ("0", 0),
            ("4294967295", u32::MAX),
            ("4294967296", u32::MAX),
            ("18446744073709551615", u32::MAX),
            ("18446744073709551616", u32::MAX),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        assert_eq!(read("-1"), Err("a: must not be negative".to_owned()));
        let no_integer = "a: must be an integer, got a number that is not an integer";
        assert_eq!(read("0.5"), Err(no_integer.to_owned()));
    }
}
