//! `im_open_login_svc/account_import`: adds one user to the directory.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::shapes::account;
use crate::deadline::Arrival;
use crate::domain::{App, Problem, UserId};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::Family;
use crate::limits::{ACCOUNT_VALUE_BYTES_MAX, Limits};
use crate::service::{Account, Service};

pub struct AccountImport(Account);

#[derive(Serialize, JsonSchema)]
pub struct Answer {}

impl Call for AccountImport {
    const FAMILY: Family = Family::Accounts;
    const COMMAND: &'static str = "account_import";

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
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
    ) -> Result<Answer, Failure> {
        service.import_accounts(&app, vec![self.0], arrival.deadline).await?;
        Ok(Answer {})
    }

    fn operation(_: &Limits) -> Operation {
        Operation {
            summary: "Imports a user",
            description: "Adds one user to the directory, or updates nick and face. A user who was deleted starts again without marks.",
            request: account(),
            codes: &[],
            example: (
                r#"{"UserID":"user7","Nick":"Seven","FaceUrl":"https://example.com/seven.png"}"#,
                r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}

/// `UserID`, or `Identifier`, which older clients send.
pub(super) fn user_id<'f>(entry: &'f Field<'f>) -> Result<Field<'f>, Failure> {
    entry.first_of(&["UserID", "Identifier"])
}

pub(super) fn value(entry: &Field<'_>, name: &'static str) -> Result<Option<String>, Failure> {
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

/// The name as the client sent it. It must be a string, but need not be a valid name.
pub(super) fn as_sent(name: &Field<'_>) -> Result<String, Failure> {
    match name.account(u32::MAX) {
        Ok(user) => Ok(UserId::as_str(&user).to_owned()),
        Err(error @ Failure::AccountType { .. }) => Err(error),
        Err(_) => name.text().map(ToOwned::to_owned),
    }
}
