//! The only SQL. [`Store`] is the connection pool, [`Tx`] a transaction. Statements are functions in a module per subject.

pub mod apps;
pub mod audit;
pub mod changed;
pub mod citus;
mod convert;
pub mod copies;
mod directory;
pub mod doctor;
pub mod epoch;
pub mod erasing;
pub mod feed;
pub mod locks;
pub mod operators;
pub mod partitions;
mod pool;
pub mod schema;
pub mod sizes;
pub mod snapshots;
mod state;
pub mod transfer;
mod unnest;
pub mod user_ids;
pub mod verify;
pub mod webhooks;

pub use directory::{KnownMembers, accounts, chat_groups};
pub use partitions::Partitions;
pub use pool::{ConnectError, Connection, Connections, Database, Node, Reader, Route, Store, Tx};
pub use state::{
    ChangedUser, contact_groups, conversations, forgetting, marks, reading, snapshot, users,
};
