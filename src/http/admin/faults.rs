//! The handlers of `/admin/v1/faults`, which only `earmark dev` has.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Path};
use serde::Serialize;

use super::super::problem_details;
use super::body::Body;
use crate::domain::{Problem, SdkAppId};
use crate::http::failure::Failure;
use crate::http::faults::{Calls, Cut, Effect, FAULTS_MAX, Fault, Faults, WHOLE};
use crate::http::json::Field;
use crate::http::{openapi, tencent, v1};

/// Longest delay, in milliseconds. Most clients wait for less.
const DELAY_MAX_MS: u64 = 60_000;
/// Most calls that one fault counts down.
const TIMES_MAX: u32 = 1_000_000;
const FIELDS: [&str; 7] = ["call", "app", "code", "delay_ms", "cut", "times", "share"];

#[derive(Serialize)]
struct FaultList {
    faults: Vec<ShownFault>,
}

#[derive(Serialize)]
struct ShownFault {
    id: u64,
    call: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<&'static str>,
    /// Calls that will still have the fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
    /// Calls that had the fault.
    hits: u64,
}

impl From<&Fault> for ShownFault {
    fn from(fault: &Fault) -> Self {
        let Fault { id, call, app, effect, calls, hits } = *fault;
        let (code, delay_ms, cut) = match effect {
            Effect::Code(code) => (Some(code.number()), None, None),
            Effect::Delay(time) => (None, Some(time.as_millis()), None),
            Effect::Cut(Cut::Before) => (None, None, Some("before")),
            Effect::Cut(Cut::After) => (None, None, Some("after")),
        };
        let (times, share) = match calls {
            Calls::Next { left } => (Some(left), None),
            Calls::Share { millionths, .. } => {
                (None, Some(f64::from(millionths) / f64::from(WHOLE)))
            }
        };
        let (call, app) = (call.unwrap_or("all"), app.map(SdkAppId::number));
        Self { id, call, app, code, delay_ms, cut, times, share, hits }
    }
}

pub(super) async fn list(faults: Data<Faults>) -> HttpResponse {
    let faults = faults.all().iter().map(ShownFault::from).collect();
    HttpResponse::Ok().json(FaultList { faults })
}

pub(super) async fn create(faults: Data<Faults>, body: Body) -> HttpResponse {
    let fault = match body.parse(parse) {
        Ok(fault) => fault,
        Err(failure) => return problem_details::failure(failure),
    };
    let Some(fault) = faults.add(fault) else {
        let detail = format!("there are {FAULTS_MAX} faults already: delete some");
        return problem_details::answer(StatusCode::CONFLICT, &detail, None);
    };
    HttpResponse::Created()
        .insert_header((LOCATION, format!("/admin/v1/faults/{}", fault.id)))
        .json(ShownFault::from(&fault))
}

pub(super) async fn clear(faults: Data<Faults>) -> HttpResponse {
    faults.clear();
    HttpResponse::NoContent().finish()
}

pub(super) async fn delete(faults: Data<Faults>, id: Path<String>) -> HttpResponse {
    if id.parse().is_ok_and(|id| faults.remove(id)) {
        return HttpResponse::NoContent().finish();
    }
    let detail = "there is no such fault; it may have had all its calls";
    problem_details::answer(StatusCode::NOT_FOUND, detail, None)
}

fn parse(body: &Field<'_>) -> Result<Fault, Failure> {
    body.only(&FIELDS)?;
    let call = body.get("call")?.parsed(call)?;
    let app = body.get("app")?.present();
    let app = app.map(|app| {
        i64::try_from(app.integer()?)
            .map_err(|_| Problem::new("must be a positive integer"))
            .and_then(SdkAppId::new)
            .map_err(|problem| app.refuse(problem))
    });
    let (effect, calls) = (effect(body)?, calls(body)?);
    Ok(Fault { id: 0, call, app: app.transpose()?, effect, calls, hits: 0 })
}

fn call(name: &str) -> Result<Option<&'static str>, Problem> {
    if name == "all" {
        return Ok(None);
    }
    let calls: Vec<_> = tencent::call_names().chain(v1::call_names()).collect();
    match calls.iter().find(|call| **call == name) {
        Some(call) => Ok(Some(*call)),
        None => Err(Problem::new(format!("must be all or one of {}", calls.join(", ")))),
    }
}

fn effect(body: &Field<'_>) -> Result<Effect, Failure> {
    let (code, delay, cut) = (body.get("code")?, body.get("delay_ms")?, body.get("cut")?);
    match (code.present(), delay.present(), cut.present()) {
        (Some(code), None, None) => {
            let known = u32::try_from(code.integer()?).ok().and_then(openapi::code_at_the_top);
            let unknown = "must be an ErrorCode of a call, see x-error-codes in /openapi.json";
            known.map(Effect::Code).ok_or_else(|| code.refuse(Problem::new(unknown)))
        }
        (None, Some(delay), None) => {
            let time = u64::try_from(delay.integer()?).ok().filter(|ms| *ms <= DELAY_MAX_MS);
            let wrong = || Problem::new(format!("must be 0 to {DELAY_MAX_MS} milliseconds"));
            let time = time.ok_or_else(|| delay.refuse(wrong()))?;
            Ok(Effect::Delay(Duration::from_millis(time)))
        }
        (None, None, Some(cut)) => cut.parsed(|when| match when {
            "before" => Ok(Effect::Cut(Cut::Before)),
            "after" => Ok(Effect::Cut(Cut::After)),
            _ => Err(Problem::new("must be before or after, the moment when the call is run")),
        }),
        _ => Err(body.refuse(Problem::new("must have exactly one of code, delay_ms and cut"))),
    }
}

fn calls(body: &Field<'_>) -> Result<Calls, Failure> {
    let (times, share) = (body.get("times")?, body.get("share")?);
    match (times.present(), share.present()) {
        (None, None) => Ok(Calls::Next { left: 1 }),
        (Some(times), None) => {
            let left = u32::try_from(times.integer()?).ok();
            let left = left.filter(|left| (1..=TIMES_MAX).contains(left));
            let wrong = || Problem::new(format!("must be 1 to {TIMES_MAX}"));
            Ok(Calls::Next { left: left.ok_or_else(|| times.refuse(wrong()))? })
        }
        (None, Some(share)) => {
            let millionths = share.millionths()?;
            Ok(Calls::Share { millionths, passed: 0 })
        }
        (Some(_), Some(_)) => Err(body.refuse(Problem::new("must not have both times and share"))),
    }
}
