//! Secrets stay secret: not in the logs at any level, not among the processes.

use std::fs;

use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{
    APP, Database, Dev, KEY, PASSWORD, Program, Scratch, Service, TcpServer, app, prepare, request,
    text,
};

#[track_caller]
fn check_hidden(said: &str, secrets: &[&str]) {
    for secret in secrets {
        if let Some(line) = said.lines().find(|line| line.contains(secret)) {
            panic!("`{secret}` was logged: {line}");
        }
    }
}

/// Requests of many kinds, most of them bad.
fn knock(service: &Service) {
    let client = service.client();
    client.must_mark("user", "friend");
    client.marks("user");
    for (method, path, body) in [
        ("GET", client.path("mark_contact"), ""),
        ("PUT", client.path("mark_contact"), "{}"),
        ("POST", client.path("no_such_command"), "{}"),
        ("POST", client.path("mark_contact"), "not JSON"),
        ("POST", client.path("mark_contact").replace(APP, "7"), "{}"),
        ("POST", client.path("mark_contact").replace("administrator", "somebody"), "{}"),
        ("POST", format!("{}%zz broken", client.path("mark_contact")), "{}"),
    ] {
        _ = request(service.api, method, &path, body);
    }
}

/// Every call that there is, as its documentation shows it and with an empty body.
fn call_everything(service: &Service) {
    let document = request(service.api, "GET", "/openapi.json", "").unwrap();
    let document: Value = serde_json::from_str(&document.body).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let calls = paths.iter().filter_map(|(path, operations)| {
        let json = &operations["post"]["requestBody"]["content"]["application/json"];
        path.strip_prefix("/v4/").map(|command| (command, json["example"].to_string()))
    });
    let mut called = 0;
    for (command, example) in calls {
        let path = service.client().path("x").replace("recentcontact/x", command);
        for body in [&*example, "{}"] {
            let answer = request(service.api, "POST", &path, body).unwrap();
            assert!(answer.body.contains("\"ErrorCode\":"), "{command}: {}", answer.body);
            check_hidden(&answer.body, &[KEY, PASSWORD, &service.client().sig]);
        }
        called += 1;
    }
    assert_eq!(called, 17);
    let metrics = request(service.admin, "GET", "/metrics", "").unwrap().body;
    check_hidden(&metrics, &[KEY, PASSWORD, &service.client().sig]);
}

#[test]
fn nothing_secret_is_logged_at_any_level() {
    let Some(server) = TcpServer::start() else { return };
    let url = server.url("localhost", "sslmode=require");
    prepare(&url);
    for format in ["human", "json"] {
        let program = serve_at_trace(&url).env("EARMARK_LOG_FORMAT", format);
        let process = program.start();
        let service = Service::listening(process);
        knock(&service);
        call_everything(&service);
        let sig = service.client().sig;
        let ended = service.process.stop();
        assert!(ended.stderr.contains("TRACE"), "it does log: {}", ended.stderr.len());
        check_hidden(&(ended.stdout + &ended.stderr), &[KEY, PASSWORD, &sig]);
    }
    for arguments in [&["app", "show", APP][..], &["app", "rotate-key", APP], &["migrate"]] {
        let ended = Program::earmark(arguments)
            .args(["--log", "trace"])
            .env("EARMARK_DATABASE_URL", &url)
            .env("EARMARK_SECRET_KEY", "a-new-secret-key-of-the-tests")
            .run();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let said = ended.stdout + &ended.stderr;
        check_hidden(&said, &[KEY, PASSWORD, "a-new-secret-key-of-the-tests"]);
    }
}

#[test]
fn nothing_secret_is_logged_over_https() {
    let database = Database::new();
    prepare(&database.url);
    let service = Service::start(serve_at_trace(&database.url).args(["--tls-self-signed"]));
    let client = service.client();
    let anyone = reqwest::Client::builder().danger_accept_invalid_certs(true);
    let answer = client.mark_over_https("127.0.0.1", anyone).unwrap();
    assert!(answer.contains(r#""ResultCode":0"#), "{answer}");
    let ended = service.process.stop();
    check_hidden(&(ended.stdout + &ended.stderr), &[KEY, &client.sig]);
}

#[test]
fn dev_logs_no_key_either() {
    let scratch = Scratch::new();
    let program = crate::support::dev(&scratch.join("data")).env("EARMARK_LOG", "trace");
    let dev = Dev::listening(program, &scratch);
    dev.client().must_mark("user", "friend");
    let (key, sig) = (dev.secret_key(), dev.client().sig);
    let ended = dev.process.stop();
    // The line to paste is printed, and only that.
    check_hidden(&ended.stdout, &[key.trim()]);
    check_hidden(&ended.stderr, &[key.trim(), &sig]);
}

#[test]
fn secrets_in_files_are_not_seen_among_the_processes() {
    let (scratch, database) = (Scratch::new(), Database::new());
    prepare(&database.url);
    let url = database.url.replace("earmark@", &format!("earmark:{PASSWORD}@"));
    let file = text(&scratch.write("url", &url));
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let program = Program::earmark(arguments).env("EARMARK_DATABASE_URL_FILE", file);
    let service = Service::start(program);
    for what in ["cmdline", "environ"] {
        if let Some(seen) = of_process(service.process.pid(), what) {
            assert!(!seen.is_empty() && !seen.contains(PASSWORD), "{what}: {seen}");
        }
    }
    service.process.stop();
}

#[test]
fn an_app_is_shown_without_its_keys() {
    let database = Database::new();
    prepare(&database.url);
    let rotated = "another-secret-key-of-the-tests";
    app(&database.url, &["rotate-key", APP, "--secret-key", rotated]).printed();
    for arguments in [&["show", APP][..], &["list"], &["set", APP], &["disable", APP]] {
        let shown = app(&database.url, arguments).printed();
        assert!(shown.contains("2 keys"), "{shown}");
        check_hidden(&shown, &[KEY, rotated]);
    }
}

fn serve_at_trace(url: &str) -> Program {
    crate::support::serve(url).env("EARMARK_LOG", "trace")
}

/// What `/proc` says of a process, where there is one.
fn of_process(pid: Pid, what: &str) -> Option<String> {
    fs::read(format!("/proc/{pid}/{what}")).ok().map(|bytes| String::from_utf8(bytes).unwrap())
}
