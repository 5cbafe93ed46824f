//! What a person finds at the API's address, and what a load balancer finds there.

use actix_web::guard::{self, GuardContext};
use actix_web::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, LOCATION, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::console::Console;
use super::health;

/// `GET /` of a browser, `/livez` and `/readyz`. Other requests to these paths are calls of an unknown command.
pub(super) fn routes(app: &mut ServiceConfig, console: &Console) {
    let has_console = !matches!(console, Console::Off);
    let page = move |_: HttpRequest| async move { page(has_console) };
    app.service(web::resource("/").guard(guard::Get()).guard(guard::fn_guard(is_browser)).to(page))
        .service(web::resource("/livez").guard(guard::Get()).to(health::live))
        .service(web::resource("/readyz").guard(guard::Get()).to(health::ready));
}

fn is_browser(request: &GuardContext<'_>) -> bool {
    let accept = request.head().headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn page(has_console: bool) -> HttpResponse {
    if has_console {
        return HttpResponse::Found().insert_header((LOCATION, "/console")).finish();
    }
    HttpResponse::Ok()
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .content_type("text/html; charset=utf-8")
        .body(PAGE)
}

const PAGE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n",
    "<meta name=\"viewport\" content=\"width=device-width\">\n<title>earmark</title>\n",
    "<h1>earmark ",
    env!("CARGO_PKG_VERSION"),
    "</h1>\n<p>Conversation marks. This is the address of the API.</p>\n<ul>\n",
    "<li><a href=\"/v1/openapi.json\">The native API</a></li>\n",
    "<li><a href=\"/openapi.json\">The original's API</a></li>\n",
    "</ul>\n</html>\n",
);
