//! What the settings of the server mean for the service, and what to do about them.

use crate::commands::doctor::Check;
use crate::store::doctor::{Server, Sharing};

const VERSION_MIN: i32 = 150_000;
/// A transaction that is open for longer keeps vacuum from removing dead rows.
const TRANSACTION_MAX_S: i64 = 300;
/// PostgreSQL's default of `vacuum_failsafe_age`, at which vacuum stops to be gentle.
const FROZEN_AGE_MAX: i32 = 1_600_000_000;
const GIGABYTE: i64 = 1 << 30;
/// PostgreSQL's default of `shared_buffers`.
const SHARED_BUFFERS_DEFAULT: i64 = 128 << 20;
const HUGE_PAGES_FROM: i64 = 4 * GIGABYTE;

/// `connections` is the maximum that a process of the service opens.
pub(in crate::commands::doctor) fn of_server(server: &Server, connections: u32) -> Vec<Check> {
    vec![
        version(server),
        writes(server),
        durability(server),
        standbys(server),
        timeouts(server),
        encoding(server),
        connection_limits(server, connections),
        oldest_transaction(server),
        vacuum(server),
        memory(server),
    ]
}

fn version(server: &Server) -> Check {
    let found = format!("PostgreSQL {}", server.version_name);
    if server.version < VERSION_MIN {
        return Check::failure("version", found, "Upgrade to PostgreSQL 15 or newer.");
    }
    Check::ok("version", found)
}

fn writes(server: &Server) -> Check {
    if server.is_standby {
        return Check::failure(
            "writes",
            "the server is a standby, which refuses writes",
            "Use a host name that leads to the primary.",
        );
    }
    if server.is_read_only {
        return Check::failure(
            "writes",
            "transactions are read-only by default",
            "Reset default_transaction_read_only for the server, the database and the role.",
        );
    }
    Check::ok("writes", "the server is a primary and accepts writes")
}

fn durability(server: &Server) -> Check {
    let off = [("fsync", &server.fsync), ("full_page_writes", &server.full_page_writes)];
    let off = off.into_iter().filter(|(_, value)| *value == "off").map(|(name, _)| name);
    let off = off.collect::<Vec<_>>().join(", ");
    if !off.is_empty() {
        return Check::failure(
            "durability",
            format!("off: {off}; a crash of the server can lose acknowledged writes"),
            format!("Turn on with ALTER SYSTEM: {off}. Then reload the server."),
        );
    }
    let commit = &server.synchronous_commit;
    if matches!(commit.as_str(), "off" | "local" | "remote_write") {
        return Check::warning(
            "durability",
            format!("synchronous_commit is {commit} for this role and database"),
            "The service sets it for its own sessions. Set it to on, so that this does not depend on the client.",
        );
    }
    let found = format!("fsync and full_page_writes are on, synchronous_commit is {commit}");
    Check::ok("durability", found)
}

fn standbys(server: &Server) -> Check {
    let (names, count) = (&server.synchronous_standby_names, server.standbys);
    match (names.is_empty(), count) {
        _ if server.is_standby => Check::ok("standbys", "only a primary has standbys to wait for"),
        (false, 0) => Check::failure(
            "standbys",
            format!(
                "synchronous_standby_names is '{names}', but no standby is connected: every write waits"
            ),
            "Start the standby, or empty synchronous_standby_names until it is back.",
        ),
        (false, _) => Check::ok("standbys", format!("each write waits for standbys: '{names}'")),
        (true, 0) => Check::ok("standbys", "none: the data is on this server alone"),
        (true, _) => Check::warning(
            "standbys",
            format!(
                "{count} connected, all asynchronous: a failover can lose the last acknowledged writes"
            ),
            "Name them in synchronous_standby_names if no acknowledged write may be lost.",
        ),
    }
}

fn timeouts(server: &Server) -> Check {
    let set = [
        ("idle_session_timeout", &server.idle_session_timeout),
        ("transaction_timeout", &server.transaction_timeout),
    ];
    let set = set.into_iter().filter(|(_, value)| *value != "0");
    let set: Vec<_> = set.map(|(name, value)| format!("{name} is {value}")).collect();
    if set.is_empty() {
        return Check::ok(
            "timeouts",
            "the server ends no idle session and no transaction by itself",
        );
    }
    Check::warning(
        "timeouts",
        format!("{}: the server ends connections that the service keeps", set.join(", ")),
        "Set it to 0 for this role: ALTER ROLE … SET … = 0. The service sets timeouts for each statement.",
    )
}

fn encoding(server: &Server) -> Check {
    let encoding = &server.encoding;
    if encoding == "UTF8" {
        return Check::ok("encoding", "UTF8");
    }
    Check::failure(
        "encoding",
        format!("{encoding}, which cannot store every mark"),
        "Create the database with ENCODING 'UTF8' TEMPLATE template0.",
    )
}

/// A pooler has its own limit, so this is about processes that connect directly.
fn connection_limits(server: &Server, connections: u32) -> Check {
    let limits = [
        Some(i64::from(server.connections_max) - i64::from(server.connections_reserved)),
        Some(i64::from(server.role_connections_max)).filter(|limit| *limit >= 0),
        Some(i64::from(server.database_connections_max)).filter(|limit| *limit >= 0),
    ];
    let max = limits.into_iter().flatten().min().unwrap_or_default();
    let (needed, open) = (i64::from(connections), server.connections_open);
    let found = format!("a process opens up to {needed} of {max}, {open} are open");
    let advice = "Raise max_connections (or the limit of the role or the database), or lower --database-connections.";
    if needed > max {
        return Check::failure("connections", found, advice);
    }
    // During an upgrade, one process more runs.
    if needed * 2 > max {
        return Check::warning(
            "connections",
            format!("{found}: too few for two processes"),
            advice,
        );
    }
    Check::ok("connections", found)
}

fn oldest_transaction(server: &Server) -> Check {
    let name = "transactions";
    match (server.oldest_transaction_s, server.oldest_transaction_pid) {
        (Some(age_s), Some(pid)) if age_s > TRANSACTION_MAX_S => Check::warning(
            name,
            format!(
                "pid {pid} has a transaction open for {age_s} s, so vacuum removes no newer dead rows"
            ),
            "Look at it in pg_stat_activity, and end it with pg_terminate_backend(pid) if it is forgotten.",
        ),
        _ if server.sees_all_sessions => {
            Check::ok(name, format!("none is open for longer than {TRANSACTION_MAX_S} s"))
        }
        _ => Check::ok(name, "only those of this role can be seen; GRANT pg_monitor shows all"),
    }
}

fn vacuum(server: &Server) -> Check {
    let age = server.frozen_age;
    if server.autovacuum == "off" {
        let advice = "Turn autovacuum on with ALTER SYSTEM, and reload the server.";
        return Check::warning("vacuum", "autovacuum is off, so tables only grow", advice);
    }
    if age > FROZEN_AGE_MAX {
        return Check::warning(
            "vacuum",
            format!(
                "the oldest row was frozen {age} transactions ago; at 2 billion, PostgreSQL refuses writes"
            ),
            "Run VACUUM (FREEZE) in this database, and look for old transactions and replication slots.",
        );
    }
    Check::ok(
        "vacuum",
        format!("autovacuum is on, the oldest row was frozen {age} transactions ago"),
    )
}

fn memory(server: &Server) -> Check {
    let (buffers, data) = (server.shared_buffers_bytes, server.database_bytes);
    let found = format!(
        "shared_buffers is {} MB, the database has {} MB, huge_pages is {}",
        buffers >> 20,
        data >> 20,
        server.huge_pages
    );
    if buffers <= SHARED_BUFFERS_DEFAULT && data > GIGABYTE {
        let advice =
            "Set shared_buffers to a quarter of the machine's memory, and restart the server.";
        return Check::warning("memory", found, advice);
    }
    if buffers >= HUGE_PAGES_FROM && server.huge_pages == "off" {
        let advice =
            "Reserve huge pages (vm.nr_hugepages), set huge_pages to try, and restart the server.";
        return Check::warning("memory", found, advice);
    }
    Check::ok("memory", found)
}

pub(in crate::commands::doctor) fn pooler(sharing: Sharing, keeps_statements: bool) -> Check {
    let off = "--database-statement-cache / EARMARK_DATABASE_STATEMENT_CACHE";
    match (sharing, keeps_statements) {
        (Sharing::Own, true) => Check::ok("pooler", "each connection has a session of its own"),
        (Sharing::Own, false) => Check::warning(
            "pooler",
            "each connection has a session of its own, but the statement cache is off",
            format!("Remove {off}=false: it costs one more round trip per transaction."),
        ),
        (Sharing::Shared, false) => Check::ok("pooler", "a pooler in transaction mode"),
        (Sharing::Shared, true) => Check::failure(
            "pooler",
            "a pooler in transaction mode: settings and prepared statements do not stay in a session",
            format!("Set {off} to false, or use the pooler in session mode."),
        ),
        (Sharing::PerStatement, _) => Check::failure(
            "pooler",
            "a pooler in statement mode, which allows no transactions",
            "Use transaction mode or session mode.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Level;

    fn healthy() -> Server {
        Server {
            version: 150_000,
            version_name: "15.0".to_owned(),
            is_standby: false,
            is_read_only: false,
            encoding: "UTF8".to_owned(),
            fsync: "on".to_owned(),
            full_page_writes: "on".to_owned(),
            synchronous_commit: "on".to_owned(),
            synchronous_standby_names: String::new(),
            standbys: 0,
            idle_session_timeout: "0".to_owned(),
            transaction_timeout: "0".to_owned(),
            connections_max: 100,
            connections_reserved: 3,
            connections_open: 1,
            role_connections_max: -1,
            database_connections_max: -1,
            shared_buffers_bytes: SHARED_BUFFERS_DEFAULT,
            huge_pages: "try".to_owned(),
            database_bytes: GIGABYTE,
            autovacuum: "on".to_owned(),
            frozen_age: FROZEN_AGE_MAX,
            sees_all_sessions: true,
            oldest_transaction_s: Some(TRANSACTION_MAX_S),
            oldest_transaction_pid: Some(7),
            has_amcheck: false,
        }
    }

    /// Changes a healthy server, and checks which check is not ok then.
    #[track_caller]
    fn check(name: &str, level: Level, change: impl FnOnce(&mut Server)) {
        let mut server = healthy();
        change(&mut server);
        let found = of_server(&server, 15).into_iter().filter(|check| check.level != Level::Ok);
        let found: Vec<_> = found.map(|check| (check.name, check.level)).collect();
        assert_eq!(found, [(name, level)]);
    }

    #[test]
    fn each_problem_of_a_server_is_told_by_one_check() {
        assert!(of_server(&healthy(), 15).iter().all(|check| check.level == Level::Ok));
        check("version", Level::Failure, |server| server.version = 149_999);
        check("durability", Level::Failure, |server| server.fsync = "off".to_owned());
        let waits = |server: &mut Server| server.synchronous_standby_names = "*".to_owned();
        check("standbys", Level::Failure, waits);
        check("timeouts", Level::Warning, |server| server.transaction_timeout = "1s".to_owned());
        check("connections", Level::Failure, |server| server.role_connections_max = 14);
        check("connections", Level::Warning, |server| server.database_connections_max = 15);
        let old = Some(TRANSACTION_MAX_S + 1);
        check("transactions", Level::Warning, |server| server.oldest_transaction_s = old);
        check("vacuum", Level::Warning, |server| server.autovacuum = "off".to_owned());
        check("vacuum", Level::Warning, |server| server.frozen_age += 1);
        check("memory", Level::Warning, |server| server.database_bytes += 1);
        check("memory", Level::Warning, |server| {
            server.shared_buffers_bytes = HUGE_PAGES_FROM;
            server.huge_pages = "off".to_owned();
        });
    }
}
