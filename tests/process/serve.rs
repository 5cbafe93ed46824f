//! `earmark serve` and `earmark migrate`: schemas, health, and errors at the start.

use std::net::TcpListener;
use std::time::Instant;

use testkit::postgres::Database;
use testkit::request;

use crate::EARMARK;

#[test]
fn serve_refuses_an_older_schema_and_names_the_remedy() {
    let database = Database::create();
    let exit = EARMARK.serve(&database.url).run();
    exit.expect_failure(&["schema is older", "earmark migrate", "--migrate"]);
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(database.connect().number(tables), 0, "serve changed the schema");
}

#[test]
fn serve_with_migrate_creates_the_schema_and_serves() {
    let database = Database::create();
    let service = EARMARK.start(EARMARK.serve(&database.url).args(["--migrate"]));
    let log = service.process.stderr.so_far();
    assert!(log.contains("applied V1"), "{log}");
    service.process.stop();
    let again = EARMARK.start(EARMARK.serve(&database.url).env("EARMARK_MIGRATE", "true"));
    let log = again.process.stderr.so_far();
    assert!(!log.contains("applied"), "{log}");
    again.process.stop();
}

#[test]
fn migrate_prints_what_it_did_and_can_be_repeated() {
    let database = Database::create();
    let first = EARMARK.migrate(&database.url).expect_success();
    assert!(first.starts_with("applied V1"), "{first}");
    assert_eq!(EARMARK.migrate(&database.url).expect_success(), "the schema is up to date\n");
}

#[test]
fn five_services_can_migrate_an_empty_database_at_once() {
    let database = Database::create();
    let starting: Vec<_> =
        (0..5).map(|_| EARMARK.serve(&database.url).args(["--migrate"]).start()).collect();
    let lines: Vec<_> =
        starting.iter().map(|process| process.stderr.line("listening on")).collect();
    let migrated = starting.iter().filter(|p| p.stderr.so_far().contains("applied V1")).count();
    assert_eq!((lines.len(), migrated), (5, 1));
    for process in starting {
        process.stop();
    }
}

#[test]
fn serve_works_on_a_newer_schema_and_logs_it() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    database.connect().run(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
         VALUES (9999, 'from_the_future', '2030-01-01T00:00:00Z', '1')",
    );
    for arguments in [&[][..], &["--migrate"][..]] {
        let service = EARMARK.start(EARMARK.serve(&database.url).args(arguments));
        let log = service.process.stderr.line("newer");
        assert!(log.contains("9999"), "{log}");
        service.client().must_mark("user", "friend");
        service.wait_until_ready();
        service.process.stop();
    }
    assert_eq!(EARMARK.migrate(&database.url).expect_success(), "the schema is up to date\n");
}

#[test]
fn health_is_on_both_listeners_with_ordinary_statuses() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    service.wait_until_ready();
    assert_eq!((service.admin_status("/livez"), service.admin_status("/other")), (200, 404));
    let on_the_api = |path: &str| request(service.api, "GET", path, "").unwrap().status;
    assert_eq!((on_the_api("/livez"), on_the_api("/readyz")), (200, 200));
    let call = request(service.api, "POST", "/readyz", "{}").unwrap();
    assert!(call.body.contains("60009"), "{call:?}");

    database.connect().run("DELETE FROM refinery_schema_history");
    service.wait_until_not_ready();
    assert_eq!(service.admin_status("/livez"), 200);
    assert_eq!((on_the_api("/livez"), on_the_api("/readyz")), (200, 503));
    service.process.stop();
}

#[test]
fn healthcheck_succeeds_only_if_the_service_is_ready() {
    let check =
        |url: &str| EARMARK.command(["healthcheck"]).env("EARMARK_HEALTHCHECK_URL", url).run();
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let admin = service.admin;
    service.wait_until_ready();
    check(&format!("http://{admin}/readyz")).expect_success();
    check(&format!("http://{admin}/livez")).expect_success();
    check(&format!("http://{admin}/nothing")).expect_failure(&["404"]);
    check("127.0.0.1/readyz").expect_failure(&["--url", "EARMARK_HEALTHCHECK_URL"]);
    database.connect().run("DELETE FROM refinery_schema_history");
    service.wait_until_not_ready();
    check(&format!("http://{admin}/readyz")).expect_failure(&["503"]);
    service.process.stop();
    check(&format!("http://{admin}/readyz")).expect_failure(&[&admin.to_string()]);

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    check(&format!("http://{}/readyz", silent.local_addr().unwrap())).expect_failure(&["in time"]);
    assert!(started.elapsed().as_secs() < 8);
}

#[test]
fn an_unreachable_database_is_named_without_its_password() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://me:a-bad-password@{free}/db");
    for exit in [
        EARMARK.serve(&url).run(),
        EARMARK.migrate(&url),
        EARMARK.app(&url, &["list"]),
        EARMARK.on(&url, ["sig", "1"]).run(),
    ] {
        exit.expect_failure(&["--database-url", "EARMARK_DATABASE_URL", "connect"]);
        assert!(!exit.stderr.contains("a-bad-password"), "{exit:?}");
    }
}

#[test]
fn a_port_in_use_is_named_with_its_setting() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (setting, other) in [("--listen", "--admin-listen"), ("--admin-listen", "--listen")] {
        let arguments = ["serve", setting, &address, other, "127.0.0.1:0"];
        let exit = EARMARK.on(&database.url, arguments).run();
        exit.expect_failure(&[
            &format!("cannot listen on {address} ({setting} / EARMARK_"),
            "in use",
        ]);
    }
}
