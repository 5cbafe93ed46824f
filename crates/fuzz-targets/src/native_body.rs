//! Each call of the native API parses any body, and accepts it exactly if the grammar allows it.

use std::sync::LazyLock;

use earmark::http::failure::Failure;
use earmark::http::v1::registry::{CALLS, Entry};

use super::body::LIMITS;
use super::native_grammar as grammar;
use super::parsed::Parsed;

/// To ask a call whether it has a body takes longer than to parse one.
static CALLS_WITH_BODY: LazyLock<Vec<&'static Entry>> =
    LazyLock::new(|| CALLS.iter().filter(|call| call.has_body()).collect());

/// Parses `body` as each call with a body does.
pub fn run(body: &[u8]) {
    let Some(parsed) = Parsed::of(body) else { return };
    let app = super::app(LIMITS);
    for call in CALLS_WITH_BODY.iter() {
        let refusal = parsed.refusal(call.name, call.check, &app, grammar::of(call.name));
        // They are answered with status 400, and name the field.
        let is_bad_request = matches!(
            refusal,
            None | Some(
                Failure::Parameter { .. }
                    | Failure::ItemCount { .. }
                    | Failure::ContactGroupNameLength { .. }
            )
        );
        assert!(is_bad_request, "{} {refusal:?}: {}", call.name, parsed.value());
    }
}
