//! Access control of the admin API.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::http::header::{WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use super::super::{origin, problem_details};
use crate::domain::Problem;
use crate::limits::OPERATOR_TOKEN_BYTES_MIN;

/// Who may call the admin API.
#[derive(Debug, Clone, Default)]
pub enum Operators {
    /// The admin API is off.
    #[default]
    Off,
    /// Clients that send this token.
    WithToken(OperatorToken),
    /// For a trial: clients on this machine that send this token.
    ThisMachine(OperatorToken),
}

impl Operators {
    /// The token that this request has to send, or the status and the detail of a refusal if it must not even try one. Pages of
    /// other sites are refused first, so that they do not even learn whether a token is right.
    pub(in crate::http) fn token_for(
        &self,
        request: &HttpRequest,
    ) -> Result<&OperatorToken, (StatusCode, &'static str)> {
        if !origin::is_same_origin(request) {
            let detail = "the request was sent by a page of another site";
            return Err((StatusCode::FORBIDDEN, detail));
        }
        match self {
            Self::WithToken(token) => Ok(token),
            Self::ThisMachine(token) if origin::is_local(request) => Ok(token),
            Self::ThisMachine(_) => {
                let detail = "only this machine is let in, as localhost and without a proxy; \
                    --allow-remote lets others in";
                Err((StatusCode::FORBIDDEN, detail))
            }
            Self::Off => {
                Err((StatusCode::NOT_FOUND, "there is no operator token, so no admin API"))
            }
        }
    }
}

/// The operators' token. We keep only its digest, so that nothing can print the token.
#[derive(Debug, Clone)]
pub struct OperatorToken(SecretSlice<u8>);

impl OperatorToken {
    /// Accepts at least 16 characters of visible ASCII, since a client sends the token in a header.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Problem::new("must be visible ASCII, without white space"));
        }
        if text.len() < OPERATOR_TOKEN_BYTES_MIN {
            return Err(Problem::new(format!("must be at least {OPERATOR_TOKEN_BYTES_MIN} bytes")));
        }
        let digest = digest(text.as_bytes()).finalize().into_bytes();
        Ok(Self(digest.to_vec().into()))
    }

    /// Refuses a request that does not send the token. Compares in constant time.
    pub(in crate::http) fn refusal(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let is_right = |sent: &[u8]| digest(sent).verify_slice(self.0.expose_secret()).is_ok();
        match bearer_token(request) {
            Some(sent) if is_right(sent) => None,
            Some(_) => Some(unauthorized(
                "this is not the operator token",
                "Bearer error=\"invalid_token\"",
            )),
            None => Some(unauthorized(
                "Authorization must be `Bearer` and the operator token",
                "Bearer",
            )),
        }
    }
}

fn digest(token: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "it cannot fail")]
    let mac = Hmac::<Sha256>::new_from_slice(token).expect("HMAC takes keys of any length");
    mac.chain_update(b"operator token")
}

/// What a request meets where no operators are set.
static OFF: Operators = Operators::Off;

/// A middleware that passes a request on to its handler, or refuses it.
pub(super) async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let mut response = match refusal(request.request()) {
        Some(refusal) => request.into_response(refusal),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// The answer to a request that must not reach a handler.
fn refusal(request: &HttpRequest) -> Option<HttpResponse> {
    let refuse = |status, detail| Some(problem_details::answer(status, detail, None));
    let operators = request.app_data::<Data<Operators>>().map(Data::get_ref);
    let token = match operators.unwrap_or(&OFF).token_for(request) {
        Ok(token) => token,
        Err((status, detail)) => return refuse(status, detail),
    };
    if let Some(refusal) = token.refusal(request) {
        return Some(refusal);
    }
    let has_body = [Method::POST, Method::PATCH].contains(request.method());
    if has_body && !is_json(request) {
        let detail = "Content-Type must be application/json";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail);
    }
    None
}

fn unauthorized(detail: &str, challenge: &'static str) -> HttpResponse {
    let mut response = problem_details::answer(StatusCode::UNAUTHORIZED, detail, None);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

fn bearer_token(request: &HttpRequest) -> Option<&[u8]> {
    let (scheme, token) = request.headers().get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

fn is_json(request: &HttpRequest) -> bool {
    let sent = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = sent.and_then(|sent| sent.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}
