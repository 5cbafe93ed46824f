//! The webhooks of an app, in the admin API.

use actix_web::HttpResponse;
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Query, QueryConfig, ReqData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::problem_details;
use super::apps::number;
use super::body::Body;
use super::guard::Caller;
use crate::deadline::Deadline;
use crate::domain::{
    FailedDelivery, FeedChange, Problem, SdkAppId, WantedChanges, Webhook, WebhookSecret,
    WebhookUrl,
};
use crate::http::door::Door;
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::v1::ConversationId;
use crate::http::webhooks::{DIRECTORY_CHANGED, USER_CHANGED};
use crate::service::{WEBHOOKS_MAX, WebhookChange, random_webhook_secret};

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
pub(in crate::http) struct ShownWebhook {
    id: i64,
    url: String,
    /// Which changes it gets.
    kinds: Vec<&'static str>,
    disabled: bool,
    /// Unix seconds; `null` if the last attempt succeeded.
    failing_since: Option<u64>,
    last_error: Option<String>,
    /// Changes that wait for another attempt while later ones were delivered.
    waiting: u64,
    dead_letters: u64,
    /// Only in the answer of the call that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&str")]
    secret: Option<String>,
}

impl ShownWebhook {
    fn new(webhook: Webhook, secret: Option<&WebhookSecret>) -> Self {
        Self {
            id: webhook.id,
            url: webhook.url.as_str().to_owned(),
            kinds: kinds(webhook.wants),
            disabled: webhook.disabled,
            failing_since: webhook.failing_since,
            last_error: webhook.last_error,
            waiting: webhook.waiting,
            dead_letters: webhook.dead_letters,
            secret: secret.map(|secret| secret.reveal().to_owned()),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct WebhookList {
    webhooks: Vec<ShownWebhook>,
}

#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct DeliveryList {
    /// Newest first.
    deliveries: Vec<ShownDelivery>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FailedDelivery")]
struct ShownDelivery {
    /// In the feed. `before` and the calls that replay take it.
    number: u64,
    kind: &'static str,
    user: Option<String>,
    directory: Option<ConversationId>,
    revision: u64,
    attempts: u32,
    /// Unix seconds of the first failure.
    failed_at: u64,
    last_error: Option<String>,
    /// It is given up: only a replay sends it again.
    dead: bool,
}

impl From<FailedDelivery> for ShownDelivery {
    fn from(failed: FailedDelivery) -> Self {
        let (kind, user, directory, revision) = match failed.change {
            FeedChange::User { user_id, revision } => {
                (USER_CHANGED, Some(user_id.as_str().to_owned()), None, revision)
            }
            FeedChange::Directory { member, directory_revision, .. } => {
                (DIRECTORY_CHANGED, None, Some(ConversationId::from(&member)), directory_revision)
            }
        };
        Self {
            number: failed.position.number,
            kind,
            user,
            directory,
            revision,
            attempts: failed.attempts,
            failed_at: failed.failed_at,
            last_error: failed.last_error,
            dead: failed.is_dead,
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct Replayed {
    /// Dead letters that will be sent again.
    replayed: u64,
}

#[derive(Deserialize)]
pub(super) struct Before {
    before: Option<i64>,
}

/// Answers a query that is wrong with a problem document.
pub(super) fn query() -> QueryConfig {
    QueryConfig::default().error_handler(|error, _| {
        let detail = "must be a number of the feed";
        let answer = problem_details::answer(StatusCode::BAD_REQUEST, detail, Some("before"));
        InternalError::from_response(error, answer).into()
    })
}

type Answer = Result<HttpResponse, Failure>;

pub(super) async fn list(door: Data<Door>, path: Path<String>) -> HttpResponse {
    let list = async {
        let app = existing(&door, &path).await?;
        let webhooks = door.service.list_webhooks(app, None).await?;
        let webhooks = webhooks.into_iter().map(|webhook| ShownWebhook::new(webhook, None));
        Ok(HttpResponse::Ok().json(WebhookList { webhooks: webhooks.collect() }))
    };
    answer(list.await)
}

pub(super) async fn create(
    door: Data<Door>,
    caller: ReqData<Caller>,
    path: Path<String>,
    body: Body,
) -> HttpResponse {
    let create = async {
        let (url, wants) = body.parse(|body| {
            body.only(&["url", "kinds"])?;
            let url = body.get("url")?.parsed(WebhookUrl::parse)?;
            Ok((url, wanted(body)?.unwrap_or(WantedChanges::ALL)))
        })?;
        let app = existing(&door, &path).await?;
        let secret = random_webhook_secret()?;
        let operator = &caller.operator;
        let created = door.service.create_webhook(app, url, wants, secret.clone(), operator);
        let Some(id) = created.await? else {
            let detail = format!("an app can have at most {WEBHOOKS_MAX} webhooks");
            return Ok(problem_details::answer(StatusCode::CONFLICT, &detail, None));
        };
        log(&path, id, "create");
        shown(&door, app, id, StatusCode::CREATED, Some(&secret)).await
    };
    answer(create.await)
}

pub(super) async fn show(door: Data<Door>, path: Path<(String, String)>) -> HttpResponse {
    let show = async {
        let (app, id) = path.into_inner();
        shown(&door, existing(&door, &app).await?, id_of(&id), StatusCode::OK, None).await
    };
    answer(show.await)
}

pub(super) async fn change(
    door: Data<Door>,
    caller: ReqData<Caller>,
    path: Path<(String, String)>,
    body: Body,
) -> HttpResponse {
    let change = async {
        let (app, id) = path.into_inner();
        let id = id_of(&id);
        let change = body.parse(|body| {
            body.only(&["url", "kinds", "disabled"])?;
            let url = body.get("url")?.present();
            let disabled = body.get("disabled")?.present();
            Ok(WebhookChange {
                url: url.map(|url| url.parsed(WebhookUrl::parse)).transpose()?,
                wants: wanted(body)?,
                disabled: disabled.map(|disabled| disabled.boolean()).transpose()?,
            })
        })?;
        let number = existing(&door, &app).await?;
        if door.service.change_webhook(number, id, change, &caller.operator).await? {
            log(&app, id, "change");
        }
        shown(&door, number, id, StatusCode::OK, None).await
    };
    answer(change.await)
}

pub(super) async fn rotate(
    door: Data<Door>,
    caller: ReqData<Caller>,
    path: Path<(String, String)>,
) -> HttpResponse {
    let rotate = async {
        let (app, id) = path.into_inner();
        let (id, secret) = (id_of(&id), random_webhook_secret()?);
        let number = existing(&door, &app).await?;
        let operator = &caller.operator;
        if door.service.rotate_webhook_secret(number, id, secret.clone(), operator).await? {
            log(&app, id, "rotate-secret");
        }
        shown(&door, number, id, StatusCode::OK, Some(&secret)).await
    };
    answer(rotate.await)
}

pub(super) async fn delete(
    door: Data<Door>,
    caller: ReqData<Caller>,
    path: Path<(String, String)>,
) -> HttpResponse {
    let delete = async {
        let (app, id) = path.into_inner();
        let number = existing(&door, &app).await?;
        if !door.service.delete_webhook(number, id_of(&id), &caller.operator).await? {
            return Ok(not_found());
        }
        log(&app, id_of(&id), "delete");
        Ok(HttpResponse::NoContent().finish())
    };
    answer(delete.await)
}

pub(super) async fn deliveries(
    door: Data<Door>,
    path: Path<(String, String)>,
    query: Query<Before>,
) -> HttpResponse {
    let deliveries = async {
        let (app, id) = path.into_inner();
        let number = existing(&door, &app).await?;
        let failed = door.service.failed_deliveries(number, id_of(&id), query.before);
        let deliveries = failed.await?.into_iter().map(ShownDelivery::from).collect();
        Ok(HttpResponse::Ok().json(DeliveryList { deliveries }))
    };
    answer(deliveries.await)
}

/// Replays the dead letters with numbers from `from` to `to`.
pub(super) async fn replay(
    door: Data<Door>,
    caller: ReqData<Caller>,
    path: Path<(String, String)>,
    body: Body,
) -> HttpResponse {
    let replay = async {
        let (app, id) = path.into_inner();
        let (first, last) = body.parse(|body| {
            body.only(&["from", "to"])?;
            Ok((feed_number(body, "from")?, feed_number(body, "to")?))
        })?;
        let id = id_of(&id);
        let number = existing(&door, &app).await?;
        let replayed =
            door.service.replay_deliveries(number, id, first, last, &caller.operator).await?;
        log(&app, id, "replay");
        Ok(HttpResponse::Ok().json(Replayed { replayed }))
    };
    answer(replay.await)
}

fn feed_number(body: &Field<'_>, name: &'static str) -> Result<i64, Failure> {
    let field = body.get(name)?;
    let number = i64::try_from(field.integer()?).ok().filter(|number| *number >= 1);
    number.ok_or_else(|| field.refuse(Problem::new("must be a number of the feed")))
}

async fn shown(
    door: &Door,
    app: SdkAppId,
    id: i64,
    status: StatusCode,
    secret: Option<&WebhookSecret>,
) -> Answer {
    let found = door.service.list_webhooks(app, Some(id)).await?.pop();
    let show = |webhook| HttpResponse::build(status).json(ShownWebhook::new(webhook, secret));
    Ok(found.map_or_else(not_found, show))
}

/// The number of an app that exists.
async fn existing(door: &Door, app: &str) -> Result<SdkAppId, Failure> {
    Ok(door.service.load_app(number(app)?, Deadline::of_a_request()).await?.sdk_app_id)
}

fn answer(outcome: Answer) -> HttpResponse {
    outcome.unwrap_or_else(problem_details::failure)
}

fn not_found() -> HttpResponse {
    problem_details::answer(StatusCode::NOT_FOUND, "the app has no such webhook", None)
}

fn log(app: &str, webhook: i64, what: &str) {
    tracing::info!(app, webhook, what, "webhook changed by the admin API");
}

/// A text that is not a number names no webhook.
fn id_of(text: &str) -> i64 {
    text.parse().unwrap_or_default()
}

fn kinds(wants: WantedChanges) -> Vec<&'static str> {
    let all = [(wants.users, USER_CHANGED), (wants.directory, DIRECTORY_CHANGED)];
    all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, kind)| kind).collect()
}

fn wanted(body: &Field<'_>) -> Result<Option<WantedChanges>, Failure> {
    let Some(field) = body.get("kinds")?.present() else { return Ok(None) };
    let mut wants = WantedChanges { users: false, directory: false };
    field.array(|kind| {
        kind.parsed(|text| {
            match text {
                USER_CHANGED => wants.users = true,
                DIRECTORY_CHANGED => wants.directory = true,
                _ => {
                    return Err(Problem::new(format!(
                        "must be {USER_CHANGED} or {DIRECTORY_CHANGED}"
                    )));
                }
            }
            Ok(())
        })
    })?;
    Ok(Some(wants))
}
