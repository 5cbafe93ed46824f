//! Attacks: callers who may not call, requests that can be read in two ways, forged UserSigs, and apps that reach for
//! the data of another app.

mod apart;
mod calls;
mod forged;
mod http;
mod rows;
mod strings;
mod who;
