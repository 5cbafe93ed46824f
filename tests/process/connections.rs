//! The service assumes nothing about a database connection: fail-over, settings, credentials, and schema changes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::str::FromStr as _;
use std::thread;

use nix::sys::signal::Signal;
use sqlx::postgres::PgConnectOptions;
use testkit::postgres::{Database, PASSWORD, Postgres, Sql, TERMINATE_SESSIONS, TlsServer};
use testkit::proxy::Proxy;
use testkit::{Answer, Program, Scratch, Service, eventually, text, wait_until};

use crate::EARMARK;

/// A primary and its asynchronous standby, with a prepared database.
pub(crate) struct Pair {
    pub(crate) primary: Postgres,
    pub(crate) standby: Postgres,
    _folders: [Scratch; 2],
}

impl Pair {
    pub(crate) fn start() -> Option<Self> {
        let folders = [Scratch::create(), Scratch::create()];
        let primary = Postgres::start(folders[0].path(), &["wal_level=replica"])?;
        EARMARK.prepare(&primary.url());
        let standby = primary.start_standby(folders[1].path(), "standby");
        Some(Self { primary, standby, _folders: folders })
    }

    pub(crate) fn wait_until_the_standby_has_the_schema(&self) {
        let tables = "SELECT count(*) FROM pg_tables WHERE tablename = 'apps'";
        let mut sql = self.standby.sql("earmark");
        wait_until("the standby has the schema", || sql.number(tables) == 1);
    }

    /// Leads the service to the standby, and checks that the service notices.
    #[track_caller]
    pub(crate) fn lead_to_the_standby(&mut self, proxy: &Proxy, service: &Service) {
        let client = service.client();
        proxy.forward_to(self.standby.port());
        self.primary.sql("postgres").run(TERMINATE_SESSIONS);
        for _ in 0..3 {
            assert_eq!(client.mark_code(), 50005);
        }
        service.wait_until_not_ready();
    }
}

#[test]
fn serve_refuses_a_standby_and_says_what_to_write() {
    let Some(mut pair) = Pair::start() else { return };
    pair.wait_until_the_standby_has_the_schema();
    let standby = &mut pair.standby;

    let refused = EARMARK.serve(&standby.url()).run();

    refused.expect_failure(&["--database-url", "standby", "address of the primary"]);
    standby.end(Signal::SIGINT);
}

#[test]
fn while_a_name_leads_to_a_standby_the_service_is_not_ready_and_reads_nothing_stale() {
    let Some(mut pair) = Pair::start() else { return };
    let proxy = Proxy::start(pair.primary.port());
    let service = EARMARK.start(EARMARK.serve(&proxy.url()));
    let client = service.client();
    client.must_mark("user", "before");

    pair.lead_to_the_standby(&proxy, &service);
    let Pair { primary, standby, .. } = &mut pair;
    proxy.forward_to(primary.port());

    service.wait_until_ready();
    client.must_mark("user", "after");
    assert_eq!(standby.sessions(), 0, "a session stayed on the standby");
    for _ in 0..50 {
        assert!(client.marks("user").contains("after"));
    }
    service.process.stop();
    standby.end(Signal::SIGINT);
}

#[test]
fn of_several_hosts_the_one_that_can_write_is_used() {
    let Some(mut pair) = Pair::start() else { return };
    let Pair { primary, standby, .. } = &mut pair;
    let (writes, reads) = (primary.port(), standby.port());
    let hosts = format!("127.0.0.1:1,127.0.0.1:{reads},127.0.0.1:{writes}");
    let url = format!(
        "postgres://earmark@{hosts}/earmark?sslmode=disable&target_session_attrs=read-write&connect_timeout=2"
    );

    let service = EARMARK.start(EARMARK.serve(&url));

    service.client().must_mark("user", "friend");
    assert_eq!(standby.sessions(), 0);
    service.process.stop();
    standby.end(Signal::SIGINT);
}

#[test]
fn a_database_that_becomes_read_only_is_not_ready_until_it_can_write_again() {
    let scratch = Scratch::create();
    let Some(postgres) = Postgres::start(scratch.path(), &[]) else { return };
    EARMARK.prepare(&postgres.url());
    let service = EARMARK.start(EARMARK.serve(&postgres.url()));
    let client = service.client();
    client.must_mark("user", "before");

    postgres.alter_system("SET default_transaction_read_only = on");

    service.wait_until_not_ready();
    assert_eq!(client.mark_code(), 50005);
    postgres.alter_system("RESET default_transaction_read_only");
    service.wait_until_ready();
    client.must_mark("user", "after");
    service.process.stop();
}

#[test]
fn no_acknowledged_write_is_lost_when_synchronous_commit_is_turned_off() {
    let by_server: fn(&Postgres) = |postgres| postgres.alter_system("SET synchronous_commit = off");
    let by_role: fn(&Postgres) = |postgres| {
        let mut sql = postgres.sql("postgres");
        sql.run("ALTER ROLE earmark SET synchronous_commit = off");
        sql.run(TERMINATE_SESSIONS);
    };
    for turn_off in [by_server, by_role] {
        let scratch = Scratch::create();
        // Without a synchronous commit, the WAL is written after ten seconds.
        let settings = ["wal_writer_delay=10s"];
        let Some(mut postgres) = Postgres::start(scratch.path(), &settings) else { return };
        EARMARK.prepare(&postgres.url());
        let service = EARMARK.start(EARMARK.serve(&postgres.url()));
        let client = service.client();
        client.must_mark("user", "first");

        turn_off(&postgres);
        let acknowledged: Vec<_> = (0..30).map(|number| format!("friend-{number}")).collect();
        for peer in &acknowledged {
            // A session may have ended with the call.
            let is_acknowledged = || client.mark("user", peer).is_ok_and(|mark| mark.is_marked());
            wait_until("the mark is acknowledged", is_acknowledged);
        }
        postgres.lose_machine();
        postgres.start_again();

        service.wait_until_ready();
        let marks = client.marks("user");
        let lost: Vec<_> = acknowledged.iter().filter(|peer| !marks.contains(*peer)).collect();
        assert!(lost.is_empty(), "{lost:?}");
        service.process.stop();
    }
}

#[test]
fn a_server_that_loses_writes_in_a_crash_is_refused_unless_a_setting_allows_it() {
    for setting in ["fsync=off", "full_page_writes=off"] {
        let scratch = Scratch::create();
        let Some(postgres) = Postgres::start(scratch.path(), &[setting]) else { return };
        let migrate = || EARMARK.on(&postgres.url(), ["migrate"]);

        migrate()
            .run()
            .expect_failure(&["fsync or full_page_writes is off", "--allow-unsafe-database"]);

        let exit = migrate().args(["--allow-unsafe-database"]).run();
        assert!(exit.stderr.contains("loses acknowledged writes"), "{exit:?}");
        exit.expect_success();
    }
}

#[test]
fn reads_and_writes_go_on_when_a_column_changes_its_type() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let client = service.client();
    // Several connections have prepared the statements.
    thread::scope(|scope| {
        for user in 0..16 {
            let client = &client;
            scope.spawn(move || {
                for number in 0..10 {
                    client.must_mark(&format!("user-{user}"), &format!("friend-{number}"));
                    client.marks(&format!("user-{user}"));
                }
            });
        }
    });
    for change in [
        "ALTER TABLE apps ALTER COLUMN edition TYPE varchar(200)",
        "ALTER TABLE conversations ALTER COLUMN changed_at SET NOT NULL, ADD COLUMN note text",
        "ALTER TABLE apps ALTER COLUMN edition TYPE text",
    ] {
        database.connect().run(change);
        thread::scope(|scope| {
            for user in 0..16 {
                let client = &client;
                scope.spawn(move || {
                    for round in 0..10 {
                        client.must_mark(&format!("user-{user}"), &format!("other-{round}"));
                        assert!(client.marks(&format!("user-{user}")).contains("friend-9"));
                    }
                });
            }
        });
        // The cached app is older than two seconds, and is loaded again.
        wait_until("all calls succeed", || client.mark_code() == 0);
    }
    service.process.stop();
}

/// The URL of the database over TLS, with this password.
fn with_password(server: &TlsServer, password: &str) -> String {
    server.url("127.0.0.1", "sslmode=require").replace(PASSWORD, password)
}

/// The password changes while `serve` runs, first in the database and later in `file`. `content` makes the file's content from a
/// password.
#[track_caller]
fn check_new_password(
    server: &TlsServer,
    serve: Program,
    file: &Path,
    content: impl Fn(&str) -> String,
) {
    let service = EARMARK.start(serve);
    let client = service.client();
    client.must_mark("user", "before");
    let options = PgConnectOptions::from_str(&with_password(server, PASSWORD)).unwrap();

    let mut operator = Sql::connect(&options.database("postgres"));
    operator.run("ALTER ROLE earmark PASSWORD 'another-password'");
    operator.run(TERMINATE_SESSIONS);

    let answer = client.mark("user", "refused").unwrap();
    assert_eq!(answer.code(), 50005, "{answer:?}");
    service.wait_until_not_ready();
    fs::write(file, content("another-password")).unwrap();
    eventually("the service works", || client.mark("user", "after").ok().filter(Answer::is_marked));
    let log = service.process.stop().stderr;
    assert!(!log.contains("another-password") && !log.contains(PASSWORD), "{log}");
}

#[test]
fn a_changed_password_needs_no_restart() {
    let Some(server) = TlsServer::start() else { return };
    let scratch = Scratch::create();
    let url = |password: &str| with_password(&server, password);
    let file = scratch.write("url", url(PASSWORD));
    EARMARK.prepare(&url(PASSWORD));
    let serve = EARMARK
        .command(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .env("EARMARK_DATABASE_URL_FILE", text(&file));

    check_new_password(&server, serve, &file, url);
}

#[test]
fn a_password_that_changes_in_the_password_file_of_libpq_needs_no_restart() {
    let Some(server) = TlsServer::start() else { return };
    let scratch = Scratch::create();
    let line = |password: &str| format!("127.0.0.1:*:earmark:earmark:{password}\n");
    let file = scratch.write("pgpass", line(PASSWORD));
    // libpq ignores the file if others may read it.
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    EARMARK.prepare(&with_password(&server, PASSWORD));
    let url = server.url("127.0.0.1", "sslmode=require").replace(&format!(":{PASSWORD}"), "");
    let serve = EARMARK.serve(&url).env("PGPASSFILE", text(&file));

    check_new_password(&server, serve, &file, line);
}
