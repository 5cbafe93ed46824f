//! `im_open_login_svc/account_import`: puts one user into the directory.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{App, Problem, UserId};
use crate::error::Error;
use crate::http::tencent::door::Call;
use crate::http::tencent::json::Field;
use crate::limits::ACCOUNT_VALUE_BYTES_MAX;
use crate::service::{Account, Service};

pub struct AccountImport(Account);

/// Nothing besides the envelope.
#[derive(Serialize)]
pub struct Answer {}

impl Call for AccountImport {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
        let name = user_id(body)?;
        Ok(Self(Account {
            user_id: name.account(app.limits.user_id_bytes)?,
            nick: value(body, "Nick")?,
            face_url: value(body, "FaceUrl")?,
        }))
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        service.import_accounts(&app, vec![self.0], arrival.deadline).await?;
        Ok(Answer {})
    }
}

/// The field that names the user: `UserID`, or `Identifier` as older clients call it.
pub(super) fn user_id<'f>(entry: &'f Field<'f>) -> Result<Field<'f>, Error> {
    entry.first_of(&["UserID", "Identifier"])
}

/// A nick or a face URL.
pub(super) fn value(entry: &Field<'_>, name: &'static str) -> Result<Option<String>, Error> {
    let Some(field) = entry.get(name)?.present() else { return Ok(None) };
    field.parsed(|text| check_value(text).map(|()| Some(text.to_owned())))
}

fn check_value(text: &str) -> Result<(), Problem> {
    if text.contains('\0') {
        Err(Problem::new("must not contain the NUL character"))
    } else if text.len() > ACCOUNT_VALUE_BYTES_MAX {
        Err(Problem::new(format!(
            "must be at most {ACCOUNT_VALUE_BYTES_MAX} bytes of UTF-8, got {}",
            text.len()
        )))
    } else {
        Ok(())
    }
}

/// A name as the caller gave it: it must be a string, whatever else is wrong with it.
pub(super) fn as_sent(name: &Field<'_>) -> Result<String, Error> {
    match name.account(u32::MAX) {
        Ok(user) => Ok(UserId::as_str(&user).to_owned()),
        Err(error @ Error::AccountType { .. }) => Err(error),
        Err(_) => name.text().map(ToOwned::to_owned),
    }
}
