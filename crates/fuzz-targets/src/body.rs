//! Each command parses any body, and accepts it exactly if the grammar allows it.

use super::grammar;
use super::parsed::Parsed;
use earmark::http::tencent::registry::CALLS;
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
    let Some(parsed) = Parsed::of(body) else { return };
    let app = super::app(LIMITS);
    for call in CALLS {
        let (allows, codes) = grammar::of(call.command);
        if let Some(failure) = parsed.refusal(call.command, call.check, &app, allows) {
            let code = failure.code(call.family);
            assert!(codes.contains(&code), "{code:?}, {failure}: {}", parsed.value());
        }
    }
}
