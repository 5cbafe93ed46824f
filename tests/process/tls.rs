//! HTTPS with the operator's certificate or with a self-signed one.

use nix::sys::signal::Signal;
use reqwest::{Client as Https, ClientBuilder};
use testkit::postgres::Database;
use testkit::{Scratch, certificate, text};

use crate::{EARMARK, https};

/// A client that trusts only this authority.
fn trusting(authority: &str) -> ClientBuilder {
    let root = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
    Https::builder().add_root_certificate(root)
}

#[test]
fn a_self_signed_certificate_serves_https() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let service = EARMARK.start(EARMARK.serve(&database.url).args(["--tls-self-signed"]));
    let client = service.client();
    let insecure = Https::builder().danger_accept_invalid_certs(true);
    let answer = https::mark(&client, "127.0.0.1", insecure).unwrap();
    assert!(answer.contains(r#""ResultCode":0"#), "{answer}");
    https::mark(&client, "127.0.0.1", Https::builder()).expect_err("no authority signed it");
    // The admin listener has no TLS.
    service.wait_until_ready();
    service.process.stop();
}

#[test]
fn the_operators_certificate_serves_https_and_can_be_verified() {
    let (scratch, database) = (Scratch::create(), Database::create());
    EARMARK.prepare(&database.url);
    let own = certificate("localhost");
    let cert_file = scratch.write("cert.pem", own.certificate);
    let key_file = text(&scratch.write("key.pem", own.key));
    let program = EARMARK.serve(&database.url);
    let program = program.env("EARMARK_TLS_CERT", cert_file).args(["--tls-key", &key_file]);
    let service = EARMARK.start(program);
    let client = service.client();
    let answer = https::mark(&client, "localhost", trusting(&own.authority)).unwrap();
    assert!(answer.contains(r#""ResultCode":0"#), "{answer}");
    https::mark(&client, "127.0.0.1", trusting(&own.authority))
        .expect_err("it is for another host");
    let plain = client.mark("user", "friend");
    assert!(plain.is_err(), "plain HTTP is not served on a TLS port: {plain:?}");
    service.process.stop();
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (scratch, database) = (Scratch::create(), Database::create());
    EARMARK.prepare(&database.url);
    let cert = text(&scratch.write("cert.pem", certificate("localhost").certificate));
    let key = text(&scratch.write("key.pem", certificate("localhost").key));
    let exit = EARMARK.on(&database.url, ["serve", "--tls-cert", &cert, "--tls-key", &key]).run();
    exit.expect_failure(&["--tls-cert and --tls-key do not go together"]);
}

#[test]
fn sighup_loads_a_renewed_certificate_and_keeps_the_old_one_if_it_cannot() {
    // given
    let (scratch, database) = (Scratch::create(), Database::create());
    EARMARK.prepare(&database.url);
    let (old, new) = (certificate("localhost"), certificate("localhost"));
    let cert_file = text(&scratch.write("cert.pem", &old.certificate));
    let key_file = text(&scratch.write("key.pem", &old.key));
    let program = EARMARK.serve(&database.url);
    let service = EARMARK.start(program.args(["--tls-cert", &cert_file, "--tls-key", &key_file]));
    let client = service.client();
    // when: only the certificate is replaced, so the key does not fit
    scratch.write("cert.pem", &new.certificate);
    service.process.send(Signal::SIGHUP);
    // then
    let line = service.process.stderr.line("cannot load the new certificate");
    assert!(line.contains("ERROR") && line.contains("do not go together"), "{line}");
    https::mark(&client, "localhost", trusting(&old.authority)).unwrap();
    // when
    scratch.write("key.pem", &new.key);
    service.process.send(Signal::SIGHUP);
    // then
    service.process.stderr.line("new connections use the new certificate");
    https::mark(&client, "localhost", trusting(&new.authority)).unwrap();
    https::mark(&client, "localhost", trusting(&old.authority)).expect_err("it was replaced");
    // when
    service.process.send(Signal::SIGHUP);
    // then
    service.process.stderr.line("the certificate is unchanged");
    service.process.stop();
}

#[test]
fn sighup_does_not_end_a_service_without_a_certificate() {
    // given
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    // when
    service.process.send(Signal::SIGHUP);
    // then
    service.process.stderr.line("there is no certificate to reload");
    service.client().must_mark("user", "friend");
    service.process.stop();
}
