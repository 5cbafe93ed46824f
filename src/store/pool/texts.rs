//! The statements that prepare a session, check it, and begin a transaction in it.

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::partition::{Partition, schema_name};

/// The settings of every session.
///
/// - READ COMMITTED: a statement that waited for a row reads its newest version.
/// - `statement_timeout` ends a statement before the deadline of its request, so that no write happens after the client
///   was told of a timeout.
/// - `lock_timeout` fails a transaction early, so that many requests do not wait for one.
/// - `enable_seqscan`: all statements look rows up by key. A plan that PostgreSQL made while a table was small must not
///   scan the table later.
/// - `plan_cache_mode`: one plan serves all parameters, so that PostgreSQL does not plan each execution.
/// - On Citus, PostgreSQL chooses: Citus refuses an INSERT … SELECT with a generic plan.
/// - `jit`: to compile a statement took seconds where it runs for less than a millisecond. Without sequential scans, a plan's
///   cost says nothing about its time.
/// - `tcp_*`: the server probes an idle connection after 30 s, which also keeps firewalls from forgetting it, and ends a
///   session after 60 s without an answer.
/// - `synchronous_commit`: no default of the server, the role or the database may lose an acknowledged write. `remote_apply`
///   is the only stronger value.
/// - `earmark.session` names the session. If the name is gone later, a pooler has given us another session.
const SET: &str = "SET default_transaction_isolation = 'read committed'; \
    SET statement_timeout = 2500; SET lock_timeout = 250; \
    SET idle_in_transaction_session_timeout = 3000; \
    SET enable_seqscan = off; SET jit = off; \
    SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_user_timeout = 60000; \
    SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
        WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, FALSE), \
    set_config('earmark.session', gen_random_uuid()::text, FALSE) AS name, \
    pg_backend_pid() AS pid, \
    (SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()) AS started";

/// The same settings for one transaction, where a pooler shares the session with other clients. Fails on a standby.
const BEGIN_WITH_SETTINGS: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL statement_timeout = 2500; SET LOCAL lock_timeout = 250; \
    SET LOCAL idle_in_transaction_session_timeout = 3000; SET LOCAL enable_seqscan = off; \
    SET LOCAL jit = off; \
    SELECT set_config('synchronous_commit', CASE \
        WHEN pg_is_in_recovery() THEN 'impossible: this server is a standby' \
        WHEN current_setting('synchronous_commit') = 'remote_apply' THEN 'remote_apply' ELSE 'on' END, TRUE)";

macro_rules! is_crash_safe {
    () => {
        "current_setting('fsync')::boolean AND current_setting('full_page_writes')::boolean"
    };
}

macro_rules! is_durable {
    () => {
        "current_setting('synchronous_commit') IN ('on', 'remote_apply')"
    };
}

/// Asks what the server is. One simple query, so it also works in a pooler's transaction mode.
pub(super) const ASK: &str = concat!(
    "SELECT COALESCE(current_setting('earmark.session', TRUE), '') AS name, \
        COALESCE(current_schema(), '') AS schema, \
        pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS is_read_only, ",
    is_crash_safe!(),
    " AS is_crash_safe, ",
    is_durable!(),
    " AS is_durable"
);

/// The statements of a pool, whose sessions all work in the same schema.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) set: SqlStr,
    /// Begins a transaction in any session, without the timeouts of a request.
    pub(super) begin_plain: SqlStr,
    /// Begins a transaction, and sets everything for it.
    pub(super) begin_with_settings: SqlStr,
    /// The schema that the session must be in; `None` if any will do.
    pub(super) schema: Option<String>,
}

impl Texts {
    /// For the sessions of a partition, or of the schema that the role's `search_path` names first.
    ///
    /// The `search_path` of a partition has no other schema: a statement must never find a table that another one has.
    pub(super) fn new(partition: Option<&Partition>) -> Self {
        let schema = partition.map(|partition| schema_name(partition.number));
        let path = |set: &str| match &schema {
            None => String::new(),
            Some(schema) => format!("; {set} search_path = {schema}"),
        };
        let is_on_citus = partition.is_some_and(|partition| partition.place.is_some());
        let plans = if is_on_citus { "auto" } else { "force_generic_plan" };
        let (session, transaction) = (path("SET"), path("SET LOCAL"));
        Self {
            set: safe(format!("SET plan_cache_mode = {plans}{session}; {SET}")),
            begin_plain: safe(format!("BEGIN{transaction}")),
            begin_with_settings: safe(format!(
                "{BEGIN_WITH_SETTINGS}; SET LOCAL plan_cache_mode = {plans}{transaction}"
            )),
            schema: schema.filter(|_| partition.is_some_and(Partition::is_checked)),
        }
    }
}

/// Creates the schema of a partition.
pub(in crate::store) fn create_schema(number: u16) -> SqlStr {
    safe(format!("CREATE SCHEMA IF NOT EXISTS {}", schema_name(number)))
}

/// Asks which partition a schema says that it is, and what the server that has its rows keeps. The statement names the schema,
/// since a pooler may lead each statement to another session. If Citus forwards the statement to another server, the settings are
/// that one's.
pub(super) fn ask_identity(number: u16) -> SqlStr {
    safe(format!(
        "SELECT database_id, count, COALESCE(number, -1) AS number, {} AS is_crash_safe, {} AS is_durable \
            FROM {}.partition_identity WHERE is_only_row",
        is_crash_safe!(),
        is_durable!(),
        schema_name(number)
    ))
}

/// Only constant texts and the numbers of partitions are put together here.
fn safe(text: String) -> SqlStr {
    // Shared, since each session gets a clone.
    AssertSqlSafe(std::sync::Arc::<str>::from(text)).into_sql_str()
}
