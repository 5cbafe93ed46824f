//! The console: a web page that is built into the program, and the session that it asks for when it opens.

use std::collections::HashMap;
use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use rust_embed::RustEmbed;
use serde::Serialize;

use super::admin::{self, Operators};
use super::asset::Asset;
use super::faults::Faults;
use super::problem_details;
use crate::deadline::Deadline;
use crate::domain::SdkAppId;
use crate::http::door::{Door, unix_now};
use crate::http::user_sig::UserSig;

/// How long the UserSig of a signed-in console is valid.
const SESSION_LIFETIME_S: u64 = 12 * 3600;
/// The page may load and call only its own origin.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Debug, Clone, Default)]
pub enum Console {
    #[default]
    Off,
    /// The console asks the user to sign in.
    On,
    /// For a trial: a page that may call the admin API, and has its token, is signed in as this admin.
    SignedIn { sdk_app_id: SdkAppId, identifier: String },
}

/// What the console says about where it runs, so that operators do not mistake production for a test.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Shown on every page; nothing if empty.
    pub label: String,
    /// The name of the colour of the label.
    pub color: &'static str,
}

/// The files that the build of `console/` writes.
#[derive(RustEmbed)]
#[folder = "console/dist"]
struct Dist;

static ASSETS: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    let asset = |name: &str| Dist::get(name).map(|file| Asset::new(content_type(name), &file.data));
    Dist::iter().filter_map(|name| asset(&name).map(|asset| (name.into_owned(), asset))).collect()
});

/// The paths of the console, and those of the admin API, which the page calls.
pub(super) fn routes(
    app: &mut ServiceConfig,
    console: &Console,
    environment: &Environment,
    operators: &Operators,
    faults: Option<&Faults>,
) {
    if matches!(console, Console::Off) {
        return;
    }
    admin::routes(app, operators, faults);
    app.app_data(Data::new(console.clone()))
        .app_data(Data::new(environment.clone()))
        .app_data(Data::new(operators.clone()))
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

/// Tells the page by which command the service was started, and who is already signed in.
#[derive(Serialize)]
#[serde(tag = "mode", rename_all = "lowercase")]
enum Session<'a> {
    Serve {
        #[serde(flatten)]
        shown: Option<Label<'a>>,
    },
    Dev {
        #[serde(flatten)]
        signed_in: Option<SignedIn<'a>>,
    },
}

#[derive(Serialize)]
struct Label<'a> {
    label: &'a str,
    color: &'a str,
}

#[derive(Serialize)]
struct SignedIn<'a> {
    sdkappid: i64,
    identifier: &'a str,
    usersig: String,
}

/// Gives a UserSig only to a page that may call the admin API and sends its token. Others can open the page too, but they do
/// not have the token.
async fn session(
    request: HttpRequest,
    door: Data<Door>,
    console: Data<Console>,
    environment: Data<Environment>,
    operators: Data<Operators>,
) -> HttpResponse {
    let Console::SignedIn { sdk_app_id, identifier } = &**console else {
        let Environment { label, color } = &**environment;
        let shown = (!label.is_empty()).then_some(Label { label, color });
        return session_document(&Session::Serve { shown });
    };
    let token = match operators.token_for(&request) {
        Ok(token) => token,
        Err((status, detail)) => return problem_details::answer(status, detail, None),
    };
    if !request.headers().contains_key(header::AUTHORIZATION) {
        return session_document(&Session::Dev { signed_in: None });
    }
    if !token.is_some_and(|token| token.is_sent_by(&request)) {
        return admin::refusal(&request);
    }
    let app = match door.service.app(*sdk_app_id, Deadline::of_a_request()).await {
        Ok(app) => app,
        Err(error) => return problem_details::failure(error),
    };
    let (key, now) = (&app.key.secret, unix_now());
    let usersig = UserSig::sign(key, *sdk_app_id, identifier, now, SESSION_LIFETIME_S);
    let sdkappid = sdk_app_id.number();
    let signed_in = Some(SignedIn { sdkappid, identifier, usersig });
    session_document(&Session::Dev { signed_in })
}

fn session_document(session: &Session<'_>) -> HttpResponse {
    guarded(StatusCode::OK).insert_header((header::CACHE_CONTROL, "no-store")).json(session)
}

/// A response with the security headers of the console.
fn guarded(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    response
}

fn send(request: &HttpRequest, name: &str) -> HttpResponse {
    match ASSETS.get(name) {
        Some(asset) => asset.send(request, guarded),
        None => guarded(StatusCode::NOT_FOUND).body("the console has no such file\n"),
    }
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
