//! TLS to the database. Every command treats `sslmode` as libpq does.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

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

/// A password with each character that a URL gives a meaning, and as a URL has to write it.
const AWKWARD: [&str; 2] = ["p@ss/w:rd?#%&=+ \u{fc}", "p%40ss%2Fw%3Ard%3F%23%25%26%3D%2B%20%C3%BC"];

/// Roles as providers name them. All have the password [`AWKWARD`].
const ROLES: [&str; 8] = [
    "neondb_owner",
    "postgres",
    "postgres.abcdefghijklmnopqrst",
    "u1a2b3c4",
    "plain",
    "me@server",
    "doadmin",
    "avnadmin",
];

/// The URLs have the form in which providers print them, with the host, the port and the database of a local server that
/// demands the same. `SSL_CERT_FILE` stands for the system's authorities.
#[test]
fn urls_of_providers_connect_as_they_are_printed() {
    let Some(server) = TlsServer::start() else { return };
    let mut sql = server.sql();
    for role in ROLES {
        let password = AWKWARD[0];
        sql.run(&format!(r#"CREATE ROLE "{role}" SUPERUSER LOGIN PASSWORD '{password}'"#));
    }
    let (port, password) = (server.port(), AWKWARD[1]);
    let (authority, socket) = (text(&server.authority), text(&server.socket));
    let host = format!("localhost:{port}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap();
    let run = |url: &str, system: &Path| {
        let url = url.replace("PASSWORD", password).replace("HOST", &host);
        EARMARK.on(&url, ["migrate"]).env("SSL_CERT_FILE", system).run()
    };
    let neon =
        "postgresql://neondb_owner:PASSWORD@HOST/earmark?sslmode=require&channel_binding=require";
    for url in [
        neon,
        // Neon, and Crunchy Bridge, where the client has to check the server's name.
        "postgresql://neondb_owner:PASSWORD@HOST/earmark?sslmode=verify-full&sslrootcert=system",
        // Amazon RDS.
        &format!(
            "postgres://postgres:PASSWORD@HOST/earmark?sslmode=verify-full&sslrootcert={authority}"
        ),
        // Supabase, direct and through its pooler.
        "postgresql://postgres:PASSWORD@HOST/earmark",
        "postgresql://postgres.abcdefghijklmnopqrst:PASSWORD@HOST/earmark",
        // Heroku.
        "postgres://u1a2b3c4:PASSWORD@HOST/earmark",
        // Fly.io, whose network encrypts everything.
        "postgres://plain:PASSWORD@HOST/earmark?sslmode=disable",
        // Azure, whose older servers have an @ in their roles.
        "postgres://me%40server:PASSWORD@HOST/earmark?sslmode=require",
        // DigitalOcean and Aiven.
        "postgresql://doadmin:PASSWORD@HOST/earmark?sslmode=require",
        "postgres://avnadmin:PASSWORD@HOST/earmark?sslmode=require",
        // Cloud SQL, through the socket of its proxy.
        &format!("postgresql://postgres:PASSWORD@/earmark?host={socket}&port={port}"),
        // A cluster of several hosts, one of which does not answer.
        &format!(
            "postgresql://postgres:PASSWORD@{silent},HOST/earmark?target_session_attrs=read-write&connect_timeout=10&sslmode=require"
        ),
    ] {
        let exit = run(url, &server.authority);
        assert_eq!(exit.code, Some(0), "{url}: {exit:?}");
    }
    let false_server = run(neon, &server.other_authority);
    false_server.expect_failure(&["--database-url", "certificate"]);
}

#[test]
fn connect_timeout_limits_how_long_a_silent_host_is_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://me@{}/d?connect_timeout=1", silent.local_addr().unwrap());
    let begun = Instant::now();

    let exit = EARMARK.migrate(&url);

    let took = begun.elapsed();
    exit.expect_failure(&["--database-url", "timed out"]);
    assert!(took < Duration::from_secs(3), "{took:?}");
}

/// What providers and frameworks print, and no PostgreSQL client can use as it is.
#[test]
fn a_url_that_cannot_work_is_answered_by_one_sentence_that_says_what_to_write() {
    for (url, sentence) in [
        ("postgres://me@h/d?sslmode=no-verify", "sslmode, which must be `disable`"),
        ("postgres://me@h/d?ssl=true", "write sslmode=require instead"),
        ("postgres://me@h/d?pgbouncer=true", "set --database-statement-cache"),
        ("postgres://me@h/d?schema=public", "leave it out: schema"),
        ("postgres://me@h/d?sslmode=require&supa=base-pooler.x", "leave it out: supa"),
        ("postgres://me@h/d?target_session_attrs=standby", "must be `read-write`"),
        ("postgres://me:a/secret@h/d", "/ is %2F"),
        ("jdbc:postgresql://h/d?user=me", "postgres://user@host:5432/database"),
        ("host=h dbname=d user=me password=secret", "postgres://user@host:5432/database"),
    ] {
        let exit = EARMARK.migrate(url);
        exit.expect_failure(&["--database-url / EARMARK_DATABASE_URL", sentence]);
        assert!(!exit.stderr.contains("secret"), "{exit:?}");
        assert_eq!(exit.stderr.trim().lines().count(), 1, "{exit:?}");
    }
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
