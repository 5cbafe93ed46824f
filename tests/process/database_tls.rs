//! TLS to the database: `sslmode` as libpq means it, the same for every command.

use crate::support::{PASSWORD, Program, Service, TcpServer, app, migrate, serve, text};

#[test]
fn sslmode_means_what_it_means_to_libpq() {
    let Some(server) = TcpServer::start() else { return };
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
        let ended = migrate(&url);
        assert_eq!(ended.code, Some(0), "{host} {parameters}: {ended:?}");
        Service::start(serve(&url)).process.stop();
    }
    for (host, parameters) in &bad {
        let url = server.url(host, parameters);
        for ended in [migrate(&url), serve(&url).run(), serve(&url).args(["--migrate"]).run()] {
            let is_named = ended.stderr.contains("--database-url / EARMARK_DATABASE_URL");
            assert!(ended.code == Some(1) && is_named, "{host} {parameters}: {ended:?}");
            assert!(!ended.stderr.contains(PASSWORD), "{ended:?}");
            assert!(!ended.stderr.contains("pool timed out"), "say why: {ended:?}");
        }
    }
}

#[test]
fn every_connection_of_the_pool_is_encrypted() {
    let Some(server) = TcpServer::start() else { return };
    let url = server
        .url("localhost", &format!("sslmode=verify-full&sslrootcert={}", text(&server.authority)));
    crate::support::prepare(&url);
    let service = Service::start(serve(&url));
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
fn what_the_url_leaves_out_comes_from_the_variables_of_libpq() {
    let Some(server) = TcpServer::start() else { return };
    let url = server.url("localhost", "").replace(&format!(":{PASSWORD}"), "");
    let run = |password: &str| {
        Program::earmark(["migrate"])
            .env("EARMARK_DATABASE_URL", &url)
            .env("PGPASSWORD", password)
            .env("PGSSLMODE", "verify-ca")
            .env("PGSSLROOTCERT", &server.authority)
            .run()
    };
    run(PASSWORD).printed();
    let ended = run("a-wrong-word");
    ended.refused(&["EARMARK_DATABASE_URL", "password authentication failed"]);
    assert!(!ended.stderr.contains("a-wrong-word"), "{ended:?}");
    app(&url, &["list"]).refused(&["EARMARK_DATABASE_URL"]);
}
