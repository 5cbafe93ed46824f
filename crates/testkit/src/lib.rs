//! Shared parts of the tests: PostgreSQL servers, the `earmark` program as a child process, HTTP clients, a proxy that breaks
//! connections, a model of a user's state, and the checker of histories.
//!
//! Most functions panic when they fail, because a test that cannot continue has failed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot continue has failed"
)]
#![expect(
    clippy::must_use_candidate,
    reason = "a test that ignores a result fails to compile or to assert"
)]

mod certificate;
mod collector;
mod dev;
mod earmark;
mod eventually;
pub mod history;
mod http;
pub mod model;
mod not_tested;
pub mod postgres;
mod process;
pub mod proxy;
mod scratch;
mod service;
mod watchdog;

pub use certificate::{Certificate, certificate};
pub use collector::Collector;
pub use dev::{Dev, assert_stopped, wait_until_gone};
pub use earmark::{APP, Earmark, SECRET_KEY};
pub use eventually::{TIMEOUT, eventually, wait_until};
pub use http::{Answer, Connection, RawConnection, request, request_with};
pub use not_tested::{not_installed, not_tested};
pub use process::{Exit, Output, Process, Program};
pub use scratch::{Scratch, text};
pub use service::{Client, MARK_CONTACT, Service, mark_body};

/// The part of `text` between two other texts.
#[track_caller]
pub fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after} in {rest}")).0
}
