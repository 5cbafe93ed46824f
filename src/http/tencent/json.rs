//! JSON bodies, read so that every mistake can be named with the path to it.
//!
//! serde's own messages speak of Rust types, and its structs drop the second of two equal keys or fail on it without a
//! path. So a body becomes a tree that borrows from it, and [`Field`] walks the tree in the API's own words.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::domain::{Problem, UserId};
use crate::error::Error;

/// A JSON value; texts without escapes are borrowed from the body, objects keep all their entries.
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
    /// Reads a body.
    pub fn parse(body: &'b [u8]) -> Result<Self, Error> {
        if body.is_empty() {
            return Err(Error::NotJson("it is empty, the least is {}".to_owned()));
        }
        let text = std::str::from_utf8(body).map_err(|error| Error::NotJson(format!("{error}")))?;
        serde_json::from_str(text).map_err(|error| Error::NotJson(error.to_string()))
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

/// A text that is borrowed where it can be.
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

/// A place in a body: what stands there, if anything does, and the path to it.
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
    /// The body itself.
    pub fn root(value: &'f Json<'f>) -> Self {
        Self { value: Some(value), step: Step::Root }
    }

    /// The path, as the caller would write it: `MarkItem[3].SetMark[1]`.
    pub fn path(&self) -> String {
        match self.step {
            Step::Root => String::new(),
            Step::Item(array, nr) => format!("{}[{nr}]", array.path()),
            Step::Name(Field { step: Step::Root, .. }, name) => name.to_owned(),
            Step::Name(object, name) => format!("{}.{name}", object.path()),
        }
    }

    /// Refuses what stands here.
    pub fn refuse(&self, problem: Problem) -> Error {
        let path = match self.step {
            Step::Root => "body".to_owned(),
            Step::Name(..) | Step::Item(..) => self.path(),
        };
        Error::Parameter { path, problem }
    }

    fn expected(&self, what: &str) -> Error {
        self.refuse(Problem::new(match self.value {
            None => format!("missing, must be {what}"),
            Some(other) => format!("must be {what}, got {}", other.kind()),
        }))
    }

    /// The field `name` of this object. `null` is the same as absent; a name that is given twice is refused, since one of
    /// the two would be dropped.
    pub fn get(&'f self, name: &'static str) -> Result<Self, Error> {
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

    /// The first of the fields of these names that is there; the first of all if none is.
    pub fn first_of(&'f self, names: &[&'static str]) -> Result<Self, Error> {
        let fields: Vec<Self> =
            names.iter().map(|name| self.get(name)).collect::<Result<_, _>>()?;
        let found = fields.iter().copied().find_map(Self::present).or(fields.first().copied());
        found.ok_or_else(|| Error::internal("a field has no name"))
    }

    /// This field, if something stands there.
    pub fn present(self) -> Option<Self> {
        self.value.is_some().then_some(self)
    }

    /// What stands here must be an object with no fields but these.
    pub fn only(&self, names: &[&str]) -> Result<(), Error> {
        let Some(Json::Object(entries)) = self.value else {
            return Err(self.expected("an object"));
        };
        let Some((other, _)) = entries.iter().find(|(name, _)| !names.contains(&&**name)) else {
            return Ok(());
        };
        let parent = self.path();
        let path = if parent.is_empty() { other.to_string() } else { format!("{parent}.{other}") };
        let problem = Problem::new(format!("no such field, must be one of {}", names.join(", ")));
        Err(Error::Parameter { path, problem })
    }

    /// What stands here must be true or false.
    pub fn boolean(&self) -> Result<bool, Error> {
        match self.value {
            Some(Json::Bool(value)) => Ok(*value),
            _ => Err(self.expected("true or false")),
        }
    }

    /// What stands here must be a string.
    pub fn text(&self) -> Result<&'f str, Error> {
        match self.value {
            Some(Json::Text(text)) => Ok(text),
            _ => Err(self.expected("a string")),
        }
    }

    /// What stands here must be an integer.
    pub fn integer(&self) -> Result<i128, Error> {
        match self.value {
            Some(Json::Integer(number)) => Ok(*number),
            _ => Err(self.expected("an integer")),
        }
    }

    /// What stands here must be a place to go on reading from: 0, or nothing, is the beginning. Whatever is beyond all
    /// places is the end.
    pub fn cursor(&self) -> Result<u32, Error> {
        match self.value {
            None => return Ok(0),
            // serde reads an integer beyond 64 bits as this.
            Some(Json::Number(number)) if *number > 1e19 => return Ok(u32::MAX),
            Some(_) => {}
        }
        match u128::try_from(self.integer()?) {
            Ok(place) => Ok(u32::try_from(place).unwrap_or(u32::MAX)),
            Err(_) => Err(self.refuse(Problem::new("must not be negative"))),
        }
    }

    /// What stands here must be an array; each of its items is read by `read`.
    pub fn array<T>(
        &self,
        mut read: impl FnMut(&Field<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let Some(Json::Array(items)) = self.value else { return Err(self.expected("an array")) };
        items
            .iter()
            .enumerate()
            .map(|(nr, item)| read(&Field { value: Some(item), step: Step::Item(self, nr) }))
            .collect()
    }

    /// What stands here must hold so many items.
    pub fn check_count(&self, got: usize, allowed: RangeInclusive<u32>) -> Result<(), Error> {
        if u32::try_from(got).is_ok_and(|got| allowed.contains(&got)) {
            return Ok(());
        }
        let (min, max) = allowed.into_inner();
        Err(Error::ItemCount { path: self.path(), min, max, got })
    }

    /// What stands here must be the name of an account: a string, on pain of an error of its own.
    pub fn account(&self, bytes_max: u32) -> Result<UserId, Error> {
        match self.value {
            None | Some(Json::Text(_)) => {
                UserId::parse(self.text()?, bytes_max).map_err(|problem| self.refuse(problem))
            }
            Some(other) => Err(Error::AccountType { path: self.path(), got: other.kind() }),
        }
    }

    /// What stands here is read by `parse`.
    pub fn parsed<T>(&self, parse: impl FnOnce(&str) -> Result<T, Problem>) -> Result<T, Error> {
        parse(self.text()?).map_err(|problem| self.refuse(problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T>(body: &str, read: impl FnOnce(Field<'_>) -> Result<T, Error>, expected: &str) {
        let json = Json::parse(body.as_bytes()).unwrap();
        let error = read(Field::root(&json)).err().unwrap();
        assert_eq!(error.to_string(), expected);
    }

    fn read_bit(bit: &Field<'_>) -> Result<i128, Error> {
        bit.integer()
    }

    #[test]
    fn a_mistake_is_named_with_the_path_to_it() {
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
    fn numbers_are_integers_or_nothing() {
        let read = |root: Field<'_>| root.get("a")?.integer();
        let no_integer = "a: must be an integer, got a number that is not an integer";
        check(r#"{"a":1.0}"#, read, no_integer);
        check(r#"{"a":1e400000}"#.replace("e400000", "e40").as_str(), read, no_integer);
        check(r#"{"a":18446744073709551616}"#, read, no_integer);
        check(r#"{"a":true}"#, read, "a: must be an integer, got a boolean");
    }

    #[test]
    fn what_is_not_json_is_an_error_and_no_panic() {
        let deep = "[".repeat(100_000);
        for body in ["", " ", "{", "nul", "{\"a\":1}x", "\u{feff}{}", "{'a':1}", &deep] {
            assert!(matches!(Json::parse(body.as_bytes()), Err(Error::NotJson(_))), "{body:.20}");
        }
        assert!(matches!(Json::parse(b"{\"a\":\"\xff\"}"), Err(Error::NotJson(_))));
        assert!(matches!(Json::parse(br#"{"a":"\ud800"}"#), Err(Error::NotJson(_))));
    }

    #[test]
    fn escapes_are_decoded() {
        let json = Json::parse(br#"{"a":"\u4e2d\ud83d\ude42\/"}"#).unwrap();
        assert_eq!(Field::root(&json).get("a").unwrap().text().unwrap(), "中🙂/");
    }
}
