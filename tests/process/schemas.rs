//! The migrations turn every earlier schema, filled with all kinds of rows, into the newest one.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use testkit::APP;
use testkit::postgres::Database;

use crate::EARMARK;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A migration in the output of `migrate --plan`.
#[derive(Deserialize)]
struct Migration {
    version: u32,
    name: String,
    /// In hexadecimal.
    checksum: String,
}

impl Migration {
    fn sql(&self) -> String {
        let file = format!("migrations/V{}__{}.sql", self.version, self.name);
        fs::read_to_string(Path::new(ROOT).join(file)).unwrap()
    }

    /// Statements that insert the kinds of rows that this migration introduced. There may be none.
    fn rows(&self) -> String {
        let file = format!("tests/process/rows/V{}.sql", self.version);
        fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_default()
    }
}

/// A database after these migrations, with the rows that each of them introduced.
fn at(migrations: &[Migration]) -> Database {
    let database = Database::create();
    let mut sql = database.connect();
    sql.run(
        "CREATE TABLE refinery_schema_history (
            version INT4 PRIMARY KEY, name VARCHAR(255), applied_on VARCHAR(255), checksum VARCHAR(255)
        )",
    );
    for one in migrations {
        let Migration { version, name, checksum } = one;
        let checksum = u64::from_str_radix(checksum, 16).unwrap();
        sql.run(&one.sql());
        sql.run(&one.rows());
        sql.run(&format!(
            "INSERT INTO refinery_schema_history VALUES ({version}, '{name}', '2026-01-01T00:00:00Z', '{checksum}')"
        ));
    }
    database
}

/// Checks that commands and answers show the rows of the first schema.
#[track_caller]
fn check_rows(database: &Database) {
    let verified = EARMARK.verify(&database.url);
    assert_eq!(verified.expect_success(), "4 users, 9 conversations: nothing is broken\n");
    let shown = EARMARK.app(&database.url, &["show", APP]).expect_success();
    let first = "app 1400000001: edition premium, directory owners, enabled, 2 keys good, admins: administrator, second\n";
    assert!(shown.starts_with(first) && shown.contains("marked=900 grouped=1000"), "{shown}");

    for id in [1, 2] {
        assert!(shown.contains(&format!("  key {id}: created ")), "{shown}");
    }

    let service = EARMARK.start(EARMARK.serve(&database.url));
    let client = service.client();
    let call = |command: &str, more: Value| {
        let mut body = json!({ "From_Account": "owner" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.call(&format!("recentcontact/{command}"), &body.to_string()).unwrap().json()
    };
    let (all, sign) = ("1".repeat(64), format!("1{}", "0".repeat(63)));
    let page = call("get_contact_group", json!({}));
    assert_eq!(
        page["ContactItem"],
        json!([
            { "Type": 1, "To_Account": "friend", "StandardMark": all, "CustomMark": "späte Antwort 🙂",
              "ContactGroupId": [1, 3], "Timestamp": 1_700_000_001 },
            { "Type": 1, "To_Account": "sign", "StandardMark": sign, "Timestamp": 1_700_000_002 },
            { "Type": 1, "To_Account": "text", "StandardMark": "", "CustomMark": "a|\"b\"\\c",
              "Timestamp": 1_700_000_003 },
            { "Type": 1, "To_Account": "grouped", "StandardMark": "", "ContactGroupId": [3],
              "Timestamp": 1_700_000_004 },
        ])
    );
    let groups = json!([
        { "GroupName": "work", "GroupId": 1 },
        { "GroupName": "Freunde 🙂", "GroupId": 3 },
    ]);
    assert_eq!(page["GroupItem"], groups);
    let list = json!({
        "TimeStamp": 0, "StartIndex": 0, "TopTimeStamp": 0, "TopStartIndex": 0, "AssistFlags": 7,
    });
    let list = call("get_list", list);
    let of = |item: &Value| format!("{} {}", item["To_Account"].as_str().unwrap(), item["TopFlag"]);
    let list: Vec<_> = list["SessionItem"].as_array().unwrap().iter().map(of).collect();
    assert_eq!(list, ["friend 1", "pinned 1", "grouped 0", "text 0", "sign 0"]);
    assert_eq!(call("get_contact_group", json!({ "From_Account": "gone" }))["ErrorCode"], 50001);
    // New marks and contact groups continue from there.
    client.must_mark("owner", "new");
    client.must_mark("cleared", "friend");
    let group = json!({ "GroupContactItem": [{ "GroupName": "next" }] });
    let made = call("create_contact_group", group);
    assert_eq!(made["GroupResultItem"][0]["GroupItem"]["GroupId"], 4, "{made}");
    service.process.stop();
}

#[test]
fn rows_of_every_schema_survive_the_migrations() {
    let new = Database::create();
    let plan = EARMARK.on(&new.url, ["migrate", "--plan", "--output", "json"]).run();
    let mut document: Value = serde_json::from_str(&plan.stdout).unwrap();
    let migrations: Vec<Migration> = serde_json::from_value(document["migrations"].take()).unwrap();
    assert!(!migrations.is_empty(), "{plan:?}");
    for count in 1..=migrations.len() {
        let database = at(&migrations[..count]);
        let printed = EARMARK.migrate(&database.url).expect_success();
        assert_eq!(printed.matches("applied ").count(), migrations.len() - count, "{printed}");
        check_rows(&database);
    }
}

/// An upgrade of the operating system may change the sort order of a locale, and then an index in that order is broken.
#[test]
fn no_index_uses_the_order_of_the_databases_locale() {
    let database = Database::create();
    EARMARK.migrate(&database.url).expect_success();
    let in_order = |collation: &str| {
        database.connect().number(&format!(
            "SELECT count(DISTINCT indexrelid)
             FROM pg_index, unnest(indcollation) AS one
             WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
                 AND one = '{collation}'::regcollation"
        ))
    };
    assert_eq!(in_order(r#""default""#), 0);
    assert!(in_order(r#""C""#) >= 7, "ids are in indexes");
}
