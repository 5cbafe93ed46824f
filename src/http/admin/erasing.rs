//! Users of an app, and the end of a user, of an app's state and of an app, in the admin API.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Query, ReqData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::problem_details;
use super::apps::number;
use super::body::Body;
use super::guard::Caller;
use crate::deadline::Deadline;
use crate::domain::{Presence, Problem, SdkAppId, UserId, UserKey};
use crate::http::door::Door;
use crate::http::failure::Failure;
use crate::service::{ErasedUser, KnownUser, RemovedApp};

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "User")]
pub(in crate::http) struct ShownUser {
    #[schemars(range(min = 1, max = i64::MAX))]
    sdkappid: i64,
    user: String,
    /// Whether the user is in the directory. In the directory mode `open`, a user who was never imported may have state.
    #[schemars(extend("enum" = ["imported", "deleted", "never imported"]))]
    account: &'static str,
    /// Empty if the user is not imported.
    nick: String,
    face_url: String,
    /// Whether the user is an admin of the app.
    admin: bool,
    /// It grows with each change of the user's state, and is never reset.
    revision: u64,
    /// Conversations that count against the limits.
    marked: u32,
    grouped: u32,
    pinned: u32,
    contact_groups: Vec<ShownGroup>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "UserContactGroup")]
struct ShownGroup {
    id: u32,
    name: String,
    conversations: u32,
}

impl From<&KnownUser> for ShownUser {
    fn from(known: &KnownUser) -> Self {
        let text = |text: fn(&crate::service::Account) -> &Option<String>| {
            known.account.as_ref().and_then(|account| text(account).clone()).unwrap_or_default()
        };
        let groups = known.head.groups.iter();
        Self {
            sdkappid: known.key.sdk_app_id.number(),
            user: known.key.user_id.as_str().to_owned(),
            account: match known.head.owner {
                Presence::Present => "imported",
                Presence::Gone => "deleted",
                Presence::Unknown => "never imported",
            },
            nick: text(|account| &account.nick),
            face_url: text(|account| &account.face_url),
            admin: known.is_admin,
            revision: known.head.at.revision,
            marked: known.used.marked,
            grouped: known.used.grouped,
            pinned: known.used.pinned,
            contact_groups: groups
                .map(|(group, conversations)| ShownGroup {
                    id: group.id,
                    name: group.name.as_str().to_owned(),
                    conversations: *conversations,
                })
                .collect(),
        }
    }
}

/// What a call has erased of a user.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ErasedUser")]
pub(in crate::http) struct ShownErased {
    #[schemars(range(min = 1, max = i64::MAX))]
    sdkappid: i64,
    user: String,
    /// Whether the user was imported.
    account: bool,
    /// The user's own.
    conversations: u64,
    contact_groups: u64,
    /// Other users who had a conversation with the user.
    lists: u64,
    /// If false, lists are left: send the request again, with `next` as `after` if it is there.
    complete: bool,
    /// The last user whose list was searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&str")]
    next: Option<String>,
}

impl From<&ErasedUser> for ShownErased {
    fn from(erased: &ErasedUser) -> Self {
        Self {
            sdkappid: erased.key.sdk_app_id.number(),
            user: erased.key.user_id.as_str().to_owned(),
            account: erased.had_account,
            conversations: erased.conversations,
            contact_groups: erased.contact_groups,
            lists: erased.lists,
            complete: erased.is_complete,
            next: erased.next.as_ref().map(|user| user.as_str().to_owned()),
        }
    }
}

/// What a call has removed of an app.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RemovedState")]
pub(in crate::http) struct ShownRemoved {
    #[schemars(range(min = 1, max = i64::MAX))]
    sdkappid: i64,
    /// Users with state.
    users: u64,
    conversations: u64,
    contact_groups: u64,
    accounts: u64,
    chat_groups: u64,
    /// Entries of the feed, and failed deliveries of webhooks.
    changes: u64,
    /// If false, more is left: send the request again.
    complete: bool,
}

impl ShownRemoved {
    pub(super) fn new(sdk_app_id: SdkAppId, done: &RemovedApp) -> Self {
        let removed = &done.removed;
        Self {
            sdkappid: sdk_app_id.number(),
            users: removed.users,
            conversations: removed.conversations,
            contact_groups: removed.contact_groups,
            accounts: removed.accounts,
            chat_groups: removed.chat_groups,
            changes: removed.changes,
            complete: done.is_complete,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Confirmation {
    confirm: Option<String>,
    after: Option<String>,
}

impl Confirmation {
    /// Refuses a request that does not repeat what it is about.
    fn check(&self, expected: &str, what: &str) -> Result<(), Failure> {
        if self.confirm.as_deref() == Some(expected) {
            return Ok(());
        }
        let problem =
            Problem::new(format!("must repeat {what} of the path, because this cannot be undone"));
        Err(Failure::Parameter { path: "confirm".to_owned(), problem })
    }
}

type Answer = Result<HttpResponse, Failure>;

pub(super) async fn show_user(door: Data<Door>, path: Path<(String, String)>) -> HttpResponse {
    let show = async {
        let key = key(path.into_inner())?;
        let known = door.service.known_user(key, Deadline::of_a_request()).await?;
        Ok(HttpResponse::Ok().json(ShownUser::from(&known)))
    };
    answer(show.await)
}

pub(super) async fn export_user(door: Data<Door>, path: Path<(String, String)>) -> HttpResponse {
    let export = async {
        let key = key(path.into_inner())?;
        let file = door.service.export_user(key, Deadline::of_a_request()).await?;
        Ok(HttpResponse::Ok().content_type("application/x-ndjson").body(file))
    };
    answer(export.await)
}

pub(super) async fn erase_user(
    door: Data<Door>,
    caller: ReqData<Caller>,
    path: Path<(String, String)>,
    query: Query<Confirmation>,
) -> HttpResponse {
    let erase = async {
        let (app, user) = path.into_inner();
        let key = key((app, user.clone()))?;
        door.service.load_app(key.sdk_app_id, Deadline::of_a_request()).await?;
        query.check(&user, "the user")?;
        let after = query.after.as_deref().map(|after| user_id("after", after)).transpose()?;
        let (app, operator) = (key.sdk_app_id, caller.operator.clone());
        door.refused.forget_user(app, &user);
        let erased =
            door.service.erase_user(key, after, operator, Deadline::of_a_request()).await?;
        if erased.came_back {
            let detail = "the account was imported again while it was erased: send the request again to erase it anew";
            return Ok(problem_details::answer(StatusCode::CONFLICT, detail, None));
        }
        // The id is not logged: the log would keep it.
        tracing::info!(app = %app, complete = erased.is_complete, lists = erased.lists, "user erased by the admin API");
        Ok(HttpResponse::Ok().json(ShownErased::from(&erased)))
    };
    answer(erase.await)
}

pub(super) async fn delete_app(
    door: Data<Door>,
    caller: ReqData<Caller>,
    path: Path<String>,
    query: Query<Confirmation>,
) -> HttpResponse {
    let delete = async {
        let app = number(&path)?;
        door.service.load_app(app, Deadline::of_a_request()).await?;
        query.check(&app.to_string(), "the number")?;
        door.refused.forget_app(app);
        let operator = caller.operator.clone();
        let done = door.service.delete_app(app, operator, Deadline::of_a_request()).await?;
        tracing::info!(app = %app, complete = done.is_complete, "app deleted by the admin API");
        Ok(HttpResponse::Ok().json(ShownRemoved::new(app, &done)))
    };
    answer(delete.await)
}

/// The body may be anything, and is not read: a caller may send none.
pub(super) async fn reset_app(
    door: Data<Door>,
    caller: ReqData<Caller>,
    path: Path<String>,
    query: Query<Confirmation>,
    _body: Body,
) -> HttpResponse {
    let reset = async {
        let app = number(&path)?;
        door.service.load_app(app, Deadline::of_a_request()).await?;
        query.check(&app.to_string(), "the number")?;
        door.refused.forget_app(app);
        let operator = caller.operator.clone();
        let done = door.service.reset_app(app, operator, Deadline::of_a_request()).await?;
        tracing::info!(app = %app, complete = done.is_complete, "app reset by the admin API");
        Ok(HttpResponse::Ok().json(ShownRemoved::new(app, &done)))
    };
    answer(reset.await)
}

fn answer(outcome: Answer) -> HttpResponse {
    outcome.unwrap_or_else(problem_details::failure)
}

fn key((app, user): (String, String)) -> Result<UserKey, Failure> {
    Ok(UserKey { sdk_app_id: number(&app)?, user_id: user_id("user", &user)? })
}

/// Ids of any length: the limit may have been lowered since.
pub(super) fn user_id(path: &str, text: &str) -> Result<UserId, Failure> {
    UserId::parse(text, u32::MAX)
        .map_err(|problem| Failure::Parameter { path: path.to_owned(), problem })
}
