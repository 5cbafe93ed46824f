//! The end of a user, of an app's state, and of an app, by the admin API.

mod apps;
mod users;

use std::net::SocketAddr;

use earmark::http::{Console, OperatorToken, Operators};
use earmark::store::verify;
use serde_json::Value;

use crate::support::document::check_named;
use crate::support::*;

const TOKEN: &str = "operator-token-of-the-tests";

/// A service with these limits, and another process with the admin API.
async fn start(limits: &[&str]) -> (TestApp, SocketAddr) {
    let mut app = TestApp::with_limits(&[&["calls-per-second=0"], limits].concat()).await;
    let operators = Operators::WithToken(OperatorToken::parse(TOKEN).unwrap());
    let front = Front { console: Console::On, operators, ..Front::default() };
    let at = app.start_front(front).await.api;
    (app, at)
}

/// Sends a request to the admin API; `line` is the method and the path after `/admin/v1/apps`.
async fn operate(at: SocketAddr, line: &str) -> Page {
    let (method, path) = line.split_once(' ').unwrap();
    let line = format!("{method} /admin/v1/apps{path}");
    let headers = format!("content-type: application/json\r\nauthorization: Bearer {TOKEN}\r\n");
    Page::ask(at, "localhost", &line, &headers, "{}").await
}

/// What a request removed, which has succeeded and was documented so.
#[track_caller]
fn done(page: &Page, schema: &str) -> Value {
    let answer = page.json();
    assert_eq!(page.status, 200, "{answer}");
    check_named(schema, &answer);
    answer
}

/// Sends a request until all is done, as a client must where PostgreSQL is slow. Adds up what was removed.
async fn finish(at: SocketAddr, line: &str, schema: &str) -> Value {
    let mut all = done(&operate(at, line).await, schema);
    while all["complete"] == false {
        let rest = done(&operate(at, line).await, schema);
        all["complete"] = rest["complete"].clone();
        for (name, count) in all.as_object_mut().unwrap() {
            let more = rest[name.as_str()].as_u64().filter(|_| name != "sdkappid");
            if let (Some(before), Some(more)) = (count.as_u64(), more) {
                *count = (before + more).into();
            }
        }
    }
    all.as_object_mut().unwrap().shift_remove("next");
    all
}

/// Checks that the request was refused because of this field.
#[track_caller]
fn assert_bad(page: &Page, field: &str) {
    let answer = page.json();
    check_named("ProblemDetails", &answer);
    assert_eq!((page.status, answer["field"].as_str()), (400, Some(field)), "{answer}");
}

impl TestApp {
    /// Checks that the stored data is consistent.
    async fn verify(&self) {
        let store = self.partitions.clone();
        let report = on_runtime(async move { verify::run(&store).await.unwrap() }).await;
        assert_eq!(report.findings, []);
    }

    async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.db).await.unwrap()
    }
}
