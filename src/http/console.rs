//! The console: a page that is part of the program, and what it asks when it opens.

use std::collections::HashMap;
use std::io::Write;
use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{self, Bytes, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use serde::Serialize;

use super::admin::{self, Operators};
use super::door::{Door, unix_now};
use super::{origin, problem_details};
use crate::domain::{SdkAppId, UserSig};

/// How long the UserSig is good that a signed-in console gets.
const SESSION_LIFETIME_S: u64 = 12 * 3600;
/// The page loads what is served beside it, and nothing else from anywhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether there is a console, and how it opens.
#[derive(Debug, Clone, Default)]
pub enum Console {
    /// There is none.
    #[default]
    Off,
    /// For whoever can sign in.
    On,
    /// Signed in already, as this admin, for people at this machine: a try-out.
    SignedIn {
        /// The app.
        sdk_app_id: SdkAppId,
        /// One of its admins.
        identifier: String,
    },
}

/// What `console/` builds.
#[derive(RustEmbed)]
#[folder = "console/dist"]
struct Dist;

/// A file of the console, ready to be sent.
struct Asset {
    content_type: &'static str,
    /// A quoted digest: the same for both forms, so it is sent as a weak one.
    etag: String,
    plain: Bytes,
    gzip: Bytes,
}

static ASSETS: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    let asset = |name: &str| Dist::get(name).map(|file| Asset::new(name, &file));
    Dist::iter().filter_map(|name| asset(&name).map(|asset| (name.into_owned(), asset))).collect()
});

/// Every path of the console, with the admin API that its page uses.
pub(super) fn routes(app: &mut ServiceConfig, console: &Console, operators: &Operators) {
    if matches!(console, Console::Off) {
        return;
    }
    admin::routes(app, operators);
    app.app_data(Data::new(console.clone()))
        .route("/console", web::get().to(page))
        .route("/console/session.json", web::get().to(session))
        .route("/console/{file:.*}", web::get().to(file));
}

async fn page(request: HttpRequest) -> HttpResponse {
    send(&request, "index.html")
}

async fn file(request: HttpRequest, file: Path<String>) -> HttpResponse {
    send(&request, if file.is_empty() { "index.html" } else { &file })
}

/// What the page asks when it opens: how it was started, and who is signed in already.
#[derive(Serialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
enum Session<'a> {
    Serve,
    Dev { sdkappid: i64, identifier: &'a str, usersig: String },
}

/// A UserSig is given to this machine's own pages alone.
async fn session(request: HttpRequest, door: Data<Door>, console: Data<Console>) -> HttpResponse {
    let session = match &**console {
        Console::Off | Console::On => Session::Serve,
        Console::SignedIn { .. }
            if !origin::is_local(&request) || !origin::is_same_origin(&request) =>
        {
            let detail =
                "only pages of this very service, opened on its own machine, are signed in";
            return problem_details::answer(StatusCode::FORBIDDEN, detail, None);
        }
        Console::SignedIn { sdk_app_id, identifier } => {
            let app = match door.service.app(*sdk_app_id).await {
                Ok(app) => app,
                Err(error) => return problem_details::failure(&error),
            };
            let (key, now) = (&app.secret_key, unix_now());
            let usersig = UserSig::sign(key, *sdk_app_id, identifier, now, SESSION_LIFETIME_S);
            Session::Dev { sdkappid: sdk_app_id.number(), identifier, usersig }
        }
    };
    guarded(StatusCode::OK).insert_header((header::CACHE_CONTROL, "no-store")).json(session)
}

/// An answer with the headers that every file of the console has.
fn guarded(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    response
}

fn send(request: &HttpRequest, name: &str) -> HttpResponse {
    let Some(asset) = ASSETS.get(name) else {
        return guarded(StatusCode::NOT_FOUND).body("the console has no such file\n");
    };
    let known = listed(request.headers(), header::IF_NONE_MATCH)
        .any(|tag| tag.trim_start_matches("W/") == asset.etag);
    let status = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut response = guarded(status);
    // Kept, but asked for each time: the names stay the same from version to version.
    response
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::ETAG, format!("W/{}", asset.etag)))
        .insert_header((header::VARY, "accept-encoding"));
    if known {
        return response.finish();
    }
    response.content_type(asset.content_type);
    if listed(request.headers(), header::ACCEPT_ENCODING).any(is_gzip) {
        response.insert_header((header::CONTENT_ENCODING, "gzip")).body(asset.gzip.clone())
    } else {
        response.body(asset.plain.clone())
    }
}

/// The parts of a header that is a list.
fn listed(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn is_gzip(coding: &str) -> bool {
    let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
    name.trim() == "gzip" && quality.trim().trim_end_matches(['.', '0']) != "q="
}

impl Asset {
    fn new(name: &str, file: &rust_embed::EmbeddedFile) -> Self {
        Self {
            content_type: content_type(name),
            etag: format!("\"{}\"", BASE64.encode(file.metadata.sha256_hash())),
            plain: Bytes::copy_from_slice(&file.data),
            gzip: compressed(&file.data).into(),
        }
    }
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail.
    let done = encoder.write_all(plain).and_then(|()| encoder.finish());
    done.unwrap_or_default()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "map" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
