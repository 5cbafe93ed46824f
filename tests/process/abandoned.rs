//! Sessions that the service gave up: what the server still executes counts, and does not pile up.

use std::thread;
use std::time::Duration;

use testkit::postgres::{Postgres, TERMINATE_SESSIONS};
use testkit::proxy::{Network, Proxy};
use testkit::{Client, MARK_CONTACT, Scratch, Service, wait_until};

use crate::EARMARK;

/// The sessions of [`start_with_few_sessions`]: what `--database-connections` allows, and what `serve` opens besides.
const ALLOWED: i64 = 4 + 5;

fn start_with_few_sessions(url: &str) -> Service {
    let serve =
        EARMARK.serve(url).env("EARMARK_WORKERS", "1").env("EARMARK_DATABASE_CONNECTIONS", "4");
    EARMARK.start(serve)
}

/// Sends six writes at once, which the database does not answer in time.
fn import_in_vain(client: &Client) {
    thread::scope(|scope| {
        for number in 0..6 {
            scope.spawn(move || {
                let import = format!(r#"{{"UserID":"user-{number}"}}"#);
                let answer = client.call("im_open_login_svc/account_import", &import).unwrap();
                assert_eq!(answer.code(), 50005, "{answer:?}");
            });
        }
    });
}

/// A server whose commits wait for a standby that does not exist.
fn without_its_standby(postgres: &Postgres) {
    postgres.alter_system("SET synchronous_standby_names = 'missing'");
    let waits = "SELECT count(*) FROM pg_settings
        WHERE name = 'synchronous_standby_names' AND setting = 'missing'";
    wait_until("the setting is loaded", || postgres.sql("postgres").number(waits) == 1);
}

const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

#[test]
fn sessions_that_wait_for_a_missing_standby_stay_within_the_limit() {
    let scratch = Scratch::create();
    let Some(postgres) = Postgres::start(scratch.path(), &["max_connections=60"]) else { return };
    EARMARK.prepare(&postgres.url());
    let service = start_with_few_sessions(&postgres.url());
    let client = service.client();
    client.must_mark("user", "before");
    without_its_standby(&postgres);

    for round in 0..3 {
        import_in_vain(&client);
        let sessions = postgres.sessions();
        assert!(sessions <= ALLOWED, "{sessions} sessions after round {round}");
    }
    // A cancelled commit would be visible although no standby has it.
    assert!(postgres.sql("postgres").number(WAITING) > 0, "the waiting commits were cancelled");
    assert!(client.marks("user").contains("before"), "reads go on");

    postgres.alter_system("RESET synchronous_standby_names");
    wait_until("the service works again", || client.mark_code() == 0);
    service.wait_until_ready();
    service.process.stop();
}

#[test]
fn a_cancelled_wait_for_a_standby_is_in_doubt() {
    let scratch = Scratch::create();
    let Some(postgres) = Postgres::start(scratch.path(), &[]) else { return };
    EARMARK.prepare(&postgres.url());
    // Not even a log that hides warnings hides them from the service.
    let service = EARMARK.start(EARMARK.serve(&postgres.url()).env("EARMARK_LOG", "info,sqlx=off"));
    let client = service.client();
    client.must_mark("user", "before");
    without_its_standby(&postgres);
    let mut operator = postgres.sql("postgres");

    // The fast path takes one statement, and a new conversation a transaction.
    for peer in ["before", "new"] {
        let code = thread::scope(|scope| {
            let call = scope.spawn(|| {
                let body = format!(
                    r#"{{"From_Account":"user","MarkItem":[{{"OptType":2,"ContactItem":{{"Type":1,"To_Account":"{peer}"}},"CustomMark":"x"}}]}}"#
                );
                client.call(MARK_CONTACT, &body).unwrap().code()
            });
            wait_until("the commit waits", || operator.number(WAITING) == 1);
            operator.run(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
            );
            call.join().unwrap()
        });
        assert_eq!(code, 50005, "{peer}");
    }
    postgres.alter_system("RESET synchronous_standby_names");
    wait_until("the service works again", || client.mark_code() == 0);
    service.process.stop();
}

/// Nothing tells the server that the connection of such a session is gone.
#[test]
fn sessions_that_fail_their_set_up_stay_within_the_limit() {
    /// The service sends the third message of the set-up when it knows the session's process.
    const MESSAGES: usize = 4;
    let scratch = Scratch::create();
    let Some(postgres) = Postgres::start(scratch.path(), &["max_connections=60"]) else { return };
    EARMARK.prepare(&postgres.url());
    let proxy = Proxy::start(postgres.port());
    let service = start_with_few_sessions(&proxy.url());
    let client = service.client();
    client.must_mark("user", "before");

    proxy.set(Network::SilenceNewAt(MESSAGES));
    postgres.sql("postgres").run(TERMINATE_SESSIONS);
    for round in 0..3 {
        import_in_vain(&client);
        let sessions = postgres.sessions();
        assert!(sessions <= ALLOWED, "{sessions} sessions after round {round}");
    }

    proxy.set(Network::Normal);
    wait_until("the service works again", || client.mark_code() == 0);
    service.process.stop();
}

/// The server learns that the connection of such a session is closed, and ends it.
#[test]
fn sessions_that_are_set_up_too_slowly_do_not_pile_up() {
    let scratch = Scratch::create();
    let Some(postgres) = Postgres::start(scratch.path(), &["max_connections=60"]) else { return };
    EARMARK.prepare(&postgres.url());
    let proxy = Proxy::start(postgres.port());
    let service = start_with_few_sessions(&proxy.url());
    let client = service.client();
    client.must_mark("user", "before");

    proxy.set(Network::Delay(Duration::from_millis(700)));
    postgres.sql("postgres").run(TERMINATE_SESSIONS);
    for round in 0..2 {
        import_in_vain(&client);
        let sessions = postgres.sessions();
        // The proxy delays the end of a connection as well.
        assert!(sessions <= 2 * ALLOWED, "{sessions} sessions after round {round}");
    }

    proxy.set(Network::Normal);
    wait_until("the service works again", || client.mark_code() == 0);
    wait_until("all others have ended", || postgres.sessions() <= ALLOWED);
    service.process.stop();
}
