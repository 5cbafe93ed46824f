//! Cursors of the native API when the database fails over, and streams when it is lost for a while. `restore.rs` has those of
//! restored backups.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use nix::sys::signal::Signal;
use testkit::postgres::Postgres;
use testkit::proxy::{Network, Proxy};
use testkit::{APP, Scratch, Service, TIMEOUT, wait_until};

use crate::EARMARK;
use crate::stand::{prepare, quiet};

/// Opens a stream of a user.
fn stream(service: &Service, user: &str) -> BufReader<TcpStream> {
    let sig = &service.client().user_sig;
    let mut socket = TcpStream::connect(service.api).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let ask = format!(
        "GET /v1/apps/{APP}/users/{user}/events HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {sig}\r\n\r\n"
    );
    socket.write_all(ask.as_bytes()).unwrap();
    let mut stream = BufReader::new(socket);
    wait_for_line(&mut stream, "data: ");
    stream
}

/// The next line of a stream with these words.
fn wait_for_line(stream: &mut BufReader<TcpStream>, words: &str) -> String {
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream has ended");
    }
    line
}

/// The standby may lack what the client has seen, so its cursor ends, unless an operator says that it never does.
#[test]
fn a_promotion_ends_cursors_unless_standbys_are_synchronous() {
    for (setting, status, last) in [("true", 410, "event: resync"), ("false", 200, "after")] {
        let (first, second) = (Scratch::create(), Scratch::create());
        let settings = ["cluster_name=primary", "wal_level=replica"];
        let Some(mut primary) = Postgres::start(first.path(), &settings) else { return };
        let mut standby = primary.start_standby(second.path(), "standby");
        prepare(&primary.url());
        let proxy = Proxy::start(primary.port());
        let serve = quiet(&proxy.url()).args(["--epoch-after-failover", setting]);
        let service = EARMARK.start(serve);
        let client = service.client();
        client.must_import("user");
        client.must_mark("user", "before");
        let cursor = client.cursor("user");
        let mut stream = stream(&service, "user");
        let lag =
            "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()";
        wait_until("the standby has everything", || primary.sql("postgres").number(lag) == 1);

        primary.lose_machine();
        standby.promote();
        proxy.forward_to(standby.port());
        wait_until("the service writes again", || {
            client.mark("user", "after").is_ok_and(|answer| answer.is_marked())
        });

        assert_eq!(client.changes("user", &cursor).status, status, "{setting}");
        wait_for_line(&mut stream, last);
        standby.end(Signal::SIGINT);
    }
}

/// A stream hears of nothing while the database is silent, and of everything afterwards.
#[test]
fn a_stream_outlives_an_outage_of_the_database() {
    let folder = Scratch::create();
    let Some(server) = Postgres::start(folder.path(), &[]) else { return };
    prepare(&server.url());
    let proxy = Proxy::start(server.port());
    let [service, other] = [proxy.url(), server.url()].map(|url| EARMARK.start(quiet(&url)));
    other.client().must_import("user");
    let mut stream = stream(&service, "user");
    proxy.set(Network::Silent);
    service.wait_until_not_ready();
    other.client().must_mark("user", "friend");
    proxy.set(Network::Normal);
    wait_for_line(&mut stream, "friend");
}
