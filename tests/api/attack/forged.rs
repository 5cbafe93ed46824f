//! Forged UserSigs: numbers out of range, names that look alike, repeated fields, deep nesting, zip bombs. The attacker
//! is a user with a valid UserSig of their own, and wants to be accepted as the admin.

use std::io::{Read, Write};
use std::result::Result::Ok;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use earmark::domain::{App, SdkAppId, SecretKey};
use earmark::http::user_sig::{Flaw, UserSig};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::support::*;

pub(crate) const NOW: u64 = 1_700_000_001;

pub(crate) fn app_of(number: i64) -> App {
    App::new(SdkAppId::new(number).unwrap(), SecretKey::parse(KEY).unwrap())
}

/// Checks a UserSig as the service does when the caller claims to be the admin.
pub(crate) fn check(text: &str) -> Result<u64, Flaw> {
    check_as(ADMIN, text)
}

fn check_as(identifier: &str, text: &str) -> Result<u64, Flaw> {
    let app = app_of(APP);
    let sig = UserSig::decode(text)?;
    sig.verify(&app, identifier, NOW).map(|(expires_at, _)| expires_at)
}

pub(crate) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(bytes).unwrap();
    zlib.finish().unwrap()
}

pub(crate) fn spell(bytes: &[u8]) -> String {
    BASE64.encode(bytes).replace('+', "*").replace('/', "-").replace('=', "_")
}

pub(crate) fn pack(json: impl AsRef<[u8]>) -> String {
    spell(&deflate(json.as_ref()))
}

fn mac(signed: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.chain_update(signed).finalize().into_bytes().to_vec()
}

/// The claims as a signer writes them, numbers as they stand in the JSON.
#[derive(Clone)]
struct Claims {
    identifier: String,
    app: String,
    time: String,
    expire: String,
    user_buf: Option<String>,
}

impl Claims {
    fn of(identifier: &str) -> Self {
        let (app, time, expire) = (APP.to_string(), "1700000000".into(), "86400".into());
        Self { identifier: identifier.to_owned(), app, time, expire, user_buf: None }
    }

    /// The signature with the app's key.
    fn signature(&self) -> Vec<u8> {
        let Self { identifier, app, time, expire, .. } = self;
        let user_buf = self.user_buf.iter().map(|buf| format!("TLS.userbuf:{buf}\n"));
        mac(&format!(
            "TLS.identifier:{identifier}\nTLS.sdkappid:{app}\nTLS.time:{time}\nTLS.expire:{expire}\n{}",
            user_buf.collect::<String>()
        ))
    }

    fn signed(&self) -> String {
        self.with(&BASE64.encode(self.signature()), "")
    }

    /// A UserSig with any signature, and with more fields in front.
    fn with(&self, signature: &str, more: &str) -> String {
        let Self { identifier, app, time, expire, .. } = self;
        let identifier = json!(identifier);
        let user_buf = self.user_buf.iter().map(|buf| format!(r#","TLS.userbuf":{}"#, json!(buf)));
        let user_buf: String = user_buf.collect();
        pack(format!(
            r#"{{{more}"TLS.ver":"2.0","TLS.identifier":{identifier},"TLS.sdkappid":{app},"TLS.expire":{expire},"TLS.time":{time}{user_buf},"TLS.sig":"{signature}"}}"#
        ))
    }
}

/// The signed text has one field per line and no quotes, so a name with line breaks could pretend to be more fields.
#[test]
fn a_name_with_line_breaks_cannot_become_another_name() {
    let name = format!(
        "{ADMIN}\nTLS.sdkappid:{APP}\nTLS.time:1700000000\nTLS.expire:86400\nTLS.userbuf:AAAA"
    );
    let own = Claims::of(&name);
    assert_eq!(
        check_as(&name, &own.signed()),
        Ok(1_700_086_400),
        "the user's own UserSig is valid"
    );
    let rest = format!("AAAA\nTLS.sdkappid:{APP}\nTLS.time:1700000000\nTLS.expire:86400");
    let forged = Claims { user_buf: Some(rest), ..Claims::of(ADMIN) };
    assert_eq!(forged.signature(), own.signature(), "the signature is the same");
    assert!(matches!(check(&forged.signed()), Err(Flaw::Undecodable(_))));
}

/// When [`Claims::of`] the admin expire, in seconds since 1970.
const GOOD_UNTIL: u64 = 1_700_086_400;

/// A changed UserSig of the admin is refused, or it still says exactly the same.
fn is_harmless(outcome: &Result<u64, Flaw>) -> bool {
    matches!(outcome, Err(_) | Ok(GOOD_UNTIL))
}

#[test]
fn a_usersig_that_was_cut_short_is_refused() {
    let good = Claims::of(ADMIN).signed();
    assert_eq!(check(&good), Ok(GOOD_UNTIL));
    // The padding may be missing.
    for length in 0..good.trim_end_matches('_').len() {
        assert!(check(&good[..length]).is_err(), "{length} of {} bytes", good.len());
    }
}

#[test]
fn a_flipped_bit_makes_no_other_valid_usersig() {
    let flips = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let places = (0..bytes.len()).flat_map(|place| (0..8).map(move |bit| (place, 1 << bit)));
        let flip = |(place, bit): (usize, u8)| {
            let mut flipped = bytes.to_vec();
            flipped[place] ^= bit;
            flipped
        };
        places.map(flip).collect()
    };
    let good = Claims::of(ADMIN).signed();
    let of_text =
        flips(good.as_bytes()).into_iter().filter_map(|text| String::from_utf8(text).ok());
    let deflated =
        BASE64.decode(good.replace('*', "+").replace('-', "/").replace('_', "=")).unwrap();
    let of_stream = flips(&deflated).into_iter().map(|stream| spell(&stream));
    let mut json = Vec::new();
    flate2::read::ZlibDecoder::new(&*deflated).read_to_end(&mut json).unwrap();
    let of_json = flips(&json).into_iter().map(pack);
    let (mut tried, mut refused) = (0, 0);
    for text in of_text.chain(of_stream).chain(of_json) {
        let outcome = check(&text);
        assert!(is_harmless(&outcome), "{text}: {outcome:?}");
        tried += 1;
        refused += usize::from(outcome.is_err());
    }
    println!("{tried} flips, {refused} refused");
    // The flips that are not refused are in the version, which is not signed, and in bits without a meaning.
    assert!(tried > 3500 && tried - refused < 100, "{refused} of {tried}");
}

#[test]
fn a_usersig_that_inflates_to_more_than_4_kib_is_refused() {
    let padded = |length: usize| {
        let text = Claims::of(ADMIN);
        let plain = text.with(&BASE64.encode(text.signature()), "");
        let bytes =
            BASE64.decode(plain.replace('*', "+").replace('-', "/").replace('_', "=")).unwrap();
        let mut json = Vec::new();
        flate2::read::ZlibDecoder::new(&*bytes).read_to_end(&mut json).unwrap();
        json.resize(length, b' ');
        pack(json)
    };
    assert_eq!(check(&padded(4096)), Ok(GOOD_UNTIL));
    let too_large = Err(Flaw::Undecodable("it is too large"));
    assert_eq!(check(&padded(4097)), too_large);
    assert_eq!(check(&pack(vec![b' '; 50_000_000])), too_large, "50 MB in {} bytes", 50_000);
}

#[test]
fn the_numbers_of_a_usersig_are_integers_in_range() {
    let huge = "9".repeat(300);
    for number in [
        "-1",
        "1.5",
        "1e3",
        "1E400",
        "18446744073709551616",
        r#""""#,
        r#""-1""#,
        r#""+1""#,
        r#"" 1""#,
        r#""1.0""#,
        r#""1e3""#,
        r#""18446744073709551616""#,
        "null",
        "[1]",
        "{}",
        "true",
        &huge,
    ] {
        for set in [
            |claims: &mut Claims, number: &str| claims.app = number.to_owned(),
            |claims: &mut Claims, number: &str| claims.time = number.to_owned(),
            |claims: &mut Claims, number: &str| claims.expire = number.to_owned(),
        ] {
            let mut claims = Claims::of(ADMIN);
            set(&mut claims, number);
            let outcome = check(&claims.signed());
            assert!(matches!(outcome, Err(Flaw::Undecodable(_))), "{number}: {outcome:?}");
        }
    }
    let other_app = Claims { app: u64::MAX.to_string(), ..Claims::of(ADMIN) };
    assert_eq!(check(&other_app.signed()), Err(Flaw::OtherApp));
    let forever = u64::MAX.to_string();
    let endless = Claims { time: forever.clone(), expire: forever, ..Claims::of(ADMIN) };
    assert_eq!(check(&endless.signed()), Ok(u64::MAX), "the sum does not overflow");
    let over = Claims { time: "0".into(), expire: (NOW).to_string(), ..Claims::of(ADMIN) };
    assert_eq!(check(&over.signed()), Err(Flaw::Expired));
}

#[test]
fn of_a_repeated_field_the_last_one_is_checked_against_the_signature() {
    let own = Claims::of("mallory");
    let signature = BASE64.encode(own.signature());
    let before = format!(r#""TLS.identifier":"{ADMIN}","#);
    assert_eq!(
        check(&own.with(&signature, &before)),
        Err(Flaw::OtherUser),
        "the last field counts"
    );
    let own_first = Claims::of(ADMIN).with(&signature, r#""TLS.identifier":"mallory","#);
    assert_eq!(check(&own_first), Err(Flaw::Forged));
    let longer = format!(r#""TLS.expire":{},"#, u64::MAX);
    assert_eq!(check_as("mallory", &own.with(&signature, &longer)), Ok(GOOD_UNTIL));
}

#[test]
fn deep_nesting_and_other_shapes_are_refused() {
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let own = Claims::of(ADMIN);
    let with_depth = own.with(&BASE64.encode(own.signature()), &format!(r#""x":{deep},"#));
    for text in [
        with_depth,
        pack(&deep),
        pack("[]"),
        pack("null"),
        pack("{}"),
        pack(""),
        pack([0xff, 0xfe]),
        spell(&[]),
        String::new(),
        " ".into(),
        "_".into(),
        "====".into(),
        spell(b"x"),
        "é".into(),
        "\u{0}".into(),
    ] {
        let outcome = check(&text);
        assert!(matches!(outcome, Err(Flaw::Undecodable(_))), "{text:.40}: {outcome:?}");
    }
    for signature in ["", "AA==", &BASE64.encode([0; 32]), &BASE64.encode([0; 33]), "not base64"] {
        assert!(check(&own.with(signature, "")).is_err(), "{signature}");
    }
    let mut longer = own.signature();
    longer.push(0);
    assert_eq!(check(&own.with(&BASE64.encode(&longer), "")), Err(Flaw::Forged));
    assert_eq!(check(&own.with(&BASE64.encode(&longer[..31]), "")), Err(Flaw::Forged));
}

#[test]
fn a_name_that_looks_like_the_admins_is_another_name() {
    let spelled = [
        "Administrator",
        "ADMINISTRATOR",
        " administrator",
        "administrator ",
        "administrator\0",
        "administrator\n",
        "administrat\u{43e}r",
        "\u{430}dministrator",
        "ａｄｍｉｎｉｓｔｒａｔｏｒ",
        "administrator\u{200b}",
        "\u{feff}administrator",
        "admin\u{131}strator",
        "a\u{301}dministrator",
        "admin",
        "administrators",
        "",
    ];
    for name in spelled {
        assert_eq!(check(&Claims::of(name).signed()), Err(Flaw::OtherUser), "{name:?}");
    }
}

/// The same over HTTP: with the encoding of the query, the cache of valid UserSigs, and the answer.
#[actix_web::test]
async fn a_forged_usersig_is_refused_over_http() {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let now = |identifier: &str| Claims { time: unix_now().to_string(), ..Claims::of(identifier) };
    let call = async |text: &str| {
        let shown: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let query = query_of(APP, ADMIN, &shown);
        app.call_as(MARK_CONTACT, &query, mark_contact("user", [set("peer", 0)])).await.code()
    };
    let good = now(ADMIN).signed();
    assert_eq!(call(&good).await, Code::Ok, "from now on, the service has it in its cache");

    let own = now("mallory");
    let signature = BASE64.encode(own.signature());
    let mut forged: Vec<String> = (0..good.len()).map(|length| good[..length].to_owned()).collect();
    forged.extend((0..good.len()).map(|place| {
        let mut flipped = good.clone().into_bytes();
        flipped[place] ^= 1;
        String::from_utf8(flipped).unwrap()
    }));
    forged.extend(
        ["0", "99999999999999999999", "-1", "1e9", "null", "[]"]
            .map(|number| Claims { expire: number.to_owned(), ..now(ADMIN) }.signed()),
    );
    forged.extend([
        pack(vec![b' '; 10_000_000]),
        pack("[".repeat(4000)),
        own.signed(),
        own.with(&signature, &format!(r#""TLS.identifier":"{ADMIN}","#)),
        now(ADMIN).with(&signature, ""),
        now("administrat\u{43e}r").signed(),
        now("administrator\0").signed(),
        format!("{good}\0"),
        format!("{good}{good}"),
        good.to_uppercase(),
    ]);
    let refusals =
        [UserSigExpired, UserSigEmpty, UserSigUnreadable, UserSigForged, UserSigOfOtherUser];
    let (mut tried, mut opened) = (0, 0);
    for text in forged {
        let code = call(&text).await;
        if code == Code::Ok {
            // The version is not signed, and some bits have no meaning: the UserSig still says the same.
            assert_eq!(check(&text), check(&good), "{text}");
            opened += 1;
        } else {
            assert!(refusals.contains(&code), "{code:?} for {text:.300}");
        }
        tried += 1;
    }
    assert!(tried > 400 && opened < 20, "{opened} of {tried} are still valid");
    assert_eq!(call(&good).await, Code::Ok, "the admin's own UserSig is still valid");
}
