//! PgBouncer in session mode, and in transaction mode, where each transaction may use another connection.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;

use nix::sys::signal::Signal;
use testkit::postgres::{Database, PASSWORD, TERMINATE_SESSIONS, TlsServer};
use testkit::proxy::Proxy;
use testkit::{
    APP, Client, Process, Program, SECRET_KEY, Scratch, Service, certificate, not_installed,
    not_tested, text,
};

use crate::EARMARK;
use crate::connections::Pair;

/// A running PgBouncer that shares few connections among many clients.
pub(crate) struct Bouncer {
    _process: Process,
    pub(crate) url: String,
    _scratch: Scratch,
}

impl Bouncer {
    /// Starts PgBouncer. If it is not installed, says so and returns `None`.
    pub(crate) fn start(database: &Database, mode: &str, connections: u32) -> Option<Self> {
        let Some(socket) = database.socket() else {
            not_tested("PostgreSQL has no socket");
            return None;
        };
        let server = format!("host={} port=5432", socket.display());
        Self::before(&server, database.name(), socket, mode, connections)
    }

    /// Starts PgBouncer before a server over TLS. It demands TLS and a password, and so does the server.
    fn before_tls(server: &TlsServer, mode: &str) -> Option<Self> {
        let scratch = Scratch::create();
        let own = certificate("localhost");
        let [cert, key, authority] =
            [("own.crt", own.certificate), ("own.key", own.key), ("authority.pem", own.authority)]
                .map(|(name, content)| text(&scratch.write(name, content)));
        let users = text(&scratch.write("users", format!("\"earmark\" \"{PASSWORD}\"\n")));
        let (port, trusted) = (server.port(), text(&server.authority));
        let databases = format!("earmark = host=localhost port={port}");
        let settings = format!(
            "auth_type = scram-sha-256\nauth_file = {users}\npool_mode = {mode}\n\
             client_tls_sslmode = require\nclient_tls_cert_file = {cert}\nclient_tls_key_file = {key}\n\
             server_tls_sslmode = verify-full\nserver_tls_ca_file = {trusted}\n"
        );
        let (process, port) = Self::run(&scratch, &databases, &settings, server.data())?;
        let url = format!(
            "postgres://earmark:{PASSWORD}@localhost:{port}/earmark?sslmode=verify-full&sslrootcert={authority}"
        );
        Some(Self { _process: process, url, _scratch: scratch })
    }

    /// Starts PgBouncer before this server, as the user that owns `data`.
    fn before(server: &str, name: &str, data: &Path, mode: &str, connections: u32) -> Option<Self> {
        let scratch = Scratch::create();
        let databases = format!("{name} = {server} user=earmark");
        let settings =
            format!("auth_type = any\npool_mode = {mode}\ndefault_pool_size = {connections}\n");
        let (process, port) = Self::run(&scratch, &databases, &settings, data)?;
        let url = format!("postgres://earmark@127.0.0.1:{port}/{name}?sslmode=disable");
        Some(Self { _process: process, url, _scratch: scratch })
    }

    /// Returns the process and its port.
    fn run(
        scratch: &Scratch,
        databases: &str,
        settings: &str,
        data: &Path,
    ) -> Option<(Process, u16)> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"]
            .into_iter()
            .find(|program| fs::exists(program).unwrap());
        let Some(program) = program else {
            not_installed("PgBouncer");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = scratch.write(
            "pgbouncer.ini",
            format!(
                "[databases]\n{databases}\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 max_client_conn = 200\n{settings}"
            ),
        );
        let owner = fs::metadata(data).unwrap();
        let mut command = Command::new(program);
        command.arg(text(&settings)).current_dir("/");
        if nix::unistd::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let process = Program::new(command).start();
        process.stderr.line("process up");
        Some((process, port))
    }

    fn serve(&self, statement_cache: &str) -> Service {
        let program =
            EARMARK.serve(&self.url).env("EARMARK_DATABASE_STATEMENT_CACHE", statement_cache);
        EARMARK.start(program)
    }
}

/// Marks and reads, and checks each answer.
fn work(client: &Client, user: &str) {
    for number in 0..25 {
        client.must_mark(user, &format!("friend-{number}"));
        let marks = client.marks(user).matches(r#""StandardMark":"1""#).count();
        assert_eq!(marks, number + 1);
    }
}

#[test]
fn without_the_statement_cache_all_commands_work() {
    let database = Database::create();
    let Some(bouncer) = Bouncer::start(&database, "transaction", 2) else { return };
    let without_cache = |arguments: &[&str]| {
        EARMARK
            .command(arguments)
            .env("EARMARK_DATABASE_URL", &bouncer.url)
            .env("EARMARK_DATABASE_STATEMENT_CACHE", "false")
            .run()
    };
    assert!(without_cache(&["migrate"]).expect_success().starts_with("applied V1"));
    assert_eq!(without_cache(&["migrate"]).expect_success(), "the schema is up to date\n");
    let create = ["app", "create", APP, "--directory", "open", "--secret-key", SECRET_KEY];
    without_cache(&create).expect_success();
    let unlimited = ["app", "set", APP, "--limit", "calls-per-second=0"];
    without_cache(&unlimited).expect_success();

    let services = [bouncer.serve("false"), bouncer.serve("false")];
    thread::scope(|scope| {
        for (number, service) in services.iter().cycle().take(6).enumerate() {
            let client = service.client();
            scope.spawn(move || work(&client, &format!("user-{number}")));
        }
    });
    for service in services {
        service.process.stop();
    }
    let scratch = Scratch::create();
    let file = text(&scratch.write("app", without_cache(&["export", APP]).expect_success()));
    database.connect().run("DELETE FROM conversations; DELETE FROM users");
    let imported = without_cache(&["import", APP, &file]).expect_success();
    assert!(imported.starts_with("users: 6 new, "), "{imported}");
    without_cache(&["compare", &file]).expect_success();
}

#[test]
fn with_the_statement_cache_serve_fails_in_transaction_mode() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    for connections in [1, 5] {
        let Some(bouncer) = Bouncer::start(&database, "transaction", connections) else { return };
        // A shared connection cannot have settings and prepared statements of one client.
        EARMARK.serve(&bouncer.url).run().expect_failure(&[
            "--database-url",
            "a pooler",
            "EARMARK_DATABASE_STATEMENT_CACHE",
        ]);
        bouncer.serve("false").process.stop();
    }
}

#[test]
fn session_mode_needs_no_setting() {
    let database = Database::create();
    let Some(bouncer) = Bouncer::start(&database, "session", 20) else { return };
    EARMARK.prepare(&bouncer.url);
    let service = bouncer.serve("true");
    thread::scope(|scope| {
        for number in 0..6 {
            let client = service.client();
            scope.spawn(move || work(&client, &format!("user-{number}")));
        }
    });
    service.process.stop();
}

/// As the poolers of Neon and Supabase, which demand both.
#[test]
fn both_modes_work_over_tls_with_a_password() {
    let Some(server) = TlsServer::start() else { return };
    EARMARK.prepare(&server.url("127.0.0.1", "sslmode=require"));
    for (mode, statement_cache) in [("session", "true"), ("transaction", "false")] {
        let Some(bouncer) = Bouncer::before_tls(&server, mode) else { return };
        let service = bouncer.serve(statement_cache);
        work(&service.client(), mode);
        service.process.stop();
    }
}

#[test]
fn behind_a_pooler_serve_refuses_a_standby() {
    let Some(mut pair) = Pair::start() else { return };
    pair.wait_until_the_standby_has_the_schema();
    let standby = &mut pair.standby;
    let server = format!("host=127.0.0.1 port={}", standby.port());
    for (mode, statement_cache) in [("session", "true"), ("transaction", "false")] {
        let Some(bouncer) = Bouncer::before(&server, "earmark", standby.data(), mode, 5) else {
            return;
        };
        let serve = EARMARK
            .serve(&bouncer.url)
            .env("EARMARK_DATABASE_STATEMENT_CACHE", statement_cache)
            .run();
        serve.expect_failure(&["--database-url", "standby", "address of the primary"]);
    }
    standby.end(Signal::SIGINT);
}

/// The sessions with PgBouncer do not break.
#[test]
fn while_a_pooler_leads_to_a_standby_writes_get_50005_and_the_service_is_not_ready() {
    let Some(mut pair) = Pair::start() else { return };
    pair.wait_until_the_standby_has_the_schema();
    let proxy = Proxy::start(pair.primary.port());
    let server = format!("host=127.0.0.1 port={}", proxy.port());
    let Some(bouncer) = Bouncer::before(&server, "earmark", pair.primary.data(), "transaction", 5)
    else {
        return;
    };
    let service = bouncer.serve("false");
    let client = service.client();
    client.must_mark("user", "before");

    pair.lead_to_the_standby(&proxy, &service);
    let Pair { primary, standby, .. } = &mut pair;
    assert!(standby.sessions() > 0, "PgBouncer does not use the standby");
    proxy.forward_to(primary.port());
    standby.sql("postgres").run(TERMINATE_SESSIONS);

    service.wait_until_ready();
    client.must_mark("user", "after");
    assert!(client.marks("user").contains("after"));
    service.process.stop();
    standby.end(Signal::SIGINT);
}

/// Notes the settings of each session that writes a user.
const NOTE_SETTINGS: &str = "
    CREATE TABLE noted (settings text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO noted SELECT string_agg(current_setting(name), ' ' ORDER BY number) FROM unnest(ARRAY[
            'synchronous_commit', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
            'transaction_isolation', 'enable_seqscan', 'plan_cache_mode']) WITH ORDINALITY AS s (name, number);
        RETURN NEW;
    END $$;
    CREATE TRIGGER note BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION note()";

#[test]
fn each_write_has_the_settings_of_the_service_in_both_modes() {
    for (mode, statement_cache) in [("session", "true"), ("transaction", "false")] {
        for (default, expected) in
            [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")]
        {
            let database = Database::create();
            let Some(bouncer) = Bouncer::start(&database, mode, 20) else { return };
            EARMARK.prepare(&database.url);
            let mut sql = database.connect();
            sql.run(NOTE_SETTINGS);
            let name = database.name();
            sql.run(&format!("ALTER DATABASE {name} SET synchronous_commit = {default}"));

            let service = bouncer.serve(statement_cache);
            work(&service.client(), "user");
            // The second mark of a conversation takes the fast path.
            service.client().must_mark("user", "friend-0");

            let settings =
                format!("{expected} 2500ms 250ms 3s read committed off force_generic_plan");
            let others = format!("SELECT count(*) FROM noted WHERE settings <> '{settings}'");
            assert_eq!(sql.number(&others), 0, "{mode}, {default}");
            assert!(sql.number("SELECT count(*) FROM noted") >= 25);
            service.process.stop();
        }
    }
}
