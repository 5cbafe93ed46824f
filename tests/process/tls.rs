//! HTTPS with the operator's certificate or with a self-signed one.

use reqwest::Client as Https;
use testkit::postgres::Database;
use testkit::{Scratch, certificate, text};

use crate::{EARMARK, https};

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
    let trusting = || {
        let root = reqwest::Certificate::from_pem(own.authority.as_bytes()).unwrap();
        Https::builder().add_root_certificate(root)
    };
    let answer = https::mark(&client, "localhost", trusting()).unwrap();
    assert!(answer.contains(r#""ResultCode":0"#), "{answer}");
    https::mark(&client, "127.0.0.1", trusting()).expect_err("it is for another host");
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
