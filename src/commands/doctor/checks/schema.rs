//! What the state of the schema means for the service, and what to do about it.

use sqlx::error::DatabaseError;

use crate::commands::doctor::Check;
use crate::store::doctor::Schema;

pub(in crate::commands::doctor) fn of_schema(schema: &Schema) -> Vec<Check> {
    vec![version_of_schema(schema), privileges(schema), valid_indexes(schema), bloat(schema)]
}

fn version_of_schema(schema: &Schema) -> Check {
    let (found, expected) = (schema.found, schema.expected);
    if found == 0 {
        return Check::failure("schema", "there is no schema yet", "Run `earmark migrate`.");
    }
    if found < expected {
        let found = format!("version {found}, this program needs {expected}");
        return Check::failure("schema", found, "Run `earmark migrate`.");
    }
    if found > expected {
        return Check::warning(
            "schema",
            format!("version {found} is newer than this program, which knows {expected}"),
            "This is normal during a rolling upgrade. Otherwise upgrade this program.",
        );
    }
    Check::ok("schema", format!("version {found}"))
}

fn privileges(schema: &Schema) -> Check {
    let rights = &schema.rights;
    let Some(name) = &rights.schema else {
        let advice = "Create the schema public, or set search_path to one that the role may use.";
        return Check::failure("privileges", "no schema of the search path can be used", advice);
    };
    if !schema.missing_privileges.is_empty() {
        let found = format!("the role lacks {}", schema.missing_privileges.join(", "));
        return Check::failure("privileges", found, "GRANT these privileges to the role.");
    }
    match &rights.owner {
        None if !rights.may_create => Check::failure(
            "privileges",
            format!("the role may not create tables in the schema {name}"),
            "GRANT CREATE ON SCHEMA to the role, or make the role the owner of the database.",
        ),
        Some(owner) if !rights.is_owner && schema.found < schema.expected => Check::failure(
            "privileges",
            format!("the tables belong to {owner}, so this role cannot migrate them"),
            format!("Run `earmark migrate` as {owner}."),
        ),
        _ => Check::ok(
            "privileges",
            format!("the role has all that the service needs in the schema {name}"),
        ),
    }
}

fn valid_indexes(schema: &Schema) -> Check {
    if schema.invalid_indexes.is_empty() {
        return Check::ok("indexes", "all are valid");
    }
    let found = format!("not valid: {}", schema.invalid_indexes.join(", "));
    Check::failure("indexes", found, "Rebuild each with REINDEX INDEX CONCURRENTLY.")
}

fn bloat(schema: &Schema) -> Check {
    if schema.bloated_tables.is_empty() {
        return Check::ok("bloat", "no large table has more dead rows than live ones");
    }
    Check::warning(
        "bloat",
        schema.bloated_tables.join(", "),
        "Look for an old transaction or a replication slot that keeps vacuum from removing them, then run VACUUM.",
    )
}

/// `None` if the extension amcheck is not installed.
pub(in crate::commands::doctor) fn indexes(checked: Option<Result<i64, sqlx::Error>>) -> Check {
    let name = "index contents";
    match checked {
        None => Check::warning(
            name,
            "not checked, because the extension amcheck is not installed",
            "Run CREATE EXTENSION amcheck as a superuser, and GRANT EXECUTE on its functions to the role.",
        ),
        Some(Ok(count)) => Check::ok(name, format!("{count} indexes agree with their tables")),
        Some(Err(error)) => {
            // XX001 and XX002: corrupt data, a corrupt index.
            let state = error.as_database_error().and_then(DatabaseError::code);
            let found = error
                .as_database_error()
                .map_or_else(|| error.to_string(), |e| e.message().to_owned());
            if state.is_some_and(|state| state.starts_with("XX")) {
                let advice = "Back up, rebuild it with REINDEX INDEX CONCURRENTLY, and check the disk and the C library.";
                return Check::failure(name, found, advice);
            }
            Check::warning(
                name,
                format!("not checked: {found}"),
                "GRANT EXECUTE on amcheck's functions to the role.",
            )
        }
    }
}
