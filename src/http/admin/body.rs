//! Request bodies of the admin API.

use std::convert::Infallible;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use tokio::time::timeout;

use crate::http::body::BODY_TIME_MAX;
use crate::http::failure::Failure;
use crate::http::json::{Field, Json};

/// A body as actix collects it, up to the limit of the scope's `PayloadConfig`. Extraction itself never fails, so that a
/// handler decides which of several errors it answers.
pub(super) struct Body(Result<Bytes, Failure>);

impl Body {
    pub(super) fn parse<T>(
        self,
        parse: impl FnOnce(&Field<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        parse(&Field::root(&Json::parse(&self.0?)?))
    }
}

impl FromRequest for Body {
    type Error = Infallible;
    type Future = LocalBoxFuture<'static, Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = timeout(BODY_TIME_MAX, Bytes::from_request(request, payload));
        Box::pin(async move {
            let body = body.await.map_err(|_| Failure::BodyUnreadable);
            Ok(Self(body.and_then(|body| body.map_err(|error| refusal(&error)))))
        })
    }
}

fn refusal(error: &actix_web::Error) -> Failure {
    match error.as_error() {
        Some(PayloadError::Overflow) => Failure::BodyTooLarge,
        _ => Failure::BodyUnreadable,
    }
}
