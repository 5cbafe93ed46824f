//! The only SQL. [`Store`] is the connection pool, [`Tx`] a transaction. Statements are functions in a module per subject.

pub mod apps;
pub mod changed;
mod convert;
mod directory;
pub mod doctor;
pub mod epoch;
pub mod erasing;
pub mod feed;
pub mod locks;
mod pool;
pub mod schema;
pub mod sizes;
pub mod snapshots;
mod state;
pub mod transfer;
mod unnest;
pub mod verify;
pub mod webhooks;

pub use directory::{accounts, chat_groups};
pub use pool::{ConnectError, Connection, Connections, Database, Reader, Store, Tx};
pub use state::{
    ChangedUser, contact_groups, conversations, forgetting, marks, reading, snapshot, users,
};
