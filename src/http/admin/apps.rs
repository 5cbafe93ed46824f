//! The handlers of the admin API. Each parses a body, calls the service, and shows the app.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path, ReqData};

use super::super::problem_details;
use super::body::Body;
use super::form::{self, AppList, NewApp, Rotation, ShownApp};
use super::guard::Caller;
use crate::deadline::Deadline;
use crate::domain::{App, KeyRefusal, Problem, Refusal, SdkAppId, SecretKey};
use crate::error::Error;
use crate::http::door::Door;
use crate::http::failure::Failure;
use crate::service::{AppChange, ChangedApp, random_secret_key};

pub(super) async fn list(door: Data<Door>) -> HttpResponse {
    let list = async {
        let apps = door.service.list_apps(Deadline::of_a_request()).await?;
        Ok::<_, Error>((apps, door.service.app_sizes(Deadline::of_a_request()).await?))
    };
    match list.await {
        Ok((apps, sizes)) => {
            let size = |app: &App| sizes.get(&app.sdk_app_id).copied();
            let apps = apps.iter().map(|app| ShownApp::with_size(app, size(app))).collect();
            HttpResponse::Ok().json(AppList { apps })
        }
        Err(error) => problem_details::failure(error),
    }
}

pub(super) async fn show(door: Data<Door>, path: Path<String>) -> HttpResponse {
    let app = async { Ok(door.service.load_app(number(&path)?, Deadline::of_a_request()).await?) };
    match app.await {
        Ok(app) => HttpResponse::Ok().json(ShownApp::new(&app)),
        Err::<_, Failure>(error) => problem_details::failure(error),
    }
}

pub(super) async fn create(door: Data<Door>, caller: ReqData<Caller>, body: Body) -> HttpResponse {
    match try_create(&door, &caller, body).await {
        Ok((Some(app), is_generated)) => {
            let location = format!("/admin/v1/apps/{}", app.sdk_app_id);
            tracing::info!(app = %app.sdk_app_id, "app created by the admin API");
            HttpResponse::Created()
                .insert_header((LOCATION, location))
                .json(ShownApp::with_generated_key(&app, is_generated))
        }
        Ok((None, _)) => {
            let detail = "sdkappid: there is an app of this number already";
            problem_details::answer(StatusCode::CONFLICT, detail, Some("sdkappid"))
        }
        Err(error) => problem_details::failure(error),
    }
}

/// The new app, or `None` if its number is taken; and whether the service generated the key.
async fn try_create(
    door: &Door,
    caller: &Caller,
    body: Body,
) -> Result<(Option<App>, bool), Failure> {
    let new = body.parse(NewApp::parse)?;
    let (key, is_generated) = given_or_generated(new.secret_key)?;
    let mut app = App::new(new.sdk_app_id, key);
    new.settings.apply(&mut app);
    app.admins = new.admins.unwrap_or(app.admins);
    let operator = caller.operator.clone();
    let created = door.service.create_app(app, operator, Deadline::of_a_request()).await?;
    Ok((created, is_generated))
}

pub(super) async fn change(
    door: Data<Door>,
    caller: ReqData<Caller>,
    path: Path<String>,
    body: Body,
) -> HttpResponse {
    let settings = body.parse(form::parse_change);
    answer(update(&door, &caller, &path, "set", settings.map(AppChange::Set)).await)
}

pub(super) async fn add_admin(
    door: Data<Door>,
    caller: ReqData<Caller>,
    path: Path<(String, String)>,
) -> HttpResponse {
    let (app, identifier) = path.into_inner();
    let change = check_identifier(&identifier).map(AppChange::AddAdmin);
    answer(update(&door, &caller, &app, "add-admin", change).await)
}

pub(super) async fn remove_admin(
    door: Data<Door>,
    caller: ReqData<Caller>,
    path: Path<(String, String)>,
) -> HttpResponse {
    let (app, identifier) = path.into_inner();
    let change = check_identifier(&identifier).map(AppChange::RemoveAdmin);
    answer(update(&door, &caller, &app, "remove-admin", change).await)
}

pub(super) async fn rotate_key(
    door: Data<Door>,
    caller: ReqData<Caller>,
    path: Path<String>,
    body: Body,
) -> HttpResponse {
    let rotation = body.parse(Rotation::parse).and_then(|Rotation { secret_key, force }| {
        let (key, is_generated) = given_or_generated(secret_key)?;
        Ok((AppChange::RotateKey { key, force }, is_generated))
    });
    let (change, is_generated) = match rotation {
        Ok((change, is_generated)) => (Ok(change), is_generated),
        Err(error) => (Err(error), false),
    };
    let rotated = update(&door, &caller, &path, "rotate-key", change).await;
    answer(rotated.map(|(app, _)| (app, is_generated)))
}

pub(super) async fn retire_key(
    door: Data<Door>,
    caller: ReqData<Caller>,
    path: Path<(String, String)>,
) -> HttpResponse {
    let (app, id) = path.into_inner();
    // A text that is not a number names no key.
    let id = id.parse().map_err(|_| Refusal::Key(KeyRefusal::UnknownKey).into());
    let change = id.map(|id| AppChange::RetireKey { id });
    answer(update(&door, &caller, &app, "retire-key", change).await)
}

/// Changes an app. The `false` in its result means that this function generated no key.
async fn update(
    door: &Door,
    caller: &Caller,
    path: &str,
    what: &str,
    change: Result<AppChange, Failure>,
) -> Result<(ChangedApp, bool), Failure> {
    let (app, change, operator) = (number(path)?, change?, Some(caller.operator.clone()));
    let changed = door.service.update_app(app, change, operator, Deadline::of_a_request()).await?;
    let (by, is_changed) = (caller.operator.name.as_str(), changed.is_changed);
    tracing::info!(%app, what, by, is_changed, "app changed by the admin API");
    Ok((changed, false))
}

fn answer(outcome: Result<(ChangedApp, bool), Failure>) -> HttpResponse {
    match outcome {
        Ok((changed, is_generated)) => {
            HttpResponse::Ok().json(ShownApp::changed(&changed, is_generated))
        }
        Err(Failure::Service(Error::Refused(Refusal::Key(refusal)))) => key_problem(refusal),
        Err(error) => problem_details::failure(error),
    }
}

fn key_problem(refusal: KeyRefusal) -> HttpResponse {
    let (status, detail) = match refusal {
        KeyRefusal::TwoKeysValid { older } => (
            StatusCode::CONFLICT,
            format!(
                "the app has two valid keys: retire one with DELETE on keys/{older} of the app, or send \
                 {{\"force\": true}}, which ends the validity of key {older} at once"
            ),
        ),
        KeyRefusal::KeyValidAlready { id } => (
            StatusCode::CONFLICT,
            format!(
                "secret_key: this is key {id} of the app, which is valid already: choose another one"
            ),
        ),
        KeyRefusal::UnknownKey => {
            (StatusCode::NOT_FOUND, "the app has no valid key with this id".to_owned())
        }
        KeyRefusal::OnlyKey => (
            StatusCode::CONFLICT,
            "this is the only valid key of the app: rotate it first, or disable the app".to_owned(),
        ),
    };
    problem_details::answer(status, &detail, None)
}

/// The `{sdkappid}` of a path. A text that is not a number names no app, so it gets the same error as an unknown app.
pub(super) fn number(path: &str) -> Result<SdkAppId, Failure> {
    path.parse().map_err(|_| Refusal::UnknownApp.into())
}

fn check_identifier(identifier: &str) -> Result<String, Failure> {
    let refuse = |problem: Problem| Failure::Parameter { path: "identifier".to_owned(), problem };
    App::check_admin(identifier).map_err(refuse)
}

/// The key, and whether the service generated it.
fn given_or_generated(given: Option<SecretKey>) -> Result<(SecretKey, bool), Failure> {
    match given {
        Some(key) => Ok((key, false)),
        None => Ok((random_secret_key()?, true)),
    }
}
