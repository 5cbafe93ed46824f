//! Who calls: `Authorization: Bearer <UserSig>` of an admin of the app, or of the user whose state it is.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;

use super::path::PathValues;
use crate::domain::{App, UserAccess};
use crate::http::caller::Credentials;
use crate::http::door::{Door, arrival};
use crate::http::failure::Failure;
use crate::http::user_sig::UserSig;

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Admins,
    /// Admins, and any user if the app's users may do at least this.
    Anyone(UserAccess),
    /// Admins, and the user in the path if the app's users may do at least this.
    Users(UserAccess),
}

pub(super) fn credentials<'r>(
    request: &'r HttpRequest,
    path: &PathValues<'_>,
) -> Result<Credentials<'r>, Failure> {
    let sdk_app_id = path.app().parse().map_err(|_| Failure::SdkAppIdInvalid)?;
    let header =
        request.headers().get(AUTHORIZATION).ok_or(Failure::CallerMissing("Authorization"))?;
    let user_sig = header.to_str().ok().and_then(|text| text.split_once(' '));
    let user_sig = user_sig.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
    let (_, user_sig) = user_sig.ok_or(Failure::CallerMissing("Authorization"))?;
    let user_sig = user_sig.trim();
    let identifier = UserSig::decode(user_sig).map_err(Failure::UserSig)?.into_identifier();
    Ok(Credentials::new(sdk_app_id, identifier, user_sig))
}

/// A caller that may call, for a call that lasts. What it may do can end meanwhile.
pub(super) struct LastingCaller {
    pub(super) door: Data<Door>,
    credentials: Credentials<'static>,
    access: Access,
    /// Whether the state is the caller's own.
    is_own: bool,
}

impl LastingCaller {
    pub(super) fn new(
        door: Data<Door>,
        credentials: Credentials<'_>,
        access: Access,
        path: &PathValues<'_>,
    ) -> Result<Self, Failure> {
        let is_own = path.behind("users")? == *credentials.identifier;
        Ok(Self { door, credentials: credentials.into_owned(), access, is_own })
    }

    /// Checks the app, the UserSig and the access again, as at the beginning.
    pub(super) async fn check_again(&self) -> Result<Arc<App>, Failure> {
        let app = self.door.check_user_sig_again(&self.credentials, arrival()).await?;
        check_access_to(self.access, &self.credentials.identifier, &app, || Ok(self.is_own))?;
        Ok(app)
    }
}

/// Refuses a caller whose UserSig is valid, but who may not make this call.
pub(super) fn check_access(
    access: Access,
    identifier: &str,
    app: &App,
    path: &PathValues<'_>,
) -> Result<(), Failure> {
    check_access_to(access, identifier, app, || Ok(path.behind("users")? == identifier))
}

/// As [`check_access`], where `is_own` says whether the state is the caller's own.
fn check_access_to(
    access: Access,
    identifier: &str,
    app: &App,
    is_own: impl FnOnce() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    if app.has_admin(identifier) {
        return Ok(());
    }
    let needed = match access {
        Access::Anyone(needed) => needed,
        Access::Users(needed) if is_own()? => needed,
        Access::Admins | Access::Users(_) => return Err(Failure::NotAdmin),
    };
    if app.user_access < needed {
        return Err(Failure::UserAccess { needed, allowed: app.user_access });
    }
    Ok(())
}
