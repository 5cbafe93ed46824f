//! Any bytes as a UserSig, as the content of its base64, and as the content of its zlib stream.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use earmark::domain::App;
use earmark::http::user_sig::{Flaw, UserSig};
use earmark::limits::Limits;

/// The longest JSON that a UserSig may contain.
const INFLATED_MAX: usize = 4096;

/// Decodes and verifies `input` in all three forms.
pub fn run(input: &[u8]) {
    let app = super::app(Limits::default());
    if let Ok(text) = std::str::from_utf8(input) {
        check_any(&app, text);
    }
    check_any(&app, &packed(input));
    check_json(&app, input);
}

/// A text is either undecodable, or a UserSig that is invalid for other users.
fn check_any(app: &App, text: &str) {
    let sig = match UserSig::decode(text) {
        Ok(sig) => sig,
        Err(flaw) => return assert!(matches!(flaw, Flaw::Undecodable(_)), "{flaw:?}"),
    };
    assert!(matches!(sig.verify(app, "somebody", 0), Err(Flaw::Forged | Flaw::OtherUser)));
}

/// A UserSig with this JSON is as valid as its claims once it is signed.
fn check_json(app: &App, json: &[u8]) {
    let decoded = UserSig::decode(&packed(&deflated(json)));
    let claims = (json.len() <= INFLATED_MAX)
        .then(|| serde_json::from_slice::<Value>(json).ok())
        .flatten()
        .and_then(|fields| Claims::read(&fields));
    let (Ok(sig), Some(claims)) = (&decoded, &claims) else {
        return assert_eq!((decoded.is_ok(), claims.is_some()), (false, false));
    };
    let (user, begin) = (claims.identifier.as_str(), claims.issued_at);
    let end = begin.saturating_add(claims.lifetime_s);
    let is_good = claims.signature == claims.mac();
    assert_eq!(sig.verify(app, user, begin).err() == Some(Flaw::Forged), !is_good);

    let mut fields: Value = serde_json::from_slice(json).unwrap();
    fields["TLS.sig"] = STANDARD.encode(claims.mac()).into();
    let signed = fields.to_string();
    if signed.len() > INFLATED_MAX {
        return;
    }
    let sig = UserSig::decode(&packed(&deflated(signed.as_bytes()))).unwrap();
    let verify = |user: &str, now| sig.verify(app, user, now).map(|(expires_at, _)| expires_at);
    let of_this_app = claims.sdk_app_id == 1_400_000_000;
    let expected = |is_over| match (of_this_app, is_over) {
        (false, _) => Err(Flaw::OtherApp),
        (true, true) => Err(Flaw::Expired),
        (true, false) => Ok(end),
    };
    assert_eq!(verify(user, begin), expected(begin >= end));
    assert_eq!(verify(user, end), expected(true));
    assert_eq!(verify(user, end.saturating_sub(1)), expected(end == 0));
    assert_eq!(verify(&format!("{user}x"), begin), Err(Flaw::OtherUser));
}

/// The claims of a UserSig.
struct Claims {
    identifier: String,
    sdk_app_id: u64,
    issued_at: u64,
    lifetime_s: u64,
    user_buf: Option<String>,
    signature: Vec<u8>,
}

impl Claims {
    fn read(fields: &Value) -> Option<Self> {
        let text = |name| fields.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        let number = |name| {
            let value = fields.get(name)?;
            let digits = value.as_str().filter(|text| text.chars().all(|c| c.is_ascii_digit()));
            value.as_u64().or_else(|| digits?.parse().ok())
        };
        let user_buf = text("TLS.userbuf");
        if user_buf.is_none() && fields.get("TLS.userbuf").is_some() {
            return None;
        }
        if user_buf.as_ref().is_some_and(|buf| STANDARD.decode(buf).is_err()) {
            return None;
        }
        Some(Self {
            identifier: text("TLS.identifier")?,
            sdk_app_id: number("TLS.sdkappid")?,
            issued_at: number("TLS.time")?,
            lifetime_s: number("TLS.expire")?,
            user_buf,
            signature: STANDARD.decode(text("TLS.sig")?).ok()?,
        })
    }

    fn mac(&self) -> Vec<u8> {
        let mut lines = vec![
            format!("TLS.identifier:{}", self.identifier),
            format!("TLS.sdkappid:{}", self.sdk_app_id),
            format!("TLS.time:{}", self.issued_at),
            format!("TLS.expire:{}", self.lifetime_s),
        ];
        lines.extend(self.user_buf.as_ref().map(|buf| format!("TLS.userbuf:{buf}")));
        let mut mac = Hmac::<Sha256>::new_from_slice(super::KEY.as_bytes()).unwrap();
        mac.update((lines.join("\n") + "\n").as_bytes());
        mac.finalize().into_bytes().to_vec()
    }
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(bytes).unwrap();
    zlib.finish().unwrap()
}

/// Base64 with the characters of a UserSig.
fn packed(bytes: &[u8]) -> String {
    STANDARD.encode(bytes).replace('+', "*").replace('/', "-").replace('=', "_")
}
