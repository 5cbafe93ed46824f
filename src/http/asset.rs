//! What is the same for everybody: prepared once, sent compressed, and not sent again to those who have it.

use std::io::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Bytes that are ready to be sent.
pub(super) struct Asset {
    content_type: &'static str,
    /// A quoted digest: the same for both forms, so it is sent as a weak one.
    etag: String,
    plain: Bytes,
    gzip: Bytes,
}

impl Asset {
    pub(super) fn new(content_type: &'static str, bytes: &[u8]) -> Self {
        Self {
            content_type,
            etag: format!("\"{}\"", BASE64.encode(Sha256::digest(bytes))),
            plain: Bytes::copy_from_slice(bytes),
            gzip: compressed(bytes).into(),
        }
    }

    /// Sends it, in an answer that `begun` has begun.
    pub(super) fn send(
        &self,
        request: &HttpRequest,
        begun: impl FnOnce(StatusCode) -> HttpResponseBuilder,
    ) -> HttpResponse {
        let known = listed(request.headers(), header::IF_NONE_MATCH)
            .any(|tag| tag.trim_start_matches("W/") == self.etag);
        let mut response = begun(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
        // Kept, but asked for each time: the names stay the same from version to version.
        response
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header((header::ETAG, format!("W/{}", self.etag)))
            .insert_header((header::VARY, "accept-encoding"));
        if known {
            return response.finish();
        }
        response.content_type(self.content_type);
        if listed(request.headers(), header::ACCEPT_ENCODING).any(is_gzip) {
            response.insert_header((header::CONTENT_ENCODING, "gzip")).body(self.gzip.clone())
        } else {
            response.body(self.plain.clone())
        }
    }
}

/// The parts of a header that is a list.
fn listed(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn is_gzip(coding: &str) -> bool {
    let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
    name.trim() == "gzip" && quality.trim().trim_end_matches(['.', '0']) != "q="
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail.
    let done = encoder.write_all(plain).and_then(|()| encoder.finish());
    done.unwrap_or_default()
}
