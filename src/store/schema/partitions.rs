//! Creates the partitions, and brings the schemas of all up to date.

use std::time::Duration;

use super::{
    MigrateError, Migrations, PlannedMigration, SchemaState, check, holders, in_transaction,
    is_lock_timeout, lock_schemas,
};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::store::citus;
use crate::store::partitions::load_identity;
use crate::store::pool::{Identity, create_schema, schema_name};
use crate::store::{Partitions, Store, Tx};

/// Runs all pending migrations in all schemas, and returns their names. `wanted` is the number of partitions, which can be chosen
/// until there is an app.
pub async fn migrate(
    shared: &Store,
    wanted: Option<u16>,
    lock_wait: Duration,
) -> Result<Vec<String>, MigrateError> {
    let migrations = Migrations::embedded();
    let mut applied = migrations.run(shared, lock_wait).await?;
    let identity = choose(shared, wanted).await?;
    if identity.count == 1 {
        return Ok(applied);
    }
    let partitions = Partitions::to_create(shared.clone(), identity.count);
    let is_on_citus = citus::is_installed(shared, Deadline::of_a_request()).await?;
    for (number, part) in (0..).zip(partitions.each()) {
        alone(part, number, lock_wait, async |tx| create(tx, number).await).await?;
        let names = migrations.run(part, lock_wait).await?;
        applied.extend(names.into_iter().map(|name| in_schema(number, &name)));
        name(part, number, &identity).await?;
        if is_on_citus {
            alone(part, number, lock_wait, async |tx| citus::distribute(tx, number).await).await?;
        }
    }
    partitions.close_parts().await;
    Ok(applied)
}

/// Every migration of every schema with its state. Changes nothing.
pub async fn plan(
    partitions: &Partitions,
    deadline: Deadline,
) -> Result<Vec<PlannedMigration>, Error> {
    let mut all = super::plan(partitions.shared(), deadline).await?;
    if partitions.is_divided() {
        for (number, part) in (0..).zip(partitions.each()) {
            let planned = super::plan(part, deadline).await?;
            all.extend(planned.into_iter().map(|one| PlannedMigration {
                name: one.name.clone(),
                schema: Some(schema_name(number)),
                ..one
            }));
        }
    }
    Ok(all)
}

/// Compares all schemas with this binary. The one that is behind the others decides. A partition that does not answer is left out:
/// a service that starts then serves the users of the others.
pub async fn check_all(partitions: &Partitions, deadline: Deadline) -> Result<SchemaState, Error> {
    let mut found = check(partitions.shared(), deadline).await?;
    let parts = partitions.each().iter().enumerate().filter(|_| partitions.is_divided());
    for (partition, part) in parts {
        match check(part, deadline).await {
            Ok(older @ SchemaState::Older { .. }) => return Ok(older),
            Ok(newer @ SchemaState::Newer { .. }) if found == SchemaState::Current => found = newer,
            Ok(_) => {}
            Err(error) => {
                let cause = error.with_causes();
                tracing::warn!(partition, cause, "a partition does not answer");
            }
        }
    }
    Ok(found)
}

fn in_schema(number: u16, migration: &str) -> String {
    format!("{migration} in {}", schema_name(number))
}

/// Sets the number of partitions, if that is still possible. Another process may choose the same number at the same time.
async fn choose(shared: &Store, wanted: Option<u16>) -> Result<Identity, MigrateError> {
    let deadline = Deadline::of_a_request();
    let stored = load_identity(shared, deadline).await?;
    let stored = stored.ok_or_else(|| Error::internal("partition_identity: no such table"))?;
    let Some(wanted) = wanted.filter(|wanted| *wanted != stored.count) else { return Ok(stored) };
    let chosen = shared
        .clone()
        .write(deadline, async move |tx: &mut Tx<'_>| {
            let done = sqlx::query(
                "UPDATE partition_identity SET count = $1, number = NULL
                WHERE is_only_row AND count = 1
                    AND (SELECT sdk_app_id FROM apps WHERE sdk_app_id > 0 LIMIT 1) IS NULL",
            )
            .bind(i32::from(wanted));
            Ok(done.execute(tx.session()).await?.rows_affected() == 1)
        })
        .await?;
    if chosen {
        return Ok(Identity { count: wanted, ..stored });
    }
    let stored = load_identity(shared, Deadline::of_a_request()).await?.unwrap_or(stored);
    if stored.count == wanted {
        Ok(stored)
    } else {
        Err(MigrateError::Divided { count: stored.count, wanted })
    }
}

/// Changes a partition's schema while no other process does. PostgreSQL refuses a schema that another process creates at the same
/// time, `IF NOT EXISTS` or not, and Citus the same of one that it places.
async fn alone(
    part: &Store,
    number: u16,
    lock_wait: Duration,
    change: impl AsyncFnOnce(&mut Tx<'_>) -> Result<(), Error>,
) -> Result<(), MigrateError> {
    let mut connection = part.connection(Deadline::NONE).await?;
    let changed = in_transaction(&mut connection, async |tx| {
        lock_schemas(tx, lock_wait).await?;
        change(tx).await
    });
    match changed.await {
        Err(error) if is_lock_timeout(&error) => {
            let holders = holders(&mut connection, None).await?;
            Err(MigrateError::Locked { step: schema_name(number), waited: lock_wait, holders })
        }
        done => Ok(done?),
    }
}

async fn create(tx: &mut Tx<'_>, number: u16) -> Result<(), Error> {
    sqlx::raw_sql(create_schema(number)).execute(tx.session()).await?;
    Ok(())
}

/// Writes into a new schema which partition it is.
async fn name(part: &Store, number: u16, identity: &Identity) -> Result<(), MigrateError> {
    let Identity { database_id, count } = identity.clone();
    let named = part.clone().write(Deadline::of_a_request(), async move |tx: &mut Tx<'_>| {
        let done = sqlx::query(
            "UPDATE partition_identity SET database_id = $1, count = $2, number = $3
            WHERE is_only_row AND (count = 1 OR (database_id, count, number) = ($1, $2, $3))",
        )
        .bind(database_id)
        .bind(i32::from(count))
        .bind(i32::from(number));
        Ok(done.execute(tx.session()).await?.rows_affected() == 1)
    });
    if named.await? { Ok(()) } else { Err(MigrateError::OtherPartition(schema_name(number))) }
}
