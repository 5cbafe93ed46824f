//! Static content: compressed once at the start, and not sent again to a client that has the current version.

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

pub(super) struct Asset {
    content_type: &'static str,
    /// A quoted digest of the plain bytes. It is sent as a weak tag, since it stands for both the plain and the compressed
    /// form.
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

    /// `builder` starts the response and sets the headers that all responses of the caller have.
    pub(super) fn send(
        &self,
        request: &HttpRequest,
        builder: impl FnOnce(StatusCode) -> HttpResponseBuilder,
    ) -> HttpResponse {
        let is_current = list_items(request.headers(), header::IF_NONE_MATCH)
            .any(|tag| tag.trim_start_matches("W/") == self.etag);
        let mut response =
            builder(if is_current { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
        // Clients revalidate each time, because a file has the same name in every version.
        response
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header((header::ETAG, format!("W/{}", self.etag)))
            .insert_header((header::VARY, "accept-encoding"));
        if is_current {
            return response.finish();
        }
        response.content_type(self.content_type);
        if list_items(request.headers(), header::ACCEPT_ENCODING).any(is_gzip) {
            response.insert_header((header::CONTENT_ENCODING, "gzip")).body(self.gzip.clone())
        } else {
            response.body(self.plain.clone())
        }
    }
}

/// The items of a header whose value is a comma-separated list.
fn list_items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn is_gzip(coding: &str) -> bool {
    let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
    name.trim() == "gzip" && quality.trim().trim_end_matches(['.', '0']) != "q="
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let compressed = encoder.write_all(plain).and_then(|()| encoder.finish());
    #[expect(clippy::expect_used, reason = "it cannot fail")]
    compressed.expect("a write to memory does not fail")
}
