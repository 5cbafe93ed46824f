//! Secrets appear neither in logs at any level nor in the list of processes.

use std::fs;

use nix::unistd::Pid;
use testkit::postgres::{Database, PASSWORD, TlsServer};
use testkit::{APP, Dev, MARK_CONTACT, Program, SECRET_KEY, Scratch, Service, request, text};

use crate::{EARMARK, https};

#[track_caller]
fn check_hidden(output: &str, secrets: &[&str]) {
    for secret in secrets {
        if let Some(line) = output.lines().find(|line| line.contains(secret)) {
            panic!("`{secret}` was logged: {line}");
        }
    }
}

/// Sends requests of many kinds, most of them bad.
fn send_requests(service: &Service) {
    let client = service.client();
    client.must_mark("user", "friend");
    client.marks("user");
    for (method, path, body) in [
        ("GET", client.path(MARK_CONTACT), ""),
        ("PUT", client.path(MARK_CONTACT), "{}"),
        ("POST", client.path("recentcontact/no_such_command"), "{}"),
        ("POST", client.path(MARK_CONTACT), "not JSON"),
        ("POST", client.path(MARK_CONTACT).replace(APP, "7"), "{}"),
        ("POST", client.path(MARK_CONTACT).replace("administrator", "somebody"), "{}"),
        ("POST", format!("{}%zz broken", client.path(MARK_CONTACT)), "{}"),
    ] {
        _ = request(service.api, method, &path, body);
    }
}

/// Sends every call of the OpenAPI document, with its example as the body and with an empty object.
fn call_everything(service: &Service) {
    let document = request(service.api, "GET", "/openapi.json", "").unwrap();
    let document = document.json();
    let paths = document["paths"].as_object().unwrap();
    let calls = paths.iter().filter_map(|(path, operations)| {
        let json = &operations["post"]["requestBody"]["content"]["application/json"];
        path.strip_prefix("/v4/").map(|command| (command, json["example"].to_string()))
    });
    let mut called = 0;
    for (command, example) in calls {
        for body in [&*example, "{}"] {
            let answer = service.client().call(command, body).unwrap();
            assert!(answer.body.contains("\"ErrorCode\":"), "{command}: {}", answer.body);
            check_hidden(&answer.body, &[SECRET_KEY, PASSWORD, &service.client().user_sig]);
        }
        called += 1;
    }
    assert_eq!(called, 17);
    let metrics = request(service.admin, "GET", "/metrics", "").unwrap().body;
    check_hidden(&metrics, &[SECRET_KEY, PASSWORD, &service.client().user_sig]);
}

#[test]
fn no_secret_is_logged_at_any_level() {
    let Some(server) = TlsServer::start() else { return };
    let url = server.url("localhost", "sslmode=require");
    EARMARK.prepare(&url);
    for format in ["human", "json"] {
        let program = serve_at_trace(&url).env("EARMARK_LOG_FORMAT", format);
        let process = program.start();
        let service = EARMARK.listening(process);
        send_requests(&service);
        call_everything(&service);
        let user_sig = service.client().user_sig;
        let exit = service.process.stop();
        assert!(exit.stderr.contains("TRACE"), "TRACE is missing in {} bytes", exit.stderr.len());
        check_hidden(&(exit.stdout + &exit.stderr), &[SECRET_KEY, PASSWORD, &user_sig]);
    }
    for arguments in [&["app", "show", APP][..], &["app", "rotate-key", APP], &["migrate"]] {
        let exit = EARMARK
            .on(&url, arguments)
            .args(["--log", "trace"])
            .env("EARMARK_SECRET_KEY", "a-new-secret-key-of-the-tests")
            .run();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        let output = exit.stdout + &exit.stderr;
        check_hidden(&output, &[SECRET_KEY, PASSWORD, "a-new-secret-key-of-the-tests"]);
    }
}

#[test]
fn no_secret_is_logged_over_https() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let service = EARMARK.start(serve_at_trace(&database.url).args(["--tls-self-signed"]));
    let client = service.client();
    let insecure = reqwest::Client::builder().danger_accept_invalid_certs(true);
    let answer = https::mark(&client, "127.0.0.1", insecure).unwrap();
    assert!(answer.contains(r#""ResultCode":0"#), "{answer}");
    let exit = service.process.stop();
    check_hidden(&(exit.stdout + &exit.stderr), &[SECRET_KEY, &client.user_sig]);
}

#[test]
fn dev_logs_no_secret() {
    let scratch = Scratch::create();
    let folder = scratch.join("data");
    let dev = Dev::start(EARMARK.dev(&folder).env("EARMARK_LOG", "trace"), folder);
    dev.client().must_mark("user", "friend");
    let (key, user_sig) = (dev.secret_key(), dev.client().user_sig);
    let exit = dev.process.stop();
    // Only the printed command has the UserSig.
    check_hidden(&exit.stdout, &[key.trim()]);
    check_hidden(&exit.stderr, &[key.trim(), &user_sig, &dev.token]);
}

#[test]
fn secrets_in_files_are_not_in_the_list_of_processes() {
    let (scratch, database) = (Scratch::create(), Database::create());
    EARMARK.prepare(&database.url);
    let url = database.url.replace("earmark@", &format!("earmark:{PASSWORD}@"));
    let file = text(&scratch.write("url", &url));
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let program = EARMARK.command(arguments).env("EARMARK_DATABASE_URL_FILE", file);
    let service = EARMARK.start(program);
    for name in ["cmdline", "environ"] {
        if let Some(content) = proc_file(service.process.pid(), name) {
            assert!(!content.is_empty() && !content.contains(PASSWORD), "{name}: {content}");
        }
    }
    service.process.stop();
}

#[test]
fn app_commands_do_not_print_keys() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let rotated = "another-secret-key-of-the-tests";
    EARMARK.app(&database.url, &["rotate-key", APP, "--secret-key", rotated]).expect_success();
    for arguments in [&["show", APP][..], &["list"], &["set", APP], &["disable", APP]] {
        let shown = EARMARK.app(&database.url, arguments).expect_success();
        assert!(shown.contains("2 keys"), "{shown}");
        check_hidden(&shown, &[SECRET_KEY, rotated]);
    }
}

fn serve_at_trace(url: &str) -> Program {
    EARMARK.serve(url).env("EARMARK_LOG", "trace")
}

/// A file of `/proc` about a process. `None` on a system without `/proc`.
fn proc_file(pid: Pid, name: &str) -> Option<String> {
    fs::read(format!("/proc/{pid}/{name}")).ok().map(|bytes| String::from_utf8(bytes).unwrap())
}
