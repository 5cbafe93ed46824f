//! https: with a certificate of the operator's, or one made at the start.

use reqwest::{Certificate, Client as Https};

use crate::support::{
    Database, Program, Scratch, Service, certificate, prepare, request, serve, text,
};

#[test]
fn a_certificate_made_at_the_start_serves_https() {
    let database = Database::new();
    prepare(&database.url);
    let service = Service::start(serve(&database.url).args(["--tls-self-signed"]));
    let client = service.client();
    let anyone = Https::builder().danger_accept_invalid_certs(true);
    let answer = client.mark_over_https("127.0.0.1", anyone).unwrap();
    assert!(answer.contains(r#""ResultCode":0"#), "{answer}");
    client.mark_over_https("127.0.0.1", Https::builder()).expect_err("nobody vouches for it");
    assert_eq!(request(service.admin, "GET", "/readyz", "").unwrap().status, 200, "plain HTTP");
    service.process.stop();
}

#[test]
fn a_certificate_of_the_operators_serves_https_and_can_be_verified() {
    let (scratch, database) = (Scratch::new(), Database::new());
    prepare(&database.url);
    let (certificate, key, authority) = certificate("localhost");
    let files = (scratch.write("cert.pem", certificate), scratch.write("key.pem", key));
    let program =
        serve(&database.url).env("EARMARK_TLS_CERT", files.0).args(["--tls-key", &text(&files.1)]);
    let service = Service::start(program);
    let client = service.client();
    let knowing = || {
        let root = Certificate::from_pem(authority.as_bytes()).unwrap();
        Https::builder().add_root_certificate(root)
    };
    let answer = client.mark_over_https("localhost", knowing()).unwrap();
    assert!(answer.contains(r#""ResultCode":0"#), "{answer}");
    client.mark_over_https("127.0.0.1", knowing()).expect_err("it is for another name");
    let plain = client.mark("user", "friend");
    assert!(plain.is_err(), "plain HTTP is not served on a TLS port: {plain:?}");
    service.process.stop();
}

#[test]
fn a_certificate_and_a_key_that_do_not_go_together_are_named() {
    let (scratch, database) = (Scratch::new(), Database::new());
    prepare(&database.url);
    let cert = text(&scratch.write("cert.pem", certificate("localhost").0));
    let key = text(&scratch.write("key.pem", certificate("localhost").1));
    let ended = Program::earmark(["serve", "--tls-cert", &cert, "--tls-key", &key])
        .env("EARMARK_DATABASE_URL", &database.url)
        .run();
    ended.refused(&["--tls-cert and --tls-key do not go together"]);
}
