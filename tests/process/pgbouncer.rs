//! PgBouncer in transaction mode, where each transaction may use another connection.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::thread;

use testkit::postgres::Database;
use testkit::{APP, Client, Process, Program, SECRET_KEY, Scratch, Service, text};

use crate::EARMARK;

/// A running PgBouncer that shares few connections among many clients.
pub(crate) struct Bouncer {
    _process: Process,
    pub(crate) url: String,
    _scratch: Scratch,
}

impl Bouncer {
    /// Starts PgBouncer. If it is not installed, prints why the test is skipped and returns `None`.
    pub(crate) fn start(database: &Database, mode: &str, connections: u32) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"]
            .into_iter()
            .find(|program| fs::exists(program).unwrap());
        let (Some(program), Some(socket)) = (program, database.socket()) else {
            println!("skipped: PgBouncer is not installed here, or PostgreSQL has no socket");
            return None;
        };
        let scratch = Scratch::create();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (folder, name) = (socket.display(), database.name());
        let settings = scratch.write(
            "pgbouncer.ini",
            format!(
                "[databases]\n{name} = host={folder} port=5432 user=earmark\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = any\npool_mode = {mode}\ndefault_pool_size = {connections}\n\
                 max_client_conn = 200\nignore_startup_parameters = extra_float_digits\n"
            ),
        );
        let owner = fs::metadata(socket).unwrap();
        let mut command = Command::new(program);
        command.arg(text(&settings)).current_dir("/");
        if nix::unistd::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let process = Program::new(command).start();
        process.stderr.line("process up");
        let url = format!("postgres://earmark@127.0.0.1:{port}/{name}?sslmode=disable");
        Some(Self { _process: process, url, _scratch: scratch })
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
}

#[test]
fn with_the_statement_cache_serve_fails() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let Some(bouncer) = Bouncer::start(&database, "transaction", 1) else { return };
    // A shared connection cannot have settings and prepared statements of one client.
    EARMARK
        .serve(&bouncer.url)
        .run()
        .expect_failure(&["--database-url", "unsupported startup parameter"]);
    bouncer.serve("false").process.stop();
}
