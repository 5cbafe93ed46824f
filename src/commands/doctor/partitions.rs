//! Checks the partitions of a divided database, and the servers that they are on.

use std::collections::BTreeMap;

use super::{Check, Level, TIME_MAX, checks, compare_indexes};
use crate::deadline::Deadline;
use crate::store::Database;
use crate::store::doctor::{self, Schema, Server, Sharing};

/// A server with partitions.
struct Host {
    /// The partition that led to it.
    first: u16,
    /// What all partitions on it need.
    connections: u32,
    /// `None` for the server of the shared tables, which was checked before.
    asked: Option<(Server, Sharing)>,
    has_amcheck: bool,
}

pub(super) struct Found {
    /// What the partitions on the server of the shared tables need.
    pub(super) connections: u32,
    pub(super) checks: Vec<Check>,
}

/// Checks all partitions, one after the other. `own` tells the server of the shared tables from others.
pub(super) async fn examine(
    partitions: &[Database],
    own: (String, &Server),
    workers: usize,
    with_indexes: bool,
) -> Found {
    let (own, server) = own;
    let of_own = Host { first: 0, connections: 0, asked: None, has_amcheck: server.has_amcheck };
    let mut hosts = BTreeMap::from([(own.clone(), of_own)]);
    let mut checks = Vec::new();
    for (number, partition) in (0..).zip(partitions) {
        let found = examine_one(number, partition, workers, with_indexes, &mut hosts).await;
        let found = found.unwrap_or_else(|error| {
            vec![Check::failure(
                "connection",
                format!("the partition does not answer: {error}"),
                "Check that its server runs, and that --partition-map / EARMARK_PARTITION_MAP has its address.",
            )]
        });
        let of_note = found.into_iter().filter(|check| check.level != Level::Ok);
        checks.extend(of_note.map(|check| check.of(number)));
    }
    let connections = hosts.remove(&own).map_or(0, |host| host.connections);
    if checks.is_empty() && !partitions.is_empty() {
        let servers = match hosts.len() {
            0 => "on the same server".to_owned(),
            others => format!("on this server and {others} more"),
        };
        checks.push(Check::ok("partitions", format!("{}, {servers}", partitions.len())));
    }
    for Host { first, connections, asked, has_amcheck } in hosts.into_values() {
        let Some((server, sharing)) = asked else { continue };
        // The settings are those of the whole service, but each server may have a pooler of its own.
        let keeps_statements = partitions.first().is_some_and(Database::keeps_statements);
        let mut of_server = checks::server::of_server(&server, connections);
        of_server.push(checks::server::pooler(sharing, keeps_statements));
        if with_indexes && !has_amcheck {
            of_server.push(checks::schema::indexes(None));
        }
        checks.extend(of_server.into_iter().map(|check| check.of(first)));
    }
    Found { connections, checks }
}

async fn examine_one(
    number: u16,
    partition: &Database,
    workers: usize,
    with_indexes: bool,
    hosts: &mut BTreeMap<String, Host>,
) -> Result<Vec<Check>, sqlx::Error> {
    let ask = async {
        let mut connection = doctor::connect(partition).await?;
        let start = doctor::server_start(&mut connection).await?;
        if !hosts.contains_key(&start) {
            let server = doctor::server(&mut connection).await?;
            let sharing = doctor::sharing(&mut connection, partition).await?;
            let has_amcheck = server.has_amcheck;
            let asked = Some((server, sharing));
            let host = Host { first: number, connections: 0, asked, has_amcheck };
            hosts.insert(start.clone(), host);
        }
        let is_ours = doctor::enter(&mut connection, partition).await?;
        let schema = doctor::schema(&mut connection).await?;
        Ok((connection, start, is_ours, schema))
    };
    let late = |late| Err(sqlx::Error::Io(std::io::Error::other(late)));
    let answered = Deadline::within(TIME_MAX).limit(ask).await.unwrap_or_else(late);
    let (mut connection, start, is_ours, schema) = answered?;
    let mut checks = of_partition(is_ours, &schema);
    if let Some(host) = hosts.get_mut(&start) {
        host.connections =
            host.connections.saturating_add(partition.connections_in_partition(workers));
        if with_indexes && host.has_amcheck && schema.found > 0 {
            checks.push(compare_indexes(&mut connection).await);
        }
    }
    Ok(checks)
}

fn of_partition(is_ours: bool, schema: &Schema) -> Vec<Check> {
    if is_ours {
        return checks::schema::of_schema(schema);
    }
    vec![Check::failure(
        "address",
        "leads to another database, or to another partition",
        "Compare --partition-map / EARMARK_PARTITION_MAP with `earmark partitions list`.",
    )]
}
