//! Clients without valid credentials. What they make the service hold is bounded, and they do not keep it from its callers.

use std::fs;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use testkit::postgres::Database;
use testkit::{
    Answer, MARK_CONTACT, RawConnection, Scratch, Service, certificate, eventually, text,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::{EARMARK, https};

const MIB: usize = 1024 * 1024;

/// The most memory that the service has had resident, in bytes.
fn peak_memory(service: &Service) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", service.process.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Raises the limit of open files to its maximum for this process and the services that it starts later.
fn raise_descriptor_limit() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Sends the bytes, or as many of them as the service takes within `time`. Keeps the connection open.
async fn send(address: SocketAddr, bytes: &[u8], time: Duration) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The service may close the connection before it has read everything.
    drop(timeout(time, stream.write_all(bytes)).await);
    stream
}

fn head(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n")
}

#[test]
fn bodies_without_valid_credentials_are_never_kept() {
    // given
    raise_descriptor_limit();
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let client = service.client();
    client.must_mark("user", "before");
    let before = peak_memory(&service);
    let path = |usersig: &str, app: u32| {
        format!("/v4/{MARK_CONTACT}?sdkappid={app}&identifier=administrator&usersig={usersig}")
    };
    let heads = [
        head(&path("x", 1_400_000_001), MIB),
        head(&path("x", 7), MIB),
        head("/nowhere", MIB),
        head(&path("x", 1_400_000_001), 16 * MIB),
    ];
    let requests = heads.map(|head| [head.as_bytes(), &vec![b' '; MIB - 1]].concat());
    // when
    let took = Instant::now();
    let connections = block_on(async {
        let strangers = (0..2000)
            .map(|nr| send(service.api, &requests[nr % requests.len()], Duration::from_secs(20)));
        let connections = join_all(strangers).await;
        let marked = || client.mark("user", "meanwhile").ok().filter(Answer::is_marked);
        eventually("the service marks meanwhile", marked);
        connections
    });
    // then
    let peak = peak_memory(&service);
    println!(
        "2,000 bodies of 1 MiB: a peak of {} MiB, {} before, after {:?}",
        peak / MIB,
        before / MIB,
        took.elapsed()
    );
    assert!(peak <= 128 * MIB, "{} MiB", peak / MIB);
    drop(connections);
    client.must_mark("user", "after");
}

#[test]
fn a_client_that_reads_no_answers_is_disconnected() {
    // given
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let requests = "POST /nowhere HTTP/1.1\r\nhost: test\r\n\r\n".repeat(1000);
    let closed = block_on(async {
        let mut stream = TcpStream::connect(service.api).await.unwrap();
        // when
        let send = async { while stream.write_all(requests.as_bytes()).await.is_ok() {} };
        timeout(Duration::from_secs(25), send).await
    });
    // then
    assert!(closed.is_ok(), "the service keeps the connection");
    service.client().must_mark("user", "friend");
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    // given
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let service = EARMARK.start(EARMARK.serve(&database.url).env("EARMARK_KEEP_ALIVE_S", "1"));
    let (silent, used) = block_on(async {
        let mut silent = TcpStream::connect(service.api).await.unwrap();
        let mut used = TcpStream::connect(service.api).await.unwrap();
        used.write_all(b"POST /nowhere HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        // when
        let (mut first, mut second) = (String::new(), String::new());
        timeout(Duration::from_secs(8), silent.read_to_string(&mut first)).await.unwrap().unwrap();
        timeout(Duration::from_secs(8), used.read_to_string(&mut second)).await.unwrap().unwrap();
        (first, second)
    });
    // then
    assert_eq!(silent, "");
    assert_eq!(used.matches("HTTP/1.1 ").count(), 1, "{used}");
}

#[test]
fn an_idle_connection_is_kept_for_75_seconds_by_default() {
    // given
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let mut idle = RawConnection::open(service.api).unwrap();
    let mut used = RawConnection::open(service.api).unwrap();
    used.send(b"POST /nowhere HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    used.answer().unwrap();
    // when
    std::thread::sleep(Duration::from_secs(7));
    // then
    for connection in [&mut idle, &mut used] {
        connection.send(b"POST /nowhere HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
        assert_eq!(connection.answer().unwrap().code(), 60009);
    }
}

#[test]
fn every_head_must_arrive_within_five_seconds() {
    // given
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let whole = "POST /nowhere HTTP/1.1\r\nhost: test\r\n\r\n";
    for before in ["", whole] {
        let answers = block_on(async {
            let mut stream = TcpStream::connect(service.api).await.unwrap();
            stream.write_all(before.as_bytes()).await.unwrap();
            if !before.is_empty() {
                stream.readable().await.unwrap();
            }
            // when
            stream.write_all(b"POST /nowhere HT").await.unwrap();
            let mut answers = String::new();
            let read = timeout(Duration::from_secs(10), stream.read_to_string(&mut answers)).await;
            read.expect("the service keeps the connection").unwrap();
            answers
        });
        // then
        let last = answers.rsplit_once("HTTP/1.1 ").map(|(_, last)| last).unwrap_or_default();
        assert!(last.starts_with("408 "), "{answers}");
    }
}

#[test]
fn connections_beyond_the_maximum_wait() {
    // given
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let program = EARMARK.serve(&database.url);
    let program = program.args(["--client-connections", "1", "--workers", "1"]);
    let service = EARMARK.start(program);
    let request = b"POST /nowhere HTTP/1.1\r\nhost: test\r\n\r\n";
    let mut first = RawConnection::open(service.api).unwrap();
    first.send(request).unwrap();
    first.answer().unwrap();
    // when
    let patience = Duration::from_millis(500);
    let mut second = RawConnection::open_with_timeout(service.api, patience).unwrap();
    second.send(request).unwrap();
    // then
    second.answer().expect_err("the service handles a second connection");
    // when
    drop(first);
    // then
    eventually("an answer", || second.answer().ok());
}

/// Half of the strangers never send a byte, the others send the first byte of a handshake.
#[test]
fn unfinished_tls_handshakes_do_not_keep_callers_waiting() {
    // given
    raise_descriptor_limit();
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let service = EARMARK.start(EARMARK.serve(&database.url).args(["--tls-self-signed"]));
    let client = service.client();
    let insecure = || reqwest::Client::builder().danger_accept_invalid_certs(true);
    https::mark(&client, "127.0.0.1", insecure()).unwrap();
    // when
    let strangers = block_on(async {
        let bytes = |nr| if nr % 2 == 0 { &b""[..] } else { &b"\x16"[..] };
        join_all((0..1200).map(|nr| send(service.api, bytes(nr), Duration::from_secs(1)))).await
    });
    let begun = Instant::now();
    https::mark(&client, "127.0.0.1", insecure()).unwrap();
    let took = begun.elapsed();
    // then
    println!("with 1,200 unfinished handshakes a call took {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    // and the strangers are disconnected
    let closed = block_on(async {
        let ends = strangers.into_iter().map(async |mut stranger| {
            stranger.read_to_end(&mut Vec::new()).await.map_or(0, |length| length)
        });
        timeout(Duration::from_secs(10), join_all(ends)).await
    });
    assert!(closed.is_ok(), "the service keeps unfinished handshakes");
}

/// All messages arrive while the process is paused, those of the strangers first.
#[test]
fn a_caller_does_not_wait_for_the_handshakes_of_strangers() {
    const STRANGERS: usize = 500;
    // given
    let (scratch, database) = (Scratch::create(), Database::create());
    EARMARK.prepare(&database.url);
    let own = certificate("localhost");
    let file = |name, pem: &String| text(&scratch.write(name, pem));
    let (cert, key) = (file("cert.pem", &own.certificate), file("key.pem", &own.key));
    let program = EARMARK.serve(&database.url);
    let program = program.args(["--workers", "1", "--tls-cert", &cert, "--tls-key", &key]);
    let service = EARMARK.start(program);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(own.authority.as_bytes()).unwrap()).unwrap();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let client = client.unwrap().with_root_certificates(roots).with_no_client_auth();
    let (client, name) = (Arc::new(client), ServerName::try_from("localhost").unwrap());
    let mut hello = Vec::new();
    ClientConnection::new(client.clone(), name.clone()).unwrap().write_tls(&mut hello).unwrap();
    let request = b"POST /nowhere HTTP/1.1\r\nhost: test\r\n\r\n";
    let (mut answer, mut answered) = ([0; 1024], 0);
    block_on(async {
        let socket = TcpStream::connect(service.api).await.unwrap();
        let connector = TlsConnector::from(client);
        let mut caller = connector.connect(name.clone(), socket).await.unwrap();
        caller.write_all(request).await.unwrap();
        assert!(caller.read(&mut answer).await.unwrap() > 0);
        let connect = (0..STRANGERS).map(|_| TcpStream::connect(service.api));
        let mut strangers: Vec<_> =
            join_all(connect).await.into_iter().map(Result::unwrap).collect();
        // The worker has accepted the others before this one.
        let last = TcpStream::connect(service.api).await.unwrap();
        connector.connect(name, last).await.unwrap();
        // when
        service.process.send(Signal::SIGSTOP);
        for stranger in &mut strangers {
            stranger.write_all(&hello).await.unwrap();
        }
        caller.write_all(request).await.unwrap();
        service.process.send(Signal::SIGCONT);
        assert!(caller.read(&mut answer).await.unwrap() > 0);
        service.process.send(Signal::SIGSTOP);
        // then
        for stranger in strangers {
            let begun = stranger.into_std().unwrap().read(&mut answer);
            answered += usize::from(begun.is_ok());
        }
        service.process.send(Signal::SIGCONT);
    });
    println!("the service answered the caller after {answered} of {STRANGERS} handshakes");
    assert!(answered < STRANGERS / 4, "{answered} of {STRANGERS}");
}
