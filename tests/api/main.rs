//! The API from outside: the real server, a real PostgreSQL, a database for each test.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod accounts;
mod admin;
mod admin_access;
mod attack;
mod bad_input;
mod chat_groups;
mod clients;
mod codes;
mod compatibility;
mod concurrency;
mod console;
mod contact_group_limits;
mod contact_groups;
mod deletion;
mod durability;
mod fast_path;
mod forgetting;
mod front_door;
mod keys;
mod limits;
mod mark_contact;
mod mark_model;
mod metrics;
mod openapi;
mod pins;
mod readiness;
mod reading;
mod samples;
mod shared_commits;
mod smoke;
mod state_model;
mod stored_values;
mod support;
mod tencent_im_rs;
mod wire;
