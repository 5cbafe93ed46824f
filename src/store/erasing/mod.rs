//! Removes what is stored for good: a user, and the state of an app. Each function is a step of bounded size in a transaction of
//! its caller.

pub mod app;
pub mod user;
