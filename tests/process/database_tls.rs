//! TLS to the database. Every command treats `sslmode` as libpq does.

use testkit::postgres::{PASSWORD, TlsServer};
use testkit::text;

use crate::EARMARK;

#[test]
fn sslmode_means_the_same_as_in_libpq() {
    let Some(server) = TlsServer::start() else { return };
    let (right, wrong) = (text(&server.authority), text(&server.other_authority));
    let good = [
        ("127.0.0.1", "sslmode=require".to_owned()),
        ("127.0.0.1", String::new()),
        ("127.0.0.1", format!("sslmode=require&sslrootcert={right}")),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={right}")),
        ("localhost", format!("sslmode=verify-full&sslrootcert={right}")),
    ];
    let bad = [
        ("127.0.0.1", "sslmode=disable".to_owned()),
        ("127.0.0.1", format!("sslmode=require&sslrootcert={wrong}")),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={wrong}")),
        ("127.0.0.1", "sslmode=verify-ca".to_owned()),
        ("localhost", "sslmode=verify-full".to_owned()),
        ("localhost", format!("sslmode=verify-full&sslrootcert={wrong}")),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={right}")),
        ("localhost", "sslmode=verify-full&sslrootcert=/nowhere.pem".to_owned()),
    ];
    for (host, parameters) in &good {
        let url = server.url(host, parameters);
        let exit = EARMARK.migrate(&url);
        assert_eq!(exit.code, Some(0), "{host} {parameters}: {exit:?}");
        EARMARK.start(EARMARK.serve(&url)).process.stop();
    }
    for (host, parameters) in &bad {
        let url = server.url(host, parameters);
        let serve = EARMARK.serve(&url);
        let serve_with_migrate = EARMARK.serve(&url).args(["--migrate"]);
        for exit in [EARMARK.migrate(&url), serve.run(), serve_with_migrate.run()] {
            let is_named = exit.stderr.contains("--database-url / EARMARK_DATABASE_URL");
            assert!(exit.code == Some(1) && is_named, "{host} {parameters}: {exit:?}");
            assert!(!exit.stderr.contains(PASSWORD), "{exit:?}");
            assert!(!exit.stderr.contains("pool timed out"), "the reason is missing: {exit:?}");
        }
    }
}

#[test]
fn every_connection_of_the_pool_is_encrypted() {
    let Some(server) = TlsServer::start() else { return };
    let url = server
        .url("localhost", &format!("sslmode=verify-full&sslrootcert={}", text(&server.authority)));
    EARMARK.prepare(&url);
    let service = EARMARK.start(EARMARK.serve(&url));
    let client = service.client();
    std::thread::scope(|scope| {
        for user in 0..8 {
            let client = &client;
            scope.spawn(move || client.must_mark(&format!("user-{user}"), "friend"));
        }
    });
    service.process.stop();
}

#[test]
fn libpq_variables_supply_what_the_url_leaves_out() {
    let Some(server) = TlsServer::start() else { return };
    let url = server.url("localhost", "").replace(&format!(":{PASSWORD}"), "");
    let run = |password: &str| {
        EARMARK
            .on(&url, ["migrate"])
            .env("PGPASSWORD", password)
            .env("PGSSLMODE", "verify-ca")
            .env("PGSSLROOTCERT", &server.authority)
            .run()
    };
    run(PASSWORD).expect_success();
    let exit = run("a-wrong-word");
    exit.expect_failure(&["EARMARK_DATABASE_URL", "password authentication failed"]);
    assert!(!exit.stderr.contains("a-wrong-word"), "{exit:?}");
    EARMARK.app(&url, &["list"]).expect_failure(&["EARMARK_DATABASE_URL"]);
}
