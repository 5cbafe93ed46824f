//! `earmark doctor` looks at every partition and every server.

use super::*;

/// What `earmark doctor` finds, as `level partition name`, without what is ok in a partition, and the whole document.
pub(super) fn diagnose(
    url: &str,
    map: Option<&PathBuf>,
    arguments: &[&str],
) -> (Vec<String>, Value) {
    let program = EARMARK.on(url, ["doctor", "--output", "json"]).args(arguments);
    let exit = with_map(program, map).run();
    let document: Value = serde_json::from_str(&exit.stdout).unwrap_or_else(|_| panic!("{exit:?}"));
    let checks = document["checks"].as_array().unwrap().iter();
    let found = checks.filter(|check| !check["partition"].is_null() || check["level"] != "ok");
    let found = found.map(|check| {
        let [level, name] = ["level", "name"].map(|key| check[key].as_str().unwrap());
        format!("{level} {} {name}", check["partition"])
    });
    (found.collect(), document)
}

#[track_caller]
fn found_by(document: &Value, name: &str) -> String {
    let checks = document["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name);
    check.unwrap_or_else(|| panic!("{name} in {document}"))["found"].as_str().unwrap().to_owned()
}

#[test]
fn the_doctor_looks_at_every_partition() {
    let database = Database::create();
    prepare(&database.url, None);
    let arguments = ["--workers", "2", "--database-connections", "16"];
    let (found, document) = diagnose(&database.url, None, &arguments);
    assert_eq!(found, [""; 0], "{document}");
    assert_eq!(found_by(&document, "partitions"), "4, on the same server");
    // 16 for the workers and 5 more; in each partition 2 for each worker and 5 more.
    let connections = found_by(&document, "connections");
    assert!(connections.starts_with("a process opens up to 57 of "), "{connections}");
    let service = EARMARK.start(EARMARK.serve(&database.url).args(arguments));
    let metrics = request(service.admin, "GET", "/metrics", "").unwrap().body;
    // Without the one that ends sessions, in each of the five schemas.
    assert_eq!(between(&metrics, "\nearmark_database_connections_max ", "\n"), "52");
    drop(service);

    let mut sql = database.connect();
    sql.run(
        "UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = 'partition_2.conversations_position'::regclass;
        DROP SCHEMA partition_3 CASCADE; CREATE EXTENSION amcheck",
    );
    let (found, document) = diagnose(&database.url, None, &["--indexes"]);
    let expected = ["failure 2 indexes", "failure 3 schema", "failure 3 privileges"];
    assert_eq!(found, expected, "{document}");
    let exit = EARMARK.on(&database.url, ["doctor"]).run();
    assert!(exit.stdout.contains("failure  partition 2: indexes     not valid: "), "{exit:?}");
    assert_eq!(exit.code, Some(1));
}

#[test]
fn the_doctor_looks_at_every_server() {
    let Some(mut servers) = two_servers() else { return };
    let map = servers.map.clone();
    servers.second.sql("earmark").run("ALTER DATABASE earmark SET idle_session_timeout = '5min'");
    let arguments = ["--workers", "2", "--database-connections", "16"];
    let (found, document) = diagnose(&servers.first.url(), Some(&map), &arguments);
    assert_eq!(found_by(&document, "partitions"), "4, on this server and 1 more");
    let of_second: Vec<_> = found.iter().filter(|check| check.contains(" 2 ")).collect();
    assert_eq!(of_second.len(), found.len(), "{found:?}");
    assert!(found.contains(&"ok 2 version".to_owned()), "{found:?}");
    assert!(found.contains(&"warning 2 timeouts".to_owned()), "{found:?}");
    // Each server has two of the four partitions, with 9 connections each. The first has the shared tables too.
    let opened =
        |check: &Value| check["found"].as_str().unwrap().split(" of ").next().map(str::to_owned);
    let checks = document["checks"].as_array().unwrap().iter();
    let opened: Vec<_> =
        checks.filter(|check| check["name"] == "connections").filter_map(opened).collect();
    assert_eq!(opened, ["a process opens up to 39", "a process opens up to 18"]);

    servers.second.end(Signal::SIGKILL);
    let (found, _) = diagnose(&servers.first.url(), Some(&map), &[]);
    assert_eq!(found, ["failure 2 connection", "failure 3 connection"]);
}
