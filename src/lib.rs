//! earmark stores conversation marks: the state that each chat user keeps about each conversation. Clients use the REST
//! API of Tencent Cloud Chat. The data is in PostgreSQL.
//!
//! In reading order: [`http`] turns requests into calls, [`service`] orders the steps of a call, [`domain`] holds the
//! rules, and [`store`] holds the SQL. All of them use [`audit`], [`deadline`], [`error`], [`limits`] and [`metrics`]. [`config`]
//! and [`commands`] make the program.

#![forbid(unsafe_code)]

pub mod audit;
pub mod commands;
pub mod config;
pub mod deadline;
pub mod domain;
pub mod error;
pub mod http;
pub mod limits;
pub mod metrics;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod transfer;
