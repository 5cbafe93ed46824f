//! Conversation marks as a service: a chat user's own state about each conversation, over the REST API of Tencent Cloud
//! Chat, kept in PostgreSQL.
//!
//! In reading order: [`http`] turns requests into calls, [`service`] decides what happens in which order, [`domain`] holds
//! the rules, [`store`] the SQL. [`deadline`], [`error`], [`limits`] and [`metrics`] belong to all of them. Around them: [`config`] and
//! [`commands`] make a program of it.

#![forbid(unsafe_code)]

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
