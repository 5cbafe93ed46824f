//! Each command parses any body, and accepts it exactly if the grammar allows it.

use serde_json::{Map, Value};

use super::grammar;
use earmark::domain::App;
use earmark::http::json::{Field, Json};
use earmark::http::tencent::codes::{Code, Family};
use earmark::http::tencent::registry::{CALLS, Entry};
use earmark::limits::Limits;

/// Limits that a short body can exceed.
pub(super) const LIMITS: Limits = Limits {
    marked: 1000,
    grouped: 1000,
    groups: 20,
    group_name_bytes: 8,
    custom_mark_bytes: 8,
    mark_items: 3,
    group_items: 2,
    search_items: 4,
    page_items: 100,
    pinned: 50,
    user_id_bytes: 8,
    chat_group_id_bytes: 16,
    calls_per_second: 0,
};

/// Parses `body` as each command does.
pub fn run(body: &[u8]) {
    // A byte order mark is skipped.
    let plain = serde_json::from_slice::<Value>(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body));
    let json = match Json::parse(body) {
        Ok(json) => json,
        Err(error) => {
            assert!(plain.is_err(), "refused JSON: {error}");
            assert_eq!(error.code(Family::RecentContact), Code::BodyNotJson);
            return;
        }
    };
    let mut names_are_unique = true;
    let value = value_of(&json.0, &mut names_are_unique);
    assert_eq!(Some(&value), plain.ok().as_ref(), "the two parsers disagree");

    let app = super::app(LIMITS);
    let case = Case { json: &json, value: &value, names_are_unique, app: &app };
    for call in CALLS {
        let (allows, codes) = grammar::of(call.command);
        case.check(call, allows, codes);
    }
}

/// A body, parsed by `earmark` and by `serde_json`.
struct Case<'b> {
    json: &'b Json<'b>,
    value: &'b Value,
    names_are_unique: bool,
    app: &'b App,
}

impl Case<'_> {
    /// The call accepts the body if `allows` does, and otherwise refuses it with one of these codes. If a name is given
    /// twice, the grammar sees only one of its values, so the call may refuse such a body.
    #[track_caller]
    fn check(&self, call: &Entry, allows: fn(&Value) -> bool, codes: &[Code]) {
        let allowed = allows(self.value);
        match (call.check)(&Field::root(self.json), self.app) {
            Ok(()) => assert!(allowed, "{} accepted: {}", call.command, self.value),
            Err(failure) => {
                assert!(!allowed || !self.names_are_unique, "refused, {failure}: {}", self.value);
                let code = failure.code(call.family);
                assert!(codes.contains(&code), "{code:?}, {failure}: {}", self.value);
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
