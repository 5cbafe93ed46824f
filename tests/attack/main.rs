//! Whoever does not belong here: callers of every kind against every call, and an app against another. The service, the
//! database and the rest are those of `tests/api/`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod apart;
mod calls;
mod forged;
mod http;
mod rows;
mod strings;
#[path = "../api/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests of the API use the rest")]
mod support;
mod who;
