//! The service reads any query string as a simple form parser does, and never repeats the UserSig in an error.

use std::sync::LazyLock;

use earmark::http::caller::{Credentials, VerifiedSigs};
use earmark::http::failure::Failure;
use earmark::http::tencent::codes::Family;
use earmark::limits::Limits;
use earmark::metrics::Metrics;

/// Unix seconds at which the recorded UserSigs are valid.
const NOW: u64 = 1_700_000_001;

/// All error texts about UserSigs.
const TEXTS: [&str; 15] = [
    "usersig: invalid, perhaps cut short: it is not base64",
    "usersig: invalid, perhaps cut short: it is not a zlib stream",
    "usersig: invalid, perhaps cut short: it is too large",
    "usersig: invalid, perhaps cut short: there are bytes after its zlib stream",
    "usersig: invalid, perhaps cut short: it is not JSON inside",
    "usersig: invalid, perhaps cut short: TLS.identifier is not text",
    "usersig: invalid, perhaps cut short: TLS.sdkappid is not a number",
    "usersig: invalid, perhaps cut short: TLS.time is not a number",
    "usersig: invalid, perhaps cut short: TLS.expire is not a number",
    "usersig: invalid, perhaps cut short: TLS.sig is not base64",
    "usersig: invalid, perhaps cut short: TLS.userbuf is not base64",
    "usersig: was not made with a secret key of this app",
    "usersig: was made for another identifier",
    "usersig: was made for another sdkappid",
    "usersig: expired",
];

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics::new().unwrap());

/// Parses `query`, and verifies its UserSig.
pub fn run(query: &[u8]) {
    let Ok(query) = std::str::from_utf8(query) else { return };
    let fields = fields(query);
    let field = |name: &str| {
        fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    };
    let number = field("sdkappid").map(|number| number.parse::<i64>().unwrap_or_default());
    let (identifier, user_sig) = (field("identifier").unwrap_or_default(), field("usersig"));
    let expected = match (number, identifier, user_sig) {
        (None, ..) => 60012,
        (Some(..=0), ..) => 60006,
        (_, "", _) | (_, _, None) => 60004,
        (_, _, Some("")) => 70002,
        _ => 0,
    };
    let who = match Credentials::parse(query) {
        Ok(who) => who,
        Err(error) => return assert_eq!(code(&error), expected, "{error}"),
    };
    assert_eq!(expected, 0);
    assert_eq!((Some(who.sdk_app_id.number()), &*who.identifier), (number, identifier));

    let app = super::app(Limits::default());
    let sigs = VerifiedSigs::new();
    let check = || sigs.check(&who, &app, NOW, &METRICS.user_sig_cache);
    let (first, second) = (check(), check());
    match (&first, &second) {
        // A valid UserSig needs the key, and all recorded ones are for this administrator.
        (Ok(_), Ok(_)) => assert_eq!(identifier, "administrator"),
        (Err(first), Err(second)) => {
            assert!((70001..=70014).contains(&code(first)), "{first}");
            assert_eq!(first.to_string(), second.to_string());
            assert!(TEXTS.contains(&&*first.to_string()), "it repeats the UserSig: {first}");
        }
        _ => panic!("the cache changes the result: {first:?}, then {second:?}"),
    }
}

fn code(failure: &Failure) -> u32 {
    failure.code(Family::RecentContact).number()
}

/// The decoded fields of a form.
fn fields(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let digit = |nr: usize| tail.get(nr).and_then(|digit| char::from(*digit).to_digit(16));
        rest = tail;
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap());
                rest = &tail[2..];
            }
            (b'+', ..) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
