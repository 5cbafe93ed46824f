//! `earmark serve` and `earmark migrate`: schemas, health, a database that is not there at the start.

use std::net::TcpListener;
use std::time::Instant;

use crate::support::{Database, Program, Service, app, migrate, prepare, request, serve};

#[test]
fn an_older_schema_is_refused_with_the_way_out() {
    let database = Database::new();
    let ended = serve(&database.url).run();
    ended.refused(&["schema is older", "earmark migrate", "--migrate"]);
    let made = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(database.connect().number(made), 0, "it has only looked");
}

#[test]
fn serve_with_migrate_makes_the_schema_and_serves() {
    let database = Database::new();
    let service = Service::start(serve(&database.url).args(["--migrate"]));
    let said = service.process.stderr.so_far();
    assert!(said.contains("applied V1"), "{said}");
    service.process.stop();
    let again = Service::start(serve(&database.url).env("EARMARK_MIGRATE", "true"));
    let said = again.process.stderr.so_far();
    assert!(!said.contains("applied"), "{said}");
    again.process.stop();
}

#[test]
fn migrate_says_what_it_did_and_can_be_repeated() {
    let database = Database::new();
    let first = migrate(&database.url).printed();
    assert!(first.starts_with("applied V1"), "{first}");
    assert_eq!(migrate(&database.url).printed(), "the schema is up to date\n");
}

#[test]
fn replicas_that_start_together_on_an_empty_database_all_come_up() {
    let database = Database::new();
    let starting: Vec<_> =
        (0..5).map(|_| serve(&database.url).args(["--migrate"]).start()).collect();
    let lines: Vec<_> =
        starting.iter().map(|process| process.stderr.line("listening on")).collect();
    let migrated = starting.iter().filter(|p| p.stderr.so_far().contains("applied V1")).count();
    assert_eq!((lines.len(), migrated), (5, 1));
    for process in starting {
        process.stop();
    }
}

#[test]
fn a_newer_schema_is_served_and_said() {
    let database = Database::new();
    prepare(&database.url);
    database.connect().run(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
         VALUES (9999, 'from_the_future', '2030-01-01T00:00:00Z', '1')",
    );
    for arguments in [&[][..], &["--migrate"][..]] {
        let service = Service::start(serve(&database.url).args(arguments));
        let said = service.process.stderr.line("newer");
        assert!(said.contains("9999"), "{said}");
        service.client().must_mark("user", "friend");
        assert_eq!(request(service.admin, "GET", "/readyz", "").unwrap().status, 200);
        service.process.stop();
    }
    assert_eq!(migrate(&database.url).printed(), "the schema is up to date\n");
}

#[test]
fn health_is_told_on_a_listener_of_its_own_with_ordinary_statuses() {
    let database = Database::new();
    let service = Service::on(&database);
    let status = |path| request(service.admin, "GET", path, "").unwrap().status;
    assert_eq!((status("/livez"), status("/readyz"), status("/other")), (200, 200, 404));
    let on_the_api = request(service.api, "GET", "/readyz", "").unwrap();
    assert!(on_the_api.body.contains("60009"), "{on_the_api:?}");

    database.connect().run("DELETE FROM refinery_schema_history");
    assert_eq!((status("/livez"), status("/readyz")), (200, 503));
    service.process.stop();
}

#[test]
fn healthcheck_exits_with_0_only_when_the_service_is_ready() {
    let check =
        |url: &str| Program::earmark(["healthcheck"]).env("EARMARK_HEALTHCHECK_URL", url).run();
    let database = Database::new();
    let service = Service::on(&database);
    let admin = service.admin;
    check(&format!("http://{admin}/readyz")).printed();
    check(&format!("http://{admin}/livez")).printed();
    check(&format!("http://{admin}/nothing")).refused(&["404"]);
    check("127.0.0.1/readyz").refused(&["--url", "EARMARK_HEALTHCHECK_URL"]);
    database.connect().run("DELETE FROM refinery_schema_history");
    check(&format!("http://{admin}/readyz")).refused(&["503"]);
    service.process.stop();
    check(&format!("http://{admin}/readyz")).refused(&[&admin.to_string()]);

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    check(&format!("http://{}/readyz", silent.local_addr().unwrap())).refused(&["in time"]);
    assert!(started.elapsed().as_secs() < 8);
}

#[test]
fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://me:a-bad-password@{free}/db");
    for ended in [
        serve(&url).run(),
        migrate(&url),
        app(&url, &["list"]),
        Program::earmark(["sig", "1"]).env("EARMARK_DATABASE_URL", &url).run(),
    ] {
        ended.refused(&["--database-url", "EARMARK_DATABASE_URL", "connect"]);
        assert!(!ended.stderr.contains("a-bad-password"), "{ended:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_its_setting() {
    let database = Database::new();
    prepare(&database.url);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (setting, other) in [("--listen", "--admin-listen"), ("--admin-listen", "--listen")] {
        let arguments = ["serve", setting, &address, other, "127.0.0.1:0"];
        let ended = Program::earmark(arguments).env("EARMARK_DATABASE_URL", &database.url).run();
        ended.refused(&[&format!("cannot listen on {address} ({setting} / EARMARK_"), "in use"]);
    }
}
