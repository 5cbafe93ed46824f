//! JSON bodies, read so that every error names the path to the wrong field.
//!
//! serde's messages name Rust types. Its structs drop a duplicate key, or report it without a path. So we parse a body
//! into a tree that borrows from it, and [`Field`] reads the tree with the API's own error texts.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::failure::Failure;
use crate::domain::{Problem, UserId};

/// A JSON value. Texts without escapes are borrowed from the body. Objects keep duplicate keys.
#[derive(Debug)]
pub enum Json<'b> {
    Null,
    Bool(bool),
    Integer(i128),
    /// A number that is not an integer, or beyond 64 bits.
    Number(f64),
    Text(Cow<'b, str>),
    Array(Vec<Json<'b>>),
    Object(Vec<(Cow<'b, str>, Json<'b>)>),
}

impl<'b> Json<'b> {
    pub fn parse(body: &'b [u8]) -> Result<Self, Failure> {
        if body.is_empty() {
            return Err(Failure::NotJson("it is empty, the least is {}".to_owned()));
        }
        let text =
            std::str::from_utf8(body).map_err(|error| Failure::NotJson(format!("{error}")))?;
        serde_json::from_str(text).map_err(|error| Failure::NotJson(error.to_string()))
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Number(_) => "a number that is not an integer",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

struct Text<'b>(Cow<'b, str>);

struct TextVisitor;

impl<'b> Visitor<'b> for TextVisitor {
    type Value = Text<'b>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'b str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

impl<'b> Deserialize<'b> for Text<'b> {
    fn deserialize<D: Deserializer<'b>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(TextVisitor)
    }
}

struct JsonVisitor;

impl<'b> Visitor<'b> for JsonVisitor {
    type Value = Json<'b>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Json::Integer(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Json::Integer(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Json::Number(number))
    }

    fn visit_borrowed_str<E>(self, text: &'b str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'b>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((Text(name), value)) = from.next_entry()? {
            entries.push((name, value));
        }
        Ok(Json::Object(entries))
    }
}

impl<'b> Deserialize<'b> for Json<'b> {
    fn deserialize<D: Deserializer<'b>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(JsonVisitor)
    }
}

/// A place in a body: the value, if it is present, and the path to it.
#[derive(Debug, Clone, Copy)]
pub struct Field<'f> {
    value: Option<&'f Json<'f>>,
    step: Step<'f>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'f> {
    Root,
    Name(&'f Field<'f>, &'static str),
    Item(&'f Field<'f>, usize),
}

impl<'f> Field<'f> {
    #[must_use]
    pub fn root(value: &'f Json<'f>) -> Self {
        Self { value: Some(value), step: Step::Root }
    }

    /// The path to this field: `MarkItem[3].SetMark[1]`.
    #[must_use]
    pub fn path(&self) -> String {
        match self.step {
            Step::Root => String::new(),
            Step::Item(array, nr) => format!("{}[{nr}]", array.path()),
            Step::Name(Field { step: Step::Root, .. }, name) => name.to_owned(),
            Step::Name(object, name) => format!("{}.{name}", object.path()),
        }
    }

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
            Some(other) => format!("must be {what}, got {}", other.kind()),
        }))
    }

    /// The field `name` of this object. `null` counts as absent. A duplicate name is refused, because one of the values
    /// would be ignored.
    pub fn get(&'f self, name: &'static str) -> Result<Self, Failure> {
        let Some(Json::Object(entries)) = self.value else {
            return Err(self.expected("an object"));
        };
        let field = |value| Field { value, step: Step::Name(self, name) };
        let mut found = entries.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        let value = found.next().filter(|value| !matches!(value, Json::Null));
        match found.next() {
            None => Ok(field(value)),
            Some(_) => Err(field(value).refuse(Problem::new("must not be given twice"))),
        }
    }

    /// The first of these fields that is present. If none is, the first of `names`, so that errors have a path.
    pub fn first_of(&'f self, names: &[&'static str]) -> Result<Self, Failure> {
        let fields: Vec<Self> =
            names.iter().map(|name| self.get(name)).collect::<Result<_, _>>()?;
        let found = fields.iter().copied().find_map(Self::present).or(fields.first().copied());
        found.ok_or_else(|| crate::error::Error::internal("a field has no name").into())
    }

    /// `None` if the field is absent.
    #[must_use]
    pub fn present(self) -> Option<Self> {
        self.value.is_some().then_some(self)
    }

    /// Requires an object without other fields.
    pub fn only(&self, names: &[&str]) -> Result<(), Failure> {
        let Some(Json::Object(entries)) = self.value else {
            return Err(self.expected("an object"));
        };
        let Some((other, _)) = entries.iter().find(|(name, _)| !names.contains(&&**name)) else {
            return Ok(());
        };
        let parent = self.path();
        let path = if parent.is_empty() { other.to_string() } else { format!("{parent}.{other}") };
        let problem = Problem::new(format!("no such field, must be one of {}", names.join(", ")));
        Err(Failure::Parameter { path, problem })
    }

    pub fn boolean(&self) -> Result<bool, Failure> {
        match self.value {
            Some(Json::Bool(value)) => Ok(*value),
            _ => Err(self.expected("true or false")),
        }
    }

    pub fn text(&self) -> Result<&'f str, Failure> {
        match self.value {
            Some(Json::Text(text)) => Ok(text),
            _ => Err(self.expected("a string")),
        }
    }

    pub fn integer(&self) -> Result<i128, Failure> {
        match self.value {
            Some(Json::Integer(number)) => Ok(*number),
            _ => Err(self.expected("an integer")),
        }
    }

    /// Requires a page cursor. 0 or an absent field is the beginning. A number that is too large is the end.
    pub fn cursor(&self) -> Result<u32, Failure> {
        match self.value {
            None => return Ok(0),
            // serde_json parses an integer beyond 64 bits as f64.
            Some(Json::Number(number)) if *number > 1e19 => return Ok(u32::MAX),
            Some(_) => {}
        }
        match u128::try_from(self.integer()?) {
            Ok(place) => Ok(u32::try_from(place).unwrap_or(u32::MAX)),
            Err(_) => Err(self.refuse(Problem::new("must not be negative"))),
        }
    }

    pub fn array<T>(
        &self,
        mut read: impl FnMut(&Field<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let Some(Json::Array(items)) = self.value else { return Err(self.expected("an array")) };
        items
            .iter()
            .enumerate()
            .map(|(nr, item)| read(&Field { value: Some(item), step: Step::Item(self, nr) }))
            .collect()
    }

    pub fn check_count(&self, got: usize, allowed: RangeInclusive<u32>) -> Result<(), Failure> {
        if u32::try_from(got).is_ok_and(|got| allowed.contains(&got)) {
            return Ok(());
        }
        let (min, max) = allowed.into_inner();
        Err(Failure::ItemCount { path: self.path(), min, max, got })
    }

    /// Requires the name of an account. If it is not a string, the error is `AccountType`.
    pub fn account(&self, bytes_max: u32) -> Result<UserId, Failure> {
        match self.value {
            None | Some(Json::Text(_)) => {
                UserId::parse(self.text()?, bytes_max).map_err(|problem| self.refuse(problem))
            }
            Some(other) => Err(Failure::AccountType { path: self.path(), got: other.kind() }),
        }
    }

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
    fn an_error_names_the_path_to_the_field() {
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
    fn a_duplicate_name_is_refused_unless_it_is_unknown() {
        let read = |root: Field<'_>| root.get("a")?.integer();
        check(r#"{"a":1,"a":1}"#, read, "a: must not be given twice");
        check(r#"{"a":null,"a":1}"#, read, "a: must not be given twice");
        let json = Json::parse(br#"{"x":1,"a":7,"x":2}"#).unwrap();
        assert_eq!(read(Field::root(&json)).unwrap(), 7);
    }

    #[test]
    fn a_number_must_be_an_integer() {
        let read = |root: Field<'_>| root.get("a")?.integer();
        let no_integer = "a: must be an integer, got a number that is not an integer";
        check(r#"{"a":1.0}"#, read, no_integer);
        check(r#"{"a":1e400000}"#.replace("e400000", "e40").as_str(), read, no_integer);
        check(r#"{"a":18446744073709551616}"#, read, no_integer);
        check(r#"{"a":true}"#, read, "a: must be an integer, got a boolean");
    }

    #[test]
    fn invalid_json_is_an_error_and_not_a_panic() {
        let deep = "[".repeat(100_000);
        for body in ["", " ", "{", "nul", "{\"a\":1}x", "\u{feff}{}", "{'a':1}", &deep] {
            assert!(matches!(Json::parse(body.as_bytes()), Err(Failure::NotJson(_))), "{body:.20}");
        }
        assert!(matches!(Json::parse(b"{\"a\":\"\xff\"}"), Err(Failure::NotJson(_))));
        assert!(matches!(Json::parse(br#"{"a":"\ud800"}"#), Err(Failure::NotJson(_))));
    }

    #[test]
    fn escapes_are_decoded() {
        let json = Json::parse(br#"{"a":"\u4e2d\ud83d\ude42\/"}"#).unwrap();
        assert_eq!(Field::root(&json).get("a").unwrap().text().unwrap(), "中🙂/");
    }
}
