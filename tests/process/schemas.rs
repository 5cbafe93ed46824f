//! Every schema that there has been becomes the newest, with all kinds of rows in place.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{APP, Database, Program, Service, app, migrate, serve};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A migration, as `migrate --plan` names it.
struct Migration {
    version: u32,
    name: String,
    checksum: u64,
}

impl Migration {
    /// What it does to the schema.
    fn text(&self) -> String {
        let file = format!("migrations/V{}__{}.sql", self.version, self.name);
        fs::read_to_string(Path::new(ROOT).join(file)).unwrap()
    }

    /// Rows of the kinds that are new with it, if there are any.
    fn rows(&self) -> String {
        let file = format!("tests/process/rows/V{}.sql", self.version);
        fs::read_to_string(Path::new(ROOT).join(file)).unwrap_or_default()
    }
}

/// `V1__create_apps_and_users (checksum 00ab…): would run`
fn planned(line: &str) -> Migration {
    let (name, rest) = line.strip_prefix('V').unwrap().split_once(" (checksum ").unwrap();
    let (version, name) = name.split_once("__").unwrap();
    let checksum = u64::from_str_radix(rest.split(')').next().unwrap(), 16).unwrap();
    Migration { version: version.parse().unwrap(), name: name.to_owned(), checksum }
}

/// The schema of that many migrations, with rows that came when it was the newest one.
fn at(migrations: &[Migration]) -> Database {
    let database = Database::new();
    let mut sql = database.connect();
    sql.run(
        "CREATE TABLE refinery_schema_history (
            version INT4 PRIMARY KEY, name VARCHAR(255), applied_on VARCHAR(255), checksum VARCHAR(255)
        )",
    );
    for one in migrations {
        let Migration { version, name, checksum } = one;
        sql.run(&one.text());
        sql.run(&one.rows());
        sql.run(&format!(
            "INSERT INTO refinery_schema_history VALUES ({version}, '{name}', '2026-01-01T00:00:00Z', '{checksum}')"
        ));
    }
    database
}

/// Everything that is known of the first schema's rows, as it is told today.
#[track_caller]
fn check_is_in_place(database: &Database) {
    let verified = Program::earmark(["verify"]).env("EARMARK_DATABASE_URL", &database.url).run();
    assert_eq!(verified.printed(), "4 users, 9 conversations: nothing is broken\n");
    let shown = app(&database.url, &["show", APP]).printed();
    let first = "app 1400000001: edition premium, directory owners, enabled, 2 keys good, admins: administrator, second\n";
    assert!(shown.starts_with(first) && shown.contains("marked=900 grouped=1000"), "{shown}");

    let service = Service::start(serve(&database.url));
    let client = service.client();
    let call = |command: &str, more: Value| {
        let mut body = json!({ "From_Account": "owner" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = client.call(command, &body.to_string()).unwrap();
        serde_json::from_str::<Value>(&answer.body).unwrap()
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
    // It goes on from there.
    client.must_mark("owner", "new");
    client.must_mark("cleared", "friend");
    let group = json!({ "GroupContactItem": [{ "GroupName": "next" }] });
    let made = call("create_contact_group", group);
    assert_eq!(made["GroupResultItem"][0]["GroupItem"]["GroupId"], 4, "{made}");
    service.process.stop();
}

#[test]
fn rows_of_every_schema_are_in_place_on_the_newest() {
    let new = Database::new();
    let plan = Program::earmark(["migrate", "--plan"]).env("EARMARK_DATABASE_URL", &new.url).run();
    let migrations: Vec<_> = plan.stdout.lines().map(planned).collect();
    assert!(!migrations.is_empty(), "{plan:?}");
    for count in 1..=migrations.len() {
        let database = at(&migrations[..count]);
        let printed = migrate(&database.url).printed();
        assert_eq!(printed.matches("applied ").count(), migrations.len() - count, "{printed}");
        check_is_in_place(&database);
    }
}

/// The locale's order may change with the operating system, and an index in that order is broken then.
#[test]
fn no_index_is_in_an_order_of_the_databases_locale() {
    let database = Database::new();
    migrate(&database.url).printed();
    let in_order = |collation: &str| {
        database.connect().number(&format!(
            "SELECT count(DISTINCT indexrelid)
             FROM pg_index, unnest(indcollation) AS one
             WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
                 AND one = '{collation}'::regcollation"
        ))
    };
    assert_eq!(in_order(r#""default""#), 0);
    assert!(in_order(r#""C""#) >= 7, "the ids are in indexes");
}
