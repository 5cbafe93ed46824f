//! Any body, read by every command: what is accepted is what the grammar allows, no more and no less.

use serde_json::{Map, Value};

use super::grammar;
use earmark::domain::App;
use earmark::error::{Error, Family};
use earmark::http::tencent::accounts::{
    AccountCheck, AccountDelete, AccountImport, MultiaccountImport,
};
use earmark::http::tencent::chat_groups::{CreateGroup, DestroyGroup, GetGroupInfo, ImportGroup};
use earmark::http::tencent::door::Call;
use earmark::http::tencent::json::{Field, Json};
use earmark::http::tencent::recent_contact::{
    CreateContactGroup, DelContactGroup, Delete, GetContactGroup, GetList, MarkContact,
    SearchContactGroup, Top, UpdateContactGroup,
};
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

/// Reads `body` as each command does.
pub fn run(body: &[u8]) {
    let plain = serde_json::from_slice::<Value>(body);
    let json = match Json::parse(body) {
        Ok(json) => json,
        Err(error) => {
            assert!(plain.is_err(), "refused JSON: {error}");
            assert_eq!(error.code(Family::RecentContact), 60003);
            return;
        }
    };
    let mut names_are_unique = true;
    let value = value_of(&json.0, &mut names_are_unique);
    assert_eq!(Some(&value), plain.ok().as_ref(), "another tree");

    let app = super::app(LIMITS);
    let case = Case { json: &json, value: &value, names_are_unique, app: &app };
    case.check::<MarkContact>(grammar::mark_contact, &[50002, 51006, 60015]);
    case.check::<CreateContactGroup>(grammar::create_contact_group, &[50002, 51006, 51011, 60015]);
    case.check::<UpdateContactGroup>(grammar::update_contact_group, &[50002, 51006, 51011, 60015]);
    case.check::<DelContactGroup>(grammar::del_contact_group, &[50002, 60015]);
    case.check::<SearchContactGroup>(grammar::search_contact_group, &[50002, 60015]);
    case.check::<GetContactGroup>(grammar::get_contact_group, &[50002, 60015]);
    case.check::<Top>(grammar::top, &[50002, 51006, 60015]);
    case.check::<GetList>(grammar::get_list, &[50002, 60015]);
    case.check::<Delete>(grammar::delete, &[50002, 60015]);
    case.check::<AccountImport>(grammar::account_import, &[50002, 60015]);
    case.check::<MultiaccountImport>(grammar::multiaccount_import, &[50002, 60015, 70206]);
    case.check::<AccountCheck>(grammar::account_check, &[50002, 60015, 70206]);
    case.check::<AccountDelete>(grammar::account_delete, &[50002, 60015, 70206]);
    case.check::<CreateGroup>(grammar::create_group, &[50002, 60015]);
    case.check::<ImportGroup>(grammar::import_group, &[50002, 60015, 10007]);
    case.check::<DestroyGroup>(grammar::destroy_group, &[50002]);
    case.check::<GetGroupInfo>(grammar::get_group_info, &[50002]);
}

/// A body, in two forms.
struct Case<'b> {
    json: &'b Json<'b>,
    value: &'b Value,
    names_are_unique: bool,
    app: &'b App,
}

impl Case<'_> {
    /// The command `C` accepts the body if `allows` does, and refuses it with one of these codes if not. Of a name that
    /// is given twice, the grammar sees only one: such a body may be refused.
    #[track_caller]
    fn check<C: Call>(&self, allows: fn(&Value) -> bool, codes: &[u32]) {
        let allowed = allows(self.value);
        match C::parse(&Field::root(self.json), self.app) {
            Ok(_) => assert!(allowed, "accepted: {}", self.value),
            Err(error) => {
                assert!(!allowed || !self.names_are_unique, "refused, {error}: {}", self.value);
                // The numbers of one family tell what is wrong, too.
                let code = error.code(Family::RecentContact);
                assert!(codes.contains(&code), "{code}, {error}: {}", self.value);
                assert!(!matches!(error, Error::Internal(_)));
            }
        }
    }
}

/// The same tree in serde_json's own type.
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
