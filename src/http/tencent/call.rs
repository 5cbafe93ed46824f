//! A call of Tencent's API: what passes the front door, and how it is answered.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, Resource};
use serde::Serialize;
use smol_str::SmolStr;
use tokio::time::Instant;

use super::codes::{Code, ContactGroupPaths, Family};
use super::envelope::{self, ItemCounts};
use super::registry::path;
use crate::deadline::{Arrival, Deadline};
use crate::domain::App;
use crate::http::body;
use crate::http::caller::Credentials;
use crate::http::connection;
use crate::http::door::{Door, LastRequest, RECHECK_AFTER, answer_request, arrival};
use crate::http::failure::Failure;
use crate::http::json::{Field, Json};
use crate::http::openapi::Operation;
use crate::http::watch::Watch;
use crate::limits::Limits;
use crate::metrics::{CallMetrics, Metrics};
use crate::service::Service;

/// A call of the API: how to read its body, and what to do.
pub trait Call: Sized + 'static {
    const FAMILY: Family;
    const COMMAND: &'static str;
    const CONTACT_GROUP: ContactGroupPaths = ContactGroupPaths::DEFAULT;
    /// Whether the call never changes anything. The console sends such calls also while it is read-only.
    const IS_READ_ONLY: bool = false;

    /// The fields of the answer, without the envelope.
    type Answer: Serialize;

    fn operation(limits: &Limits) -> Operation;

    /// Reads the body. Reports wrong fields before wrong counts.
    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure>;

    /// Items in the body. A call with many counts as several calls of the app's rate.
    fn size(&self) -> usize {
        1
    }

    fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> impl Future<Output = Result<Self::Answer, Failure>>;

    /// Counts the answer's items for the metrics.
    fn items(_answer: &Self::Answer) -> ItemCounts {
        ItemCounts::default()
    }
}

/// A caller that may call.
struct Caller<'r> {
    credentials: Credentials<'r>,
    app: Arc<App>,
}

pub(super) fn route<C: Call>(metrics: &Metrics) -> Resource {
    let counted = Rc::new(metrics.call(C::COMMAND));
    web::resource(path(C::FAMILY, C::COMMAND))
        .to(move |door, request, payload| handle::<C>(door, counted.clone(), request, payload))
}

async fn handle<C: Call>(
    door: Data<Door>,
    counted: Rc<CallMetrics>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    answer_request(&door, &counted, &request, async |watch| {
        match admit::<C>(&door, watch, &request, payload).await {
            Ok(answer) => {
                watch.items = C::items(&answer);
                watch.answered(Code::Ok);
                envelope::success(answer)
            }
            Err(failure) => {
                watch.failed(&failure, C::FAMILY);
                envelope::failure(&failure, C::FAMILY, C::CONTACT_GROUP)
            }
        }
    })
    .await
}

/// Answers a request to a path that is not in the API.
pub(super) async fn refuse_path(
    door: &Door,
    counted: &CallMetrics,
    request: &HttpRequest,
    payload: Payload,
) -> HttpResponse {
    answer_request(door, counted, request, async |watch| {
        connection::read_no_body(request);
        body::discard(request, payload).await;
        let (failure, family) = (Failure::UnknownPath, Family::RecentContact);
        watch.failed(&failure, family);
        envelope::failure(&failure, family, ContactGroupPaths::DEFAULT)
    })
    .await
}

/// Checks the caller before it reads the body, so that a body without valid credentials is never kept.
async fn admit<C: Call>(
    door: &Door,
    watch: &mut Watch<'_>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<C::Answer, Failure> {
    connection::read_no_body(request);
    let begun = Instant::now();
    let arrival = arrival();
    let checked = check_caller::<C>(door, watch, request, arrival).await;
    let (caller, body) = door.read_body(request, payload, checked).await?;
    door.apply_fault(request, &caller.app, C::COMMAND).await?;
    if request.method() == Method::GET && body.bytes.is_empty() {
        return Err(Failure::Method("GET without a body".to_owned()));
    }
    // The client's time for the body is not taken from the service's time for the call.
    let arrival = Arrival { deadline: Deadline::of_a_request(), ..arrival };
    let app = if begun.elapsed() < RECHECK_AFTER {
        caller.app
    } else {
        door.check_credentials(&caller.credentials, arrival).await?
    };
    let call = {
        let json = Json::parse(&body.bytes)?;
        let fields = Field::root(&json);
        let owner = fields.get("From_Account").ok();
        watch.user = owner.and_then(|owner| owner.text().ok().map(SmolStr::new));
        C::parse(&fields, &app)?
    };
    door.check_rate_of_items(&app, C::COMMAND, call.size())?;
    // Many requests may wait for PostgreSQL at once, so free the memory that this one no longer needs.
    drop(body);
    call.run(&door.service, app, arrival).await
}

/// The request's framing, the caller's right to call, and the app's rate.
async fn check_caller<'r, C: Call>(
    door: &Door,
    watch: &mut Watch<'_>,
    request: &'r HttpRequest,
    arrival: Arrival,
) -> Result<Caller<'r>, Failure> {
    check_framing(request)?;
    let credentials = Credentials::parse(request.query_string())?;
    watch.names_app(credentials.sdk_app_id, arrival);
    let app = door.check_credentials(&credentials, arrival).await?;
    watch.admitted();
    door.check_rate(&app, C::COMMAND)?;
    Ok(Caller { credentials, app })
}

/// Accepts POST, and GET with a body, because a client of Tencent's API sends that.
fn check_framing(request: &HttpRequest) -> Result<(), Failure> {
    if LastRequest::has_come_before(request) {
        return Err(Failure::AfterClose);
    }
    body::check_announced(request)?;
    let method = request.method();
    if method != Method::POST && method != Method::GET {
        return Err(Failure::Method(method.to_string()));
    }
    if connection::takes_the_connection(request) {
        return Err(Failure::Upgrade);
    }
    if method == Method::GET && !connection::announces_body(request) {
        return Err(Failure::Method("GET without a body".to_owned()));
    }
    Ok(())
}
