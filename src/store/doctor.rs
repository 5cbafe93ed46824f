//! What `earmark doctor` asks the server. All statements use the simple protocol, which works behind every pooler.

use std::collections::BTreeMap;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection as _, FromRow, Row, raw_sql};

use super::citus;
use super::pool::{Identity, Partition, Place, schema_name};
use super::schema::{FIND_HISTORY, LOAD_VERSION, expected_version};
use super::{ConnectError, Database};

/// Who uses a server process between our transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Only our connection: there is no pooler, or the pooler is in session mode.
    Own,
    /// Other connections as well: a pooler is in transaction mode.
    Shared,
    /// A pooler in statement mode, which allows no transactions.
    PerStatement,
}

#[derive(Debug, Clone, FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "one row, with a column per fact")]
pub struct Server {
    pub version: i32,
    pub version_name: String,
    pub is_standby: bool,
    pub is_read_only: bool,
    pub encoding: String,
    pub fsync: String,
    pub full_page_writes: String,
    pub synchronous_commit: String,
    pub synchronous_standby_names: String,
    pub standbys: i64,
    pub idle_session_timeout: String,
    pub transaction_timeout: String,
    pub connections_max: i32,
    pub connections_reserved: i32,
    pub connections_open: i64,
    /// -1 means that there is no limit, also in `database_connections_max`.
    pub role_connections_max: i32,
    pub database_connections_max: i32,
    pub shared_buffers_bytes: i64,
    pub huge_pages: String,
    pub database_bytes: i64,
    pub autovacuum: String,
    /// The number of transactions since the oldest row was frozen.
    pub frozen_age: i32,
    /// Whether the role can see what other roles' sessions do.
    pub sees_all_sessions: bool,
    /// `None` if no other transaction is open.
    pub oldest_transaction_s: Option<i64>,
    pub oldest_transaction_pid: Option<i32>,
    pub has_amcheck: bool,
}

const SERVER: &str = "
    SELECT
        current_setting('server_version_num')::int AS version,
        current_setting('server_version') AS version_name,
        pg_is_in_recovery() AS is_standby,
        current_setting('transaction_read_only')::bool AS is_read_only,
        current_setting('server_encoding') AS encoding,
        current_setting('fsync') AS fsync,
        current_setting('full_page_writes') AS full_page_writes,
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('synchronous_standby_names') AS synchronous_standby_names,
        (SELECT count(*) FROM pg_stat_replication) AS standbys,
        current_setting('idle_session_timeout') AS idle_session_timeout,
        -- PostgreSQL 17 introduced it.
        COALESCE(current_setting('transaction_timeout', TRUE), '0') AS transaction_timeout,
        current_setting('max_connections')::int AS connections_max,
        -- PostgreSQL 16 introduced reserved_connections.
        current_setting('superuser_reserved_connections')::int
            + COALESCE(current_setting('reserved_connections', TRUE)::int, 0) AS connections_reserved,
        (SELECT sum(numbackends)::bigint FROM pg_stat_database) AS connections_open,
        (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_connections_max,
        datconnlimit AS database_connections_max,
        pg_size_bytes(current_setting('shared_buffers')) AS shared_buffers_bytes,
        -- PostgreSQL 17 says whether they are in use; earlier versions say only what was asked for.
        COALESCE(current_setting('huge_pages_status', TRUE), current_setting('huge_pages')) AS huge_pages,
        pg_database_size(oid) AS database_bytes,
        current_setting('autovacuum') AS autovacuum,
        age(datfrozenxid) AS frozen_age,
        pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all_sessions,
        oldest_transaction_s,
        oldest_transaction_pid,
        EXISTS (SELECT FROM pg_extension WHERE extname = 'amcheck') AS has_amcheck
    FROM pg_database
    LEFT JOIN (
        SELECT
            floor(extract(epoch FROM clock_timestamp() - xact_start))::bigint AS oldest_transaction_s,
            pid AS oldest_transaction_pid
        FROM pg_stat_activity
        WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        ORDER BY xact_start LIMIT 1
    ) AS oldest ON TRUE
    WHERE datname = current_database()";

/// The schema that was found, and what the role may do with it.
#[derive(Debug, Clone)]
pub struct Schema {
    /// 0 if there is none.
    pub found: i64,
    pub expected: i64,
    pub rights: Rights,
    /// What the service needs and the role may not do, as `INSERT on users`.
    pub missing_privileges: Vec<String>,
    pub invalid_indexes: Vec<String>,
    /// Tables with more dead rows than live ones.
    pub bloated_tables: Vec<String>,
}

#[derive(Debug, Clone, FromRow)]
pub struct Rights {
    /// The first existing schema of the search path.
    pub schema: Option<String>,
    pub may_create: bool,
    /// `None` if there are no tables yet.
    pub owner: Option<String>,
    pub is_owner: bool,
}

const RIGHTS: &str = "
    SELECT
        current_schema()::text AS schema,
        COALESCE(has_schema_privilege(current_schema(), 'CREATE'), FALSE) AS may_create,
        pg_get_userbyid(relowner)::text AS owner,
        COALESCE(pg_has_role(relowner, 'USAGE'), FALSE) AS is_owner
    FROM (SELECT) AS one LEFT JOIN pg_class ON oid = to_regclass('refinery_schema_history')";

/// Our tables and views are those of the history's owner in the history's schema.
const MISSING_PRIVILEGES: &str = "
    SELECT privilege || ' on ' || c.relname
    FROM pg_class c
    JOIN pg_class history ON history.oid = to_regclass('refinery_schema_history')
        AND c.relnamespace = history.relnamespace AND c.relowner = history.relowner
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) WITH ORDINALITY AS p (privilege, number)
    WHERE c.relkind IN ('r', 'p', 'v')
        AND (privilege = 'SELECT' OR (c.relkind <> 'v' AND c.oid <> history.oid))
        AND NOT has_table_privilege(c.oid, privilege)
    ORDER BY c.relname, number";

const INVALID_INDEXES: &str = "
    SELECT indexrelid::regclass::text
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace
    ORDER BY 1";

/// Small tables are left out: autovacuum waits for some dead rows.
const BLOATED_TABLES: &str = "
    SELECT format('%I (%s dead rows, %s live)', relname, n_dead_tup, n_live_tup)
    FROM pg_stat_user_tables
    WHERE schemaname = current_schema() AND n_dead_tup > 100000 AND n_dead_tup > n_live_tup
    ORDER BY n_dead_tup DESC";

/// Checks every B-tree of the schema (those of a partitioned table are in its partitions), and that each row of the table is in it. The error names the index.
const CHECK_INDEXES: &str = "
    SELECT count(*), count(bt_index_check(index => indexrelid, heapallindexed => TRUE)::text)
    FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = relam
    WHERE amname = 'btree' AND c.relkind = 'i' AND indisvalid AND indisready
        AND relnamespace = current_schema()::regnamespace AND relpersistence = 'p'";

/// Finds no table that the role may not read: [`MISSING_PRIVILEGES`] names it.
const FIND_IDENTITY: &str = "SELECT CASE WHEN has_table_privilege(to_regclass('partition_identity'), 'SELECT') THEN 'found' END";

const LOAD_IDENTITY: &str =
    "SELECT database_id, count, number FROM partition_identity WHERE is_only_row";

/// The time of its start tells a server from all others, and every role may ask for it.
const LOAD_START: &str = "SELECT pg_postmaster_start_time()::text";

/// In the transaction of a partition, nothing but the partition's schema can be seen. Elsewhere this changes nothing.
const SEE_AMCHECK: &str = "
    SELECT set_config('search_path', quote_ident(current_schema()) || ', ' || quote_ident(nspname), TRUE)
    FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'amcheck'";

pub async fn server(connection: &mut PgConnection) -> Result<Server, sqlx::Error> {
    Server::from_row(&raw_sql(SERVER).fetch_one(connection).await?)
}

pub async fn schema(connection: &mut PgConnection) -> Result<Schema, sqlx::Error> {
    let history: Option<String> =
        raw_sql(FIND_HISTORY).fetch_one(&mut *connection).await?.try_get(0)?;
    let rights = Rights::from_row(&raw_sql(RIGHTS).fetch_one(&mut *connection).await?)?;
    let missing_privileges = texts(connection, MISSING_PRIVILEGES).await?;
    let may_read = !missing_privileges.iter().any(|one| one == "SELECT on refinery_schema_history");
    let found = if history.is_some() && may_read {
        raw_sql(LOAD_VERSION).fetch_one(&mut *connection).await?.try_get(0)?
    } else {
        0
    };
    Ok(Schema {
        found,
        expected: expected_version(),
        rights,
        missing_privileges,
        invalid_indexes: texts(connection, INVALID_INDEXES).await?,
        bloated_tables: texts(connection, BLOATED_TABLES).await?,
    })
}

/// The settings of each partition, by number. Empty if the database is not divided, or has no schema yet.
pub async fn partitions(
    connection: &mut PgConnection,
    database: &Database,
) -> Result<Vec<Database>, sqlx::Error> {
    let Some((database_id, count, _)) = identity(connection).await? else { return Ok(Vec::new()) };
    let has_citus =
        raw_sql(citus::FIND_EXTENSION).fetch_optional(&mut *connection).await?.is_some();
    let nodes = if has_citus && !database.has_partition_map() {
        citus::nodes(&raw_sql(citus::LIST_NODES).fetch_all(&mut *connection).await?)?
    } else {
        BTreeMap::new()
    };
    let of_partition = |number| {
        let identity = Identity { database_id: database_id.clone(), count };
        let place = nodes.get(&schema_name(number)).cloned().map(Place::new);
        database.of_partition(Partition::new(number, Some(identity), place), count)
    };
    Ok(if count > 1 { (0..count).map(of_partition).collect() } else { Vec::new() })
}

/// Enters the schema of a partition until the connection is closed: a pooler keeps a session for a transaction. Returns whether the
/// schema says that it is this partition of this database. A schema that is missing does not say otherwise.
pub async fn enter(
    connection: &mut PgConnection,
    partition: &Database,
) -> Result<bool, sqlx::Error> {
    raw_sql(partition.begin()).execute(&mut *connection).await?;
    let found = identity(connection).await?;
    let found = found.and_then(|(database_id, count, number)| {
        Some((Identity { database_id, count }, u16::try_from(number?).ok()?))
    });
    Ok(found.is_none_or(|(identity, number)| partition.is_partition(number, &identity)))
}

/// What tells the server of this connection from others.
pub async fn server_start(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    raw_sql(LOAD_START).fetch_one(connection).await?.try_get(0)
}

/// The row of `partition_identity`: the database, the number of partitions, and which one the schema is.
async fn identity(
    connection: &mut PgConnection,
) -> Result<Option<(String, u16, Option<i32>)>, sqlx::Error> {
    let table: Option<String> =
        raw_sql(FIND_IDENTITY).fetch_one(&mut *connection).await?.try_get(0)?;
    if table.is_none() {
        return Ok(None);
    }
    let row = raw_sql(LOAD_IDENTITY).fetch_one(connection).await?;
    let count = u16::try_from(row.try_get::<i32, _>("count")?).unwrap_or_default();
    Ok(Some((row.try_get("database_id")?, count, row.try_get("number")?)))
}

/// Finds out whether our connections share server processes, with a second connection.
pub async fn sharing(
    first: &mut PgConnection,
    database: &Database,
) -> Result<Sharing, sqlx::Error> {
    let pid = process(first).await?;
    let mut second = connect(database).await?;
    if let Err(error) = raw_sql("BEGIN").execute(&mut second).await {
        return error.as_database_error().map(|_| Sharing::PerStatement).ok_or(error);
    }
    // While the second connection is in a transaction, it keeps its server process.
    let is_shared = process(&mut second).await? == pid || process(first).await? != pid;
    raw_sql("ROLLBACK").execute(&mut second).await?;
    second.close().await?;
    Ok(if is_shared { Sharing::Shared } else { Sharing::Own })
}

/// Checks all indexes with the extension amcheck, and returns their number.
pub async fn check_indexes(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    raw_sql(SEE_AMCHECK).execute(&mut *connection).await?;
    raw_sql(CHECK_INDEXES).fetch_one(connection).await?.try_get(0)
}

/// A connection with the server's own settings, not those that the service sets.
pub async fn connect(database: &Database) -> Result<PgConnection, sqlx::Error> {
    database.connect().await.map_err(|error| {
        if let ConnectError::Sqlx(error) = error {
            error
        } else {
            sqlx::Error::Configuration(error.into())
        }
    })
}

async fn process(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await?.try_get(0)
}

async fn texts(
    connection: &mut PgConnection,
    query: &'static str,
) -> Result<Vec<String>, sqlx::Error> {
    let rows: Vec<PgRow> = raw_sql(query).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
