//! The shared tables and the partitions.
//!
//! A partition is a schema with all tables, and has the rows of its users in `users`, `conversations`, `contact_groups`,
//! `accounts` and the feed. It also has copies of the rows of `apps` and `gone` ([`copies`](super::copies)), so that a statement
//! needs one partition only. The shared tables are in a schema of their own: apps with their keys and settings, and chat groups.
//! A database with one partition has all of it in one schema, and no copies.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};
use sqlx::Row as _;

use super::citus;
use super::pool::{Identity, Partition, Place};
use super::{ConnectError, Connection, Database, Node, Store};
use crate::deadline::Deadline;
use crate::domain::{Conversation, PARTITIONS_MAX, SdkAppId, UserKey, partition_of};
use crate::error::Error;

/// All schemas of a database. A clone shares the connections.
#[derive(Debug, Clone)]
pub struct Partitions {
    shared: Store,
    parts: Arc<[Store]>,
}

impl Partitions {
    /// Connects to the shared tables, and asks them for the number of partitions. Sessions in the partitions are opened when they
    /// are needed.
    pub async fn connect(database: &Database) -> Result<Self, ConnectError> {
        let shared = Store::connect(database).await?;
        Self::of(shared).await
    }

    /// The partitions of the database with these shared tables.
    pub async fn of(shared: Store) -> Result<Self, ConnectError> {
        let identity = load_identity(&shared, Deadline::of_a_request()).await;
        let identity = identity.map_err(ConnectError::Identity)?;
        let Some(identity) = identity.filter(|identity| identity.count > 1) else {
            return Ok(Self::undivided(shared));
        };
        let deadline = Deadline::of_a_request();
        let places = async {
            if citus::is_installed(&shared, deadline).await? {
                citus::places(&shared, identity.count, deadline).await
            } else {
                Ok(BTreeMap::new())
            }
        };
        let places = places.await.map_err(ConnectError::Identity)?;
        let part = |number| {
            let place = places.get(&number).cloned().map(Place::new);
            shared
                .of_partition(Partition::new(number, Some(identity.clone()), place), identity.count)
        };
        let parts = (0..identity.count).map(part).collect();
        Ok(Self { shared, parts })
    }

    /// A database with one partition, which is also that of the shared tables.
    fn undivided(shared: Store) -> Self {
        let parts = [shared.clone()].into();
        Self { shared, parts }
    }

    /// The partitions that `migrate` creates. Their sessions do not check which partition they are in, and lead to the coordinator
    /// of Citus, which alone can change schemas.
    pub(super) fn to_create(shared: Store, count: u16) -> Self {
        let part = |number| shared.of_partition(Partition::new(number, None, None), count);
        let parts = (0..count).map(part).collect();
        Self { shared, parts }
    }

    #[must_use]
    pub fn shared(&self) -> &Store {
        &self.shared
    }

    #[must_use]
    pub fn count(&self) -> u16 {
        u16::try_from(self.parts.len()).unwrap_or(PARTITIONS_MAX)
    }

    #[must_use]
    pub fn is_divided(&self) -> bool {
        self.parts.len() > 1
    }

    /// In the order of their numbers.
    #[must_use]
    pub fn each(&self) -> &[Store] {
        &self.parts
    }

    /// All schemas: the shared tables come first, unless they are the only partition.
    pub fn schemas(&self) -> impl Iterator<Item = &Store> + Clone {
        self.is_divided().then_some(&self.shared).into_iter().chain(self.parts.iter())
    }

    #[must_use]
    pub fn number_of(&self, key: &UserKey) -> usize {
        partition_of(key, self.count()).into()
    }

    /// Groups values by the partitions of their users.
    pub fn group<T>(
        &self,
        values: impl IntoIterator<Item = T>,
        user: impl Fn(&T) -> UserKey,
    ) -> BTreeMap<usize, Vec<T>> {
        let mut parts: BTreeMap<_, Vec<T>> = BTreeMap::new();
        for value in values {
            parts.entry(self.number_of(&user(&value))).or_default().push(value);
        }
        parts
    }

    /// Groups values by the schemas that know their members of the directory: an account's partition, or the shared tables.
    pub fn group_by_member<T>(
        &self,
        sdk_app_id: SdkAppId,
        values: impl IntoIterator<Item = T>,
        member: impl Fn(&T) -> &Conversation,
    ) -> Vec<(&Store, Vec<T>)> {
        // With one partition, all of it is in the shared tables.
        let number = |value: &T| {
            let key = member(value).user_key(sdk_app_id).filter(|_| self.is_divided());
            key.map(|key| self.number_of(&key))
        };
        let mut schemas: BTreeMap<_, Vec<T>> = BTreeMap::new();
        for value in values {
            schemas.entry(number(&value)).or_default().push(value);
        }
        let store = |number: Option<usize>| {
            number.and_then(|number| self.parts.get(number)).unwrap_or(&self.shared)
        };
        schemas.into_iter().map(|(number, values)| (store(number), values)).collect()
    }

    /// The partition of a user.
    #[must_use]
    pub fn of_user(&self, key: &UserKey) -> &Store {
        // The number is less than the count.
        self.parts.get(self.number_of(key)).unwrap_or(&self.shared)
    }

    /// The node on which Citus has a partition; `None` without Citus.
    #[must_use]
    pub fn node(&self, number: usize) -> Option<Node> {
        self.parts.get(number)?.place().map(Place::node)
    }

    /// Asks Citus where the partitions are now.
    pub async fn follow_moves(&self, deadline: Deadline) -> Result<(), Error> {
        if self.parts.iter().all(|part| part.place().is_none()) {
            return Ok(());
        }
        let places = citus::places(&self.shared, self.count(), deadline).await?;
        for (number, node) in places {
            if let Some(place) = self.parts.get(usize::from(number)).and_then(Store::place) {
                place.move_to(node);
            }
        }
        Ok(())
    }

    /// The same database, with one of `shares` equal parts of the connections, as [`Store::share`] does.
    #[must_use]
    pub fn share(&self, shares: usize) -> Self {
        let own = self.shared.share(shares);
        let parts = if self.is_divided() {
            self.parts.iter().map(|part| part.share(shares)).collect()
        } else {
            [own.clone()].into()
        };
        Self { shared: own, parts }
    }

    /// A connection to each schema, in the order of [`Self::schemas`].
    pub async fn connections(&self, deadline: Deadline) -> Result<Vec<Connection>, Error> {
        try_join_all(self.schemas().map(|schema| schema.connection(deadline))).await
    }

    /// Waits for the connections in use, and closes all.
    pub async fn close(&self) {
        join_all(self.schemas().map(Store::close)).await;
    }

    /// Closes the connections to the partitions, for an owner of the shared tables' store.
    pub(super) async fn close_parts(&self) {
        if self.is_divided() {
            join_all(self.parts.iter().map(Store::close)).await;
        }
    }
}

/// Which row of `partition_identity` the shared tables have; `None` if there is no such table yet.
pub(super) async fn load_identity(
    shared: &Store,
    deadline: Deadline,
) -> Result<Option<Identity>, Error> {
    let read = shared.clone().read(deadline, async |reader| {
        let table: Option<String> =
            sqlx::query_scalar("SELECT to_regclass('partition_identity')::text")
                .fetch_one(reader.session())
                .await?;
        if table.is_none() {
            return Ok(None);
        }
        let row =
            sqlx::query("SELECT database_id, count FROM partition_identity WHERE is_only_row")
                .fetch_one(reader.session())
                .await?;
        let count: i32 = row.try_get("count")?;
        Ok(Some(Identity {
            database_id: row.try_get("database_id")?,
            count: super::convert::number("partition_identity.count", count)?,
        }))
    });
    read.await
}

/// What is known of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionState {
    /// As Citus knows its node, which is what a move takes. Elsewhere as the server names itself; `a local socket` without an address.
    pub server: String,
    /// As they were counted within the last hour or two.
    pub users: Option<i64>,
    /// Of all its tables and indexes.
    pub bytes: i64,
}

pub async fn state(part: &Store, deadline: Deadline) -> Result<PartitionState, Error> {
    let read = part.clone().read(deadline, async |reader| {
        let (server, users) = sqlx::query_as(
            "SELECT
                COALESCE(host(inet_server_addr()) || ':' || inet_server_port(), 'a local socket'),
                (SELECT sum(users)::bigint FROM app_sizes WHERE sdk_app_id > 0)",
        )
        .fetch_one(reader.session())
        .await?;
        let bytes = if part.place().is_some() { citus::BYTES } else { BYTES };
        let bytes = sqlx::query_scalar(bytes).fetch_one(reader.session()).await?;
        let server = part.place().map_or(server, |place| place.node().to_string());
        Ok(PartitionState { server, users, bytes })
    });
    read.await
}

const BYTES: &str = "SELECT COALESCE(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
    WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r'";
const CHANGES: &str =
    "SELECT pg_stat_get_tuples_inserted(t.oid) + pg_stat_get_tuples_updated(t.oid)
    FROM (SELECT 'conversations'::regclass::oid) t (oid)";

/// How many rows of conversations were inserted or updated since the server began to count.
pub async fn changes(part: &Store, deadline: Deadline) -> Result<i64, Error> {
    let changes = if part.place().is_some() { citus::CHANGES } else { CHANGES };
    let read = part.clone().read(deadline, async |reader| {
        Ok(sqlx::query_scalar(changes).fetch_one(reader.session()).await?)
    });
    read.await
}
