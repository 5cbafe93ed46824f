//! Citus, which places each partition, a schema, on one of its nodes and can move it to another one (`docs/scale-out.md`).
//!
//! The shared tables and Citus' catalog are on the coordinator. Statements about a partition's users go straight to its node.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::pool::schema_name;
use super::{Node, Store, Tx};
use crate::deadline::Deadline;
use crate::error::Error;

/// The bytes of a partition. Citus keeps its rows in tables with other names, the shards. Only sizes of shards on another node are
/// asked of Citus, which asks every node for one size, and fails while one of them is down.
pub(super) const BYTES: &str = "SELECT COALESCE(sum(COALESCE(
        pg_total_relation_size(to_regclass(s.logicalrelid::text || '_' || s.shardid)),
        citus_total_relation_size(s.logicalrelid))), 0)::bigint
    FROM pg_dist_shard s JOIN pg_class c ON c.oid = s.logicalrelid
    WHERE c.relnamespace = to_regnamespace(current_schema()) AND c.relkind = 'r'";
/// The bytes of `users` and `contact_groups`, and those of `conversations`. See [`BYTES`].
pub(super) const STATE_BYTES: &str = "SELECT
        COALESCE(sum(size) FILTER (WHERE name IN ('users', 'contact_groups')), 0)::bigint,
        COALESCE(sum(size) FILTER (WHERE name = 'conversations'), 0)::bigint
    FROM (
        SELECT c.relname, COALESCE(
            pg_total_relation_size(to_regclass(s.logicalrelid::text || '_' || s.shardid)),
            citus_total_relation_size(s.logicalrelid))
        FROM pg_dist_shard s JOIN pg_class c ON c.oid = s.logicalrelid
        WHERE c.relnamespace = to_regnamespace(current_schema()) AND c.relkind = 'r'
            AND c.relname IN ('users', 'contact_groups', 'conversations')
    ) t (name, size)";
/// How many rows of conversations were inserted or updated. 0 through the coordinator, which has none.
pub(super) const CHANGES: &str = "SELECT COALESCE(
        pg_stat_get_tuples_inserted(t.oid) + pg_stat_get_tuples_updated(t.oid), 0)
    FROM (
        SELECT to_regclass('conversations_' || shardid)::oid FROM pg_dist_shard
        WHERE logicalrelid = 'conversations'::regclass
    ) t (oid)";

/// Whether the database of the shared tables has the extension, and decides where the partitions are.
pub(super) async fn is_installed(shared: &Store, deadline: Deadline) -> Result<bool, Error> {
    // A file that maps partitions to servers is the operator's own decision.
    if shared.has_partition_map() {
        return Ok(false);
    }
    let read = shared.clone().read(deadline, async |reader| {
        let found = sqlx::query(FIND_EXTENSION).fetch_optional(reader.session()).await?;
        Ok(found.is_some())
    });
    read.await
}

pub(super) const FIND_EXTENSION: &str = "SELECT 1 FROM pg_extension WHERE extname = 'citus'";

/// The node of each schema that Citus has placed.
pub(super) const LIST_NODES: &str = "
    SELECT DISTINCT s.schemaid::regnamespace::text AS schema, n.nodename AS host, n.nodeport AS port
    FROM pg_dist_schema s
    JOIN pg_dist_partition t ON t.colocationid = s.colocationid
    JOIN pg_dist_shard d ON d.logicalrelid = t.logicalrelid
    JOIN pg_dist_placement p ON p.shardid = d.shardid
    JOIN pg_dist_node n ON n.groupid = p.groupid AND n.noderole = 'primary'";

/// The node of each partition that Citus has placed, by its number.
pub(super) async fn places(
    shared: &Store,
    count: u16,
    deadline: Deadline,
) -> Result<BTreeMap<u16, Node>, Error> {
    let read = shared.clone().read(deadline, async |reader| {
        Ok(sqlx::query(LIST_NODES).fetch_all(reader.session()).await?)
    });
    let nodes = nodes(&read.await?)?;
    let place = |number| Some((number, nodes.get(&schema_name(number))?.clone()));
    Ok((0..count).filter_map(place).collect())
}

/// The nodes of [`LIST_NODES`], by schema.
pub(super) fn nodes(rows: &[PgRow]) -> Result<BTreeMap<String, Node>, sqlx::Error> {
    let node = |row: &PgRow| {
        let port = u16::try_from(row.try_get::<i32, _>("port")?);
        let port = port.map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok((row.try_get("schema")?, Node { host: row.try_get("host")?, port }))
    };
    rows.iter().map(node).collect()
}

/// Lets Citus place a partition on a node, unless it has. The partition has all its tables: Citus refuses some of the statements
/// that create them in a schema that it has placed.
pub(super) async fn distribute(tx: &mut Tx<'_>, number: u16) -> Result<(), Error> {
    let placed: Option<i32> = sqlx::query_scalar(
        "SELECT 1 FROM pg_dist_schema WHERE schemaid = current_schema()::regnamespace",
    )
    .fetch_optional(tx.session())
    .await?;
    if placed.is_some() {
        return Ok(());
    }
    // Their work is that of the shared tables: keys, and the epochs of new apps.
    for trigger in ["DROP TRIGGER apps_record_keys ON apps", "DROP TRIGGER apps_set_epoch ON apps"]
    {
        sqlx::raw_sql(trigger).execute(tx.session()).await?;
    }
    sqlx::query("SELECT citus_schema_distribute(current_schema()::regnamespace)")
        .execute(tx.session())
        .await?;
    tracing::info!(partition = number, "Citus places the partition");
    Ok(())
}

/// Moves a partition to another node, while the service reads and writes it. Takes as long as a copy of its rows.
pub async fn move_partition(shared: &Store, number: u16, node: &Node) -> Result<(), Error> {
    let (schema, host, port) = (schema_name(number), node.host.clone(), i32::from(node.port));
    let mut connection = shared.connection(Deadline::NONE).await?;
    let mut tx = connection.begin_plain().await?;
    sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .execute(tx.session())
        .await?;
    sqlx::query("SELECT citus_schema_move($1::regnamespace, $2, $3)")
        .bind(schema)
        .bind(host)
        .bind(port)
        .execute(tx.session())
        .await?;
    tx.commit().await
}
