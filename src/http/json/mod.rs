//! JSON bodies, read so that every error names the path to the wrong value.
//!
//! serde's own messages speak of Rust types, and a derived struct drops the second of two equal keys or refuses it without
//! a path. So a body becomes a tree that borrows from the body, and [`Field`] walks the tree.

mod field;

use serde_json_borrow::Value;

use crate::http::failure::Failure;
pub use field::Field;

/// A JSON body. Strings without escapes are borrowed from the body; objects keep all their entries, in order.
#[derive(Debug)]
pub struct Json<'b>(pub Value<'b>);

impl<'b> Json<'b> {
    pub fn parse(body: &'b [u8]) -> Result<Self, Failure> {
        if body.is_empty() {
            return Err(Failure::NotJson("it is empty, the least is {}".to_owned()));
        }
        let text = std::str::from_utf8(body).map_err(|error| {
            let error = format!("its encoding is not UTF-8: {error}");
            Failure::NotJson(other_encoding(body).unwrap_or(error))
        })?;
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        serde_json::from_str(text).map(Self).map_err(|error| {
            Failure::NotJson(other_encoding(body).unwrap_or_else(|| error.to_string()))
        })
    }
}

/// Some editors and clients put it in front of UTF-8.
const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// Says that a body is in UTF-16 or UTF-32: each character of JSON has zero bytes then, see RFC 4627, section 3.
fn other_encoding(body: &[u8]) -> Option<String> {
    let name = match body {
        [0, 0, 0xFE, 0xFF, ..] | [0, 0, 0, _, ..] | [0xFF, 0xFE, 0, 0, ..] | [_, 0, 0, 0, ..] => {
            "UTF-32"
        }
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, _, ..] | [_, 0, ..] => "UTF-16",
        _ => return None,
    };
    Some(format!("its encoding is {name}, must be UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn strings_are_borrowed_unless_they_have_escapes() {
        let json = Json::parse(br#"{"plain":"plain","esc\u0061ped":"esc\u0061ped"}"#).unwrap();
        let Value::Object(entries) = json.0 else { panic!("no object") };
        let borrowed: Vec<_> = entries
            .into_vec()
            .into_iter()
            .map(|(name, value)| {
                let Value::Str(value) = value else { panic!("{value}") };
                (matches!(name, Cow::Borrowed(_)), matches!(value, Cow::Borrowed(_)))
            })
            .collect();
        assert_eq!(borrowed, [(true, true), (false, false)]);
    }

    /// The texts that a client sees after "the body is not JSON: ".
    #[test]
    fn the_parser_says_what_is_wrong_and_where() {
        for (body, expected) in [
            ("", "it is empty, the least is {}"),
            ("{", "EOF while parsing an object at line 1 column 1"),
            ("{\"a\":1}x", "trailing characters at line 1 column 8"),
            ("{1:2}", "key must be a string at line 1 column 2"),
            ("{\"a\":1e999}", "number out of range at line 1 column 10"),
            ("{\"\\ud800\":1}", "unexpected end of hex escape at line 1 column 9"),
        ] {
            let error = Json::parse(body.as_bytes()).err().unwrap();
            assert_eq!(error.to_string(), format!("the body is not JSON: {expected}"));
        }
    }

    #[test]
    fn invalid_json_is_an_error_and_not_a_panic() {
        let deep = "[".repeat(100_000);
        for body in ["", " ", "{", "nul", "{\"a\":1}x", "\u{feff}", "{'a':1}", &deep] {
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
