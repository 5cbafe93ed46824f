//! `GET /admin/v1/audit` and `GET /admin/v1/token`: what operators have changed, and what this operator may do.

use std::str::FromStr;

use actix_web::HttpResponse;
use actix_web::web::{Data, Query, ReqData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::problem_details;
use super::guard::Caller;
use crate::audit::{Action, Recorded, Wanted};
use crate::deadline::Deadline;
use crate::domain::{Problem, Scope};
use crate::http::door::Door;
use crate::http::failure::Failure;
use crate::limits::AUDIT_ENTRIES_MAX;

/// The year 9999, so that PostgreSQL knows the time.
const SINCE_MAX_S: u64 = 253_402_300_799;

#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct AuditPage<'a> {
    /// Newest first.
    entries: Vec<ShownEntry<'a>>,
    /// `before` of the next page, if there are more entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    next: Option<i64>,
}

/// A change that an operator has made.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditEntry")]
struct ShownEntry<'a> {
    number: i64,
    /// Unix seconds.
    at: u64,
    /// The name of the token, or of the user of the operating system.
    operator: &'a str,
    /// The role of the database's session.
    role: &'a str,
    /// The address of the client, or `command line`.
    from: &'a str,
    /// What was done, as on the command line.
    #[schemars(extend("examples" = Action::ALL.map(Action::name)))]
    action: &'a str,
    /// `null` if it was about no app.
    sdkappid: Option<i64>,
    /// An admin, a user, the id of a key or of a webhook, or the name of a token.
    target: Option<&'a str>,
    /// What differs, as it was. Of a list, what was taken away. Never a secret.
    #[schemars(with = "Option<Map<String, Value>>")]
    before: Option<Value>,
    /// What differs, as it is. Of a list, what was added. `null` for a change of several steps that has not ended.
    #[schemars(with = "Option<Map<String, Value>>")]
    after: Option<Value>,
    /// Of the answer to the change. `null` on the command line.
    request_id: Option<&'a str>,
}

impl<'a> From<&'a Recorded> for ShownEntry<'a> {
    fn from(entry: &'a Recorded) -> Self {
        let document = |text: &Option<String>| serde_json::from_str(text.as_deref()?).ok();
        Self {
            number: entry.number,
            at: entry.at,
            operator: &entry.operator,
            role: &entry.role,
            from: &entry.origin,
            action: &entry.action,
            sdkappid: entry.app,
            target: entry.target.as_deref(),
            before: document(&entry.before),
            after: document(&entry.after),
            request_id: entry.request_id.as_deref(),
        }
    }
}

impl<'a> AuditPage<'a> {
    /// A page with `limit` entries of those that were read, which are one more if there are more.
    pub(super) fn new(read: &'a [Recorded], limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let shown = &read[..limit.min(read.len())];
        let next = shown.last().filter(|_| read.len() > limit).map(|last| last.number);
        Self { entries: shown.iter().map(ShownEntry::from).collect(), next }
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OperatorToken")]
pub(in crate::http) struct ShownToken {
    /// As the audit trail shows it.
    name: String,
    /// What it lets an operator do.
    #[schemars(extend("items" = json!({ "type": "string", "enum": Scope::ALL.map(Scope::name) })))]
    scopes: Vec<&'static str>,
}

/// The parameters as texts, so that a wrong one can be named.
#[derive(Deserialize)]
pub(super) struct Asked {
    sdkappid: Option<String>,
    since: Option<String>,
    before: Option<String>,
    limit: Option<String>,
}

impl Asked {
    fn parse(&self) -> Result<Wanted, Failure> {
        let most = AUDIT_ENTRIES_MAX;
        let about_limit = format!("must be 1 to {most}");
        let limit = parsed("limit", self.limit.as_deref(), &about_limit, |limit| {
            (1..=most).contains(limit)
        });
        let number = "must be a number of the trail";
        Ok(Wanted {
            app: parsed(
                "sdkappid",
                self.sdkappid.as_deref(),
                "must be a positive integer",
                |_| true,
            )?,
            since: parsed("since", self.since.as_deref(), "must be Unix seconds", |since| {
                *since <= SINCE_MAX_S
            })?,
            before: parsed("before", self.before.as_deref(), number, |before: &i64| *before >= 1)?,
            limit: limit?.unwrap_or(most),
        })
    }
}

/// `None` if the parameter was not sent.
fn parsed<T: FromStr>(
    name: &str,
    sent: Option<&str>,
    about: &str,
    is_fit: impl Fn(&T) -> bool,
) -> Result<Option<T>, Failure> {
    let Some(sent) = sent else { return Ok(None) };
    let value = sent.parse().ok().filter(is_fit);
    let refuse =
        || Failure::Parameter { path: name.to_owned(), problem: Problem::new(about.to_owned()) };
    value.ok_or_else(refuse).map(Some)
}

pub(super) async fn list(door: Data<Door>, asked: Query<Asked>) -> HttpResponse {
    let list = async {
        let wanted = asked.parse()?;
        // One more says whether there are more.
        let read = Wanted { limit: wanted.limit + 1, ..wanted };
        let entries = door.service.audit(read, Deadline::of_a_request()).await?;
        Ok::<_, Failure>(HttpResponse::Ok().json(AuditPage::new(&entries, wanted.limit)))
    };
    list.await.unwrap_or_else(problem_details::failure)
}

pub(super) async fn token(caller: ReqData<Caller>) -> HttpResponse {
    let scopes = caller.scopes.iter().copied().map(Scope::name).collect();
    HttpResponse::Ok().json(ShownToken { name: caller.operator.name.clone(), scopes })
}
