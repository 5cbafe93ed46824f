//! A body, parsed by `earmark` and by `serde_json`.

use serde_json::{Map, Value};

use earmark::domain::App;
use earmark::http::failure::Failure;
use earmark::http::json::{Field, Json};
use earmark::http::tencent::codes::{Code, Family};

/// What a call does first: it parses its body.
pub(super) type Check = fn(&Field<'_>, &App) -> Result<(), Failure>;

pub(super) struct Parsed<'b> {
    json: Json<'b>,
    value: Value,
    names_are_unique: bool,
}

impl<'b> Parsed<'b> {
    /// `None` if the body is not JSON. The two parsers must agree.
    pub(super) fn of(body: &'b [u8]) -> Option<Self> {
        // A byte order mark is skipped.
        let plain =
            serde_json::from_slice::<Value>(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body));
        let json = match Json::parse(body) {
            Ok(json) => json,
            Err(error) => {
                assert!(plain.is_err(), "refused JSON: {error}");
                assert_eq!(error.code(Family::RecentContact), Code::BodyNotJson);
                return None;
            }
        };
        let mut names_are_unique = true;
        let value = value_of(&json.0, &mut names_are_unique);
        assert_eq!(Some(&value), plain.ok().as_ref(), "the two parsers disagree");
        Some(Self { json, value, names_are_unique })
    }

    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// The call accepts the body if `allows` does. Returns the failure with which the call refuses it otherwise. If a name is
    /// given twice, the grammar sees only one of its values, so the call may refuse such a body.
    #[track_caller]
    pub(super) fn refusal(
        &self,
        call: &str,
        check: Check,
        app: &App,
        allows: fn(&Value) -> bool,
    ) -> Option<Failure> {
        let allowed = allows(&self.value);
        match check(&Field::root(&self.json), app) {
            Ok(()) => {
                assert!(allowed, "{call} accepted: {}", self.value);
                None
            }
            Err(failure) => {
                let is_right = !allowed || !self.names_are_unique;
                assert!(is_right, "{call} refused, {failure}: {}", self.value);
                Some(failure)
            }
        }
    }
}

/// The same tree in `serde_json`'s own type.
fn value_of(json: &serde_json_borrow::Value<'_>, names_are_unique: &mut bool) -> Value {
    use serde_json_borrow::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Number((*number).into()),
        Json::Str(text) => Value::String(text.clone().into_owned()),
        Json::Array(items) => {
            items.iter().map(|item| value_of(item, names_are_unique)).collect::<Vec<_>>().into()
        }
        Json::Object(entries) => {
            let mut map = Map::new();
            for (name, value) in entries.iter() {
                let value = value_of(value, names_are_unique);
                *names_are_unique &= map.insert(name.to_owned(), value).is_none();
            }
            map.into()
        }
    }
}
