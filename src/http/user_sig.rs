//! UserSig (`TLSSigAPIv2`): decoding, verifying and signing. Keys and time are arguments.
//!
//! A UserSig is base64 (with `*`, `-`, `_` for `+`, `/`, `=`) of a zlib stream of a JSON object. Its `TLS.sig` is an
//! HMAC-SHA256 over the other fields, one per line. Signing libraries differ in key order and spacing, so we parse the
//! JSON and never compare it as text.

use std::io::{Read, Write};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD as BASE64};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::domain::{App, AppKey, SdkAppId, SecretKey};
use crate::limits::USER_SIG_INFLATED_BYTES_MAX;

/// Some clients cut the padding off.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The text says which step of decoding failed, or which field is wrong.
    Undecodable(&'static str),
    /// It was not signed with a secret key of the app.
    Forged,
    OtherUser,
    OtherApp,
    Expired,
}

/// A decoded UserSig. The signature is not checked yet.
#[derive(Debug)]
pub struct UserSig {
    identifier: String,
    sdk_app_id: u64,
    issued_at: u64,
    lifetime_s: u64,
    user_buf: Option<String>,
    signature: Vec<u8>,
}

impl UserSig {
    /// Limits the inflated size, so that a zip bomb does not fill the memory.
    ///
    /// A space stands for the `+` of a query that was not encoded, and files end with a line break.
    pub fn decode(text: &str) -> Result<Self, Flaw> {
        let standard: String = text
            .trim_end_matches(['\r', '\n'])
            .chars()
            .map(|c| match c {
                '*' | ' ' => '+',
                '-' => '/',
                '_' => '=',
                other => other,
            })
            .collect();
        let deflated =
            LENIENT_BASE64.decode(standard).map_err(|_| Flaw::Undecodable("it is not base64"))?;
        let mut json = Vec::new();
        let mut inflated = ZlibDecoder::new(deflated.as_slice());
        inflated
            .by_ref()
            .take(USER_SIG_INFLATED_BYTES_MAX + 1)
            .read_to_end(&mut json)
            .map_err(|_| Flaw::Undecodable("it is not a zlib stream"))?;
        if json.len() as u64 > USER_SIG_INFLATED_BYTES_MAX {
            return Err(Flaw::Undecodable("it is too large"));
        }
        if inflated.total_in() != deflated.len() as u64 {
            return Err(Flaw::Undecodable("there are bytes after its zlib stream"));
        }
        let fields: Value = serde_json::from_slice(&json)
            .map_err(|_| Flaw::Undecodable("it is not JSON inside"))?;
        Self::from_fields(&fields).map_err(Flaw::Undecodable)
    }

    /// The error names the field that is missing or wrong.
    fn from_fields(fields: &Value) -> Result<Self, &'static str> {
        let user_buf = match fields.get("TLS.userbuf") {
            None => None,
            // Require base64, which has no line breaks. With one, other claims could have the same signed text as
            // these.
            Some(text) => {
                let text = text.as_str().filter(|text| BASE64.decode(text).is_ok());
                Some(text.ok_or("TLS.userbuf is not base64")?.to_owned())
            }
        };
        let text = |name| fields.get(name).and_then(Value::as_str);
        let signature = text("TLS.sig").and_then(|text| BASE64.decode(text).ok());
        Ok(Self {
            identifier: text("TLS.identifier").ok_or("TLS.identifier is not text")?.to_owned(),
            sdk_app_id: number(fields, "TLS.sdkappid").ok_or("TLS.sdkappid is not a number")?,
            issued_at: number(fields, "TLS.time").ok_or("TLS.time is not a number")?,
            lifetime_s: number(fields, "TLS.expire").ok_or("TLS.expire is not a number")?,
            user_buf,
            signature: signature.ok_or("TLS.sig is not base64")?,
        })
    }

    /// For whom it says that it was made.
    #[must_use]
    pub fn into_identifier(self) -> String {
        self.identifier
    }

    /// Checks this UserSig for `identifier` at `now` (Unix seconds). Returns its expiry (Unix seconds) and the key that
    /// signed it. The signature is compared in constant time. The order of the checks decides which flaw is reported.
    pub fn verify<'a>(
        &self,
        app: &'a App,
        identifier: &str,
        now: u64,
    ) -> Result<(u64, &'a AppKey), Flaw> {
        let mut keys = app.keys();
        let key = keys
            .find(|key| self.mac(&key.secret).verify_slice(&self.signature).is_ok())
            .ok_or(Flaw::Forged)?;
        let expires_at = self.issued_at.saturating_add(self.lifetime_s);
        if self.identifier != identifier {
            Err(Flaw::OtherUser)
        } else if i64::try_from(self.sdk_app_id) != Ok(app.sdk_app_id.number()) {
            Err(Flaw::OtherApp)
        } else if now >= expires_at {
            Err(Flaw::Expired)
        } else {
            Ok((expires_at, key))
        }
    }

    /// Makes a UserSig of `lifetime_s` seconds from `issued_at` (Unix seconds).
    #[must_use]
    pub fn sign(
        key: &SecretKey,
        sdk_app_id: SdkAppId,
        identifier: &str,
        issued_at: u64,
        lifetime_s: u64,
    ) -> String {
        let mut sig = Self {
            identifier: identifier.to_owned(),
            sdk_app_id: sdk_app_id.number().unsigned_abs(),
            issued_at,
            lifetime_s,
            user_buf: None,
            signature: Vec::new(),
        };
        sig.signature = sig.mac(key).finalize().into_bytes().to_vec();
        sig.encode()
    }

    fn encode(&self) -> String {
        let json = json!({
            "TLS.ver": "2.0",
            "TLS.identifier": self.identifier,
            "TLS.sdkappid": self.sdk_app_id,
            "TLS.expire": self.lifetime_s,
            "TLS.time": self.issued_at,
            "TLS.sig": BASE64.encode(&self.signature),
        });
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        // Writing into a Vec cannot fail. If it did, the result would not verify.
        let deflated = zlib
            .write_all(json.to_string().as_bytes())
            .and_then(|()| zlib.finish())
            .unwrap_or_default();
        BASE64.encode(deflated).replace('+', "*").replace('/', "-").replace('=', "_")
    }

    fn mac(&self, key: &SecretKey) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac =
            Hmac::<Sha256>::new_from_slice(key.reveal().as_bytes()).expect("a key of any length");
        let claims = format!(
            "TLS.identifier:{}\nTLS.sdkappid:{}\nTLS.time:{}\nTLS.expire:{}\n",
            self.identifier, self.sdk_app_id, self.issued_at, self.lifetime_s
        );
        mac.update(claims.as_bytes());
        if let Some(user_buf) = &self.user_buf {
            mac.update(format!("TLS.userbuf:{user_buf}\n").as_bytes());
        }
        mac
    }
}

/// A number, or decimal text: signers that take their settings from the environment write text.
fn number(fields: &Value, name: &str) -> Option<u64> {
    let value = fields.get(name)?;
    let text = value.as_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    value.as_u64().or_else(|| text?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
    const PYTHON: &str = "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkElNyM-Myi0uKEkvyi2BKilOyEwsKMlOACgxNDKAAKpdaUZBZlAqUsTAzgQuWZOaChAzN0RQXZ6aDLKn0cUzVLjcPD00NLS1MCrPM0A*JMLcoNTLMD3HP1M60jCowLDUOKMiLNDOwVaoFAD4PNPI_";
    const NODE: &str = "eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwokpuZl5mcUlRYkl*UVQBcUp2YkFBZkpSlaGJgZQAJEpycxNVbIyNEcVTa0oyCxKVbKyMDOBCRVnpitZKVX6OKZql5uHh6aGlhYmhVlm6IdEmFuUGhnmh7hnamdaRhUYlhoHFORFmhnYKtUCAK0SM5I_";

    fn app(number: i64, key: &str, previous: Option<&str>) -> App {
        let app = App::new(SdkAppId::new(number).unwrap(), SecretKey::parse(key).unwrap());
        let previous_key = previous.map(|key| SecretKey::parse(key).unwrap().into());
        App { previous_key, ..app }
    }

    /// Compares with a published test vector.
    #[track_caller]
    fn check_signature(user: &str, issued_at: u64, lifetime_s: u64, buf: Option<&str>, sig: &str) {
        let claims = UserSig {
            identifier: user.to_owned(),
            sdk_app_id: 1_400_000_000,
            issued_at,
            lifetime_s,
            user_buf: buf.map(|bytes| BASE64.encode(bytes)),
            signature: Vec::new(),
        };
        let mac = claims.mac(&SecretKey::parse(KEY).unwrap()).finalize().into_bytes();
        assert_eq!(BASE64.encode(mac), sig);
    }

    #[test]
    fn signatures_match_the_published_vectors() {
        let sig = "yLAe+w7WUeUuqbV9h/TX78u21oTGi+i9Zp1u3PpnY60=";
        check_signature("administrator", 1_700_000_000, 86_400, None, sig);
        let sig = "8genqljbpEaJZVMsIbmfmZ/85Nx6/a80jcuFHDVj+RM=";
        check_signature("administrator", 1_700_000_000, 86_400, Some("abc"), sig);
        let sig = "1Z5PngDjGaufeSiPoBuxdHY7EK3JTdAjMP93S4KvV3M=";
        check_signature("xiaojun", 1_600_000_000, 15_552_000, None, sig);
    }

    #[test]
    fn usersigs_of_the_python_and_node_libraries_are_valid_until_they_expire() {
        let app = app(1_400_000_000, KEY, None);
        for text in [PYTHON, NODE] {
            let sig = UserSig::decode(text).unwrap();
            let verify =
                |now| sig.verify(&app, "administrator", now).map(|(expires_at, _)| expires_at);
            assert_eq!(verify(1_700_086_399), Ok(1_700_086_400));
            assert_eq!(verify(1_700_086_400), Err(Flaw::Expired));
        }
    }

    #[test]
    fn each_flaw_has_its_own_error() {
        let now = 1_700_000_001;
        let sig = UserSig::decode(PYTHON).unwrap();
        let other_key = "another key, another key";
        assert_eq!(
            sig.verify(&app(1_400_000_000, other_key, None), "administrator", now),
            Err(Flaw::Forged)
        );
        assert!(
            sig.verify(&app(1_400_000_000, other_key, Some(KEY)), "administrator", now).is_ok()
        );
        assert_eq!(sig.verify(&app(1_400_000_000, KEY, None), "admin", now), Err(Flaw::OtherUser));
        assert_eq!(
            sig.verify(&app(1_400_000_001, KEY, None), "administrator", now),
            Err(Flaw::OtherApp)
        );
    }

    #[test]
    fn a_usersig_that_we_sign_is_valid() {
        let app = app(7, KEY, None);
        let text = UserSig::sign(&app.key.secret, app.sdk_app_id, "a b+c", 100, 50);
        let sig = UserSig::decode(&text).unwrap();
        assert_eq!(sig.verify(&app, "a b+c", 149), Ok((150, &app.key)));
        assert_eq!(sig.verify(&app, "a b+c", 150), Err(Flaw::Expired));
    }

    #[test]
    fn a_usersig_that_was_altered_on_its_way_is_valid() {
        let app = app(1_400_000_000, KEY, None);
        let is_valid = |text: &str| {
            let sig = UserSig::decode(text).unwrap();
            sig.verify(&app, "administrator", 1_700_000_001).is_ok()
        };
        assert!(PYTHON.contains('*') && PYTHON.ends_with('_'));
        for altered in [
            PYTHON.replace('*', "+"),
            PYTHON.replace('*', " "),
            PYTHON.trim_end_matches('_').to_owned(),
            format!("{PYTHON}\r\n"),
        ] {
            assert!(is_valid(&altered), "{altered}");
        }
    }

    #[test]
    fn numbers_may_be_text_and_bytes_after_the_zlib_stream_are_refused() {
        let app = app(7, KEY, None);
        let sig = UserSig::decode(&UserSig::sign(&app.key.secret, app.sdk_app_id, "u", 100, 50));
        let signature = BASE64.encode(sig.unwrap().signature);
        let claims = json!({
            "TLS.identifier": "u", "TLS.sdkappid": "7", "TLS.time": "100", "TLS.expire": "50", "TLS.sig": signature,
        });
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(claims.to_string().as_bytes()).unwrap();
        let mut deflated = zlib.finish().unwrap();
        let text = |bytes: &[u8]| BASE64.encode(bytes).replace('/', "-");
        assert!(UserSig::decode(&text(&deflated)).unwrap().verify(&app, "u", 100).is_ok());
        deflated.push(0);
        let flaw = UserSig::decode(&text(&deflated)).unwrap_err();
        assert_eq!(flaw, Flaw::Undecodable("there are bytes after its zlib stream"));
    }

    #[test]
    fn an_unreadable_usersig_says_which_step_failed() {
        let deflate = |bytes: &[u8]| {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
            zlib.write_all(bytes).unwrap();
            BASE64
                .encode(zlib.finish().unwrap())
                .replace('+', "*")
                .replace('/', "-")
                .replace('=', "_")
        };
        let flaw = |text: &str| UserSig::decode(text).unwrap_err();
        assert_eq!(flaw("xxx"), Flaw::Undecodable("it is not base64"));
        assert_eq!(flaw("AAAA"), Flaw::Undecodable("it is not a zlib stream"));
        assert_eq!(flaw(&PYTHON[..100]), Flaw::Undecodable("it is not a zlib stream"));
        assert_eq!(flaw(&deflate(b"[")), Flaw::Undecodable("it is not JSON inside"));
        let with = |name: &str, value: Value| {
            let mut claims = json!({
                "TLS.identifier": "user0", "TLS.sdkappid": 1, "TLS.time": 1, "TLS.expire": 1, "TLS.sig": "",
            });
            claims[name] = value;
            deflate(claims.to_string().as_bytes())
        };
        for (name, value, problem) in [
            ("TLS.identifier", json!(1), "TLS.identifier is not text"),
            ("TLS.sdkappid", json!("+1"), "TLS.sdkappid is not a number"),
            ("TLS.sdkappid", json!(""), "TLS.sdkappid is not a number"),
            ("TLS.time", json!(" 1"), "TLS.time is not a number"),
            ("TLS.expire", json!("1e3"), "TLS.expire is not a number"),
            ("TLS.expire", json!(-1), "TLS.expire is not a number"),
            ("TLS.sig", json!("?"), "TLS.sig is not base64"),
            ("TLS.userbuf", json!("?"), "TLS.userbuf is not base64"),
        ] {
            assert_eq!(flaw(&with(name, value)), Flaw::Undecodable(problem));
        }
        // Miri would need minutes for 10 MB.
        let bomb = vec![b' '; if cfg!(miri) { 10_000 } else { 10_000_000 }];
        assert_eq!(flaw(&deflate(&bomb)), Flaw::Undecodable("it is too large"));
        let full = usize::try_from(USER_SIG_INFLATED_BYTES_MAX).unwrap();
        let padded = |length: usize| deflate(&[b"{}".as_slice(), &bomb[..length - 2]].concat());
        assert_eq!(flaw(&padded(full)), Flaw::Undecodable("TLS.identifier is not text"));
        assert_eq!(flaw(&padded(full + 1)), Flaw::Undecodable("it is too large"));
    }

    #[test]
    fn a_huge_lifetime_does_not_overflow() {
        let app = app(7, KEY, None);
        let text = UserSig::sign(&app.key.secret, app.sdk_app_id, "a", 100, u64::MAX);
        assert_eq!(UserSig::decode(&text).unwrap().verify(&app, "a", 1), Ok((u64::MAX, &app.key)));
    }
}
