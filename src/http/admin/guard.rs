//! Access control of the admin API.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::http::header::{WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use super::super::request_id::{self, RequestId};
use super::super::{origin, problem_details};
use crate::audit::Operator;
use crate::domain::{Problem, Scope, TokenName, TokenSecret};
use crate::http::door::Door;
use crate::limits::OPERATOR_TOKEN_BYTES_MIN;

/// Who may call the admin API.
#[derive(Debug, Clone, Default)]
pub enum Operators {
    /// Clients that send a named token.
    #[default]
    Off,
    /// Clients that send this token, or a named one.
    WithToken(OperatorToken),
    /// For a trial: clients on this machine that send this token, or a named one.
    ThisMachine(OperatorToken),
}

impl Operators {
    /// The token of the setting, which this request has to send unless it sends a named one; or the status and the detail of a
    /// refusal if it must not even try one. Pages of other sites are refused first, so that they do not even learn whether a token
    /// is right.
    pub(in crate::http) fn token_for(
        &self,
        request: &HttpRequest,
    ) -> Result<Option<&OperatorToken>, (StatusCode, &'static str)> {
        if !origin::is_same_origin(request) {
            let detail = "the request was sent by a page of another site";
            return Err((StatusCode::FORBIDDEN, detail));
        }
        match self {
            Self::WithToken(token) => Ok(Some(token)),
            Self::ThisMachine(token) if origin::is_local(request) => Ok(Some(token)),
            Self::ThisMachine(_) => {
                let detail = "only this machine is let in, as localhost and without a proxy; \
                    --allow-remote lets others in";
                Err((StatusCode::FORBIDDEN, detail))
            }
            Self::Off => Ok(None),
        }
    }
}

/// Who has sent a request, and what they may do.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) operator: Operator,
    pub(super) scopes: Vec<Scope>,
}

/// The token of the setting. We keep only its digest, so that nothing can print the token.
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

    /// Whether the request sends the token. Compares in constant time.
    pub(in crate::http) fn is_sent_by(&self, request: &HttpRequest) -> bool {
        bearer_token(request).is_some_and(|sent| self.is(sent))
    }

    fn is(&self, sent: &[u8]) -> bool {
        digest(sent).verify_slice(self.0.expose_secret()).is_ok()
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
    let id = RequestId::of(request.request());
    let admitted = request_id::CURRENT.scope(id.clone(), admit(request.request(), &id)).await;
    let mut response = match admitted {
        Err(refusal) => request.into_response(refusal),
        // The text of an internal error has the id, too.
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            request_id::CURRENT.scope(id.clone(), next.call(request)).await?.map_into_boxed_body()
        }
    };
    let headers = response.headers_mut();
    if let Some(id) = id.header() {
        headers.insert(request_id::HEADER, id);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// Who has sent the request, or the answer if it must not reach a handler.
async fn admit(request: &HttpRequest, id: &RequestId) -> Result<Caller, HttpResponse> {
    let refuse = |status, detail: &str| problem_details::answer(status, detail, None);
    let (name, scopes) = named(request).await?;
    if let Some(needed) = needed(request.method(), request.match_pattern().as_deref())
        && !scopes.contains(&needed)
    {
        return Err(refuse(StatusCode::FORBIDDEN, &lacking(&name, &scopes, needed)));
    }
    let has_body = [Method::POST, Method::PATCH].contains(request.method());
    if has_body && !is_json(request) {
        let detail = "Content-Type must be application/json";
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let peer = request.peer_addr().map(|peer| peer.ip().to_canonical().to_string());
    let origin = peer.unwrap_or_else(|| "unknown".to_owned());
    let operator = Operator { name, origin, request_id: Some(id.to_string()) };
    Ok(Caller { operator, scopes })
}

/// The name and the scopes of the token that the request sends.
async fn named(request: &HttpRequest) -> Result<(String, Vec<Scope>), HttpResponse> {
    let operators = request.app_data::<Data<Operators>>().map(Data::get_ref);
    let of_setting = operators
        .unwrap_or(&OFF)
        .token_for(request)
        .map_err(|(status, detail)| problem_details::answer(status, detail, None))?;
    let sent = bearer_token(request);
    if let Some((token, sent)) = of_setting.zip(sent)
        && token.is(sent)
    {
        return Ok((TokenName::OF_SETTING.to_owned(), Scope::ALL.to_vec()));
    }
    let door = request.app_data::<Data<Door>>();
    if let Some((digest, door)) = sent.and_then(TokenSecret::digest_of_sent).zip(door) {
        return match door.service.operator_token(digest).await {
            Ok(Some(token)) => Ok((token.name, token.scopes)),
            Ok(None) => Err(unauthorized(
                "this is no operator token, or it was revoked",
                "Bearer error=\"invalid_token\"",
            )),
            Err(error) => Err(problem_details::failure(error)),
        };
    }
    if of_setting.is_none() {
        let detail =
            "no operator token is set, so only tokens of `earmark token create` are let in";
        return Err(problem_details::answer(StatusCode::NOT_FOUND, detail, None));
    }
    Err(refusal(request))
}

/// The answer to a request that does not send the token of the setting.
pub(in crate::http) fn refusal(request: &HttpRequest) -> HttpResponse {
    match bearer_token(request) {
        Some(_) => unauthorized("this is not the operator token", "Bearer error=\"invalid_token\""),
        None => unauthorized("Authorization must be `Bearer` and the operator token", "Bearer"),
    }
}

/// The scope that a request needs. `pattern` is the path with the names of its parameters. `None`: any.
pub(in crate::http) fn needed(method: &Method, pattern: Option<&str>) -> Option<Scope> {
    let pattern = pattern.unwrap_or_default();
    let is_of_user = pattern.contains("/users/{user}");
    let is_read = *method == Method::GET || *method == Method::HEAD;
    match (is_read, is_of_user) {
        (true, false) if pattern.ends_with("/token") => None,
        // What is stored about a person leaves the service.
        (true, true) if pattern.ends_with("/export") => Some(Scope::Users),
        (true, _) => Some(Scope::Read),
        (false, true) => Some(Scope::Users),
        (false, false) => Some(Scope::Apps),
    }
}

fn lacking(name: &str, scopes: &[Scope], needed: Scope) -> String {
    let scopes: Vec<_> = scopes.iter().copied().map(Scope::name).collect();
    format!(
        "this needs a token with the scope {}; the token {name} has {}",
        needed.name(),
        scopes.join(", ")
    )
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
