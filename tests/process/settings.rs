//! Settings: a bad one is named at the start, and the help lists all of them.

use testkit::postgres::Database;
use testkit::{Exit, Scratch, certificate, text};

use crate::EARMARK;

/// Runs a command with settings in the form `--flag=value` or `VARIABLE=value`.
fn run(command: &[&str], settings: &[&str]) -> Exit {
    let mut program = EARMARK.command(command);
    for setting in settings {
        program = match setting.split_once('=') {
            Some((name, value)) if !name.starts_with('-') => program.env(name, value),
            _ => program.args([setting]),
        };
    }
    program.run()
}

/// A database that no test connects to. Its password must not be printed.
const URL: &str = "EARMARK_DATABASE_URL=postgres://nobody:hidden-word@127.0.0.1:1/nothing";

/// Checks that the command fails with these settings, and that its message has these words.
#[track_caller]
fn check(command: &[&str], settings: &[&str], words: &[&str]) {
    let exit = run(command, settings);
    exit.expect_failure(words);
    assert!(!exit.stderr.contains("hidden-word"), "{settings:?}: {exit:?}");
    assert_eq!(exit.stdout, "", "{settings:?}");
}

#[test]
fn a_bad_setting_is_named() {
    for (settings, words) in [
        ("--listen=nonsense", &["--listen"][..]),
        ("EARMARK_LISTEN=127.0.0.1", &["--listen"]),
        ("EARMARK_LISTEN=127.0.0.1:99999", &["--listen"]),
        ("EARMARK_ADMIN_LISTEN=8081", &["--admin-listen", "localhost:8080"]),
        ("EARMARK_LOG=earmark=loud", &["--log", "EARMARK_LOG"]),
        ("--log=loudest,loudest=loudest", &["--log", "EARMARK_LOG"]),
        ("EARMARK_LOG_FORMAT=fancy", &["--log-format", "human", "json"]),
        ("EARMARK_DATABASE_CONNECTIONS=-1", &["--database-connections"]),
        ("EARMARK_DATABASE_CONNECTIONS=1", &["--database-connections", "--workers"]),
        ("EARMARK_HISTORY_DAYS=0", &["--history-days"]),
        ("EARMARK_DATABASE_STATEMENT_CACHE=maybe", &["--database-statement-cache"]),
        ("EARMARK_WORKERS=-1", &["--workers"]),
        ("EARMARK_SHUTDOWN_S=soon", &["--shutdown-s"]),
        ("EARMARK_MIGRATE=maybe", &["--migrate"]),
        ("EARMARK_LOCK_WAIT_S=0", &["--lock-wait-s"]),
        ("EARMARK_LOCK_WAIT_S=86401", &["--lock-wait-s"]),
        ("EARMARK_CONSOLE=maybe", &["--console"]),
        (
            "EARMARK_CONSOLE_LABEL=ä-label-of-thirty-three-charactér",
            &["--console-label", "at most 32"],
        ),
        ("EARMARK_CONSOLE_COLOR=mauve", &["--console-color", "red"]),
        ("EARMARK_OPERATOR_TOKEN=hidden-word", &["--operator-token", "16"]),
        ("EARMARK_OPERATOR_TOKEN=hidden-word and white space", &["EARMARK_OPERATOR_TOKEN"]),
        ("EARMARK_OPERATOR_TOKEN_FILE=/nowhere", &["--operator-token-file", "/nowhere"]),
        ("EARMARK_SHUTDOWN_DELAY_S=-1", &["--shutdown-delay-s"]),
        ("EARMARK_LOG_REQUESTS=some", &["--log-requests", "all", "errors", "none"]),
        ("EARMARK_OTLP_ENDPOINT=collector:4318", &["--otlp-endpoint", "http://host:port"]),
        ("EARMARK_OTLP_ENDPOINT=https://collector", &["--otlp-endpoint", "http://host:port"]),
        ("EARMARK_OTLP_ENDPOINT=http://", &["--otlp-endpoint", "http://host:port"]),
        ("OTEL_EXPORTER_OTLP_ENDPOINT=nonsense", &["--otel-exporter-otlp-endpoint"]),
        ("EARMARK_OTLP_SAMPLE_RATIO=1.1", &["--otlp-sample-ratio", "from 0 to 1"]),
        ("EARMARK_OTLP_SAMPLE_RATIO=NaN", &["--otlp-sample-ratio", "from 0 to 1"]),
    ] {
        check(&["serve"], &[URL, settings], words);
    }
    check(&["dev"], &["EARMARK_LISTEN=localhost"], &["--listen"]);
    let bad_url = "EARMARK_HEALTHCHECK_URL=https://h/x";
    check(&["healthcheck"], &[bad_url], &["EARMARK_HEALTHCHECK_URL"]);
}

#[test]
fn a_bad_certificate_is_named() {
    let scratch = Scratch::create();
    let own = certificate("localhost");
    let cert_file = text(&scratch.write("cert.pem", own.certificate));
    let key_file = text(&scratch.write("key.pem", own.key));
    let empty_file = text(&scratch.write("empty.pem", ""));
    let nowhere = text(&scratch.join("nowhere"));
    let cert = |file: &str| format!("--tls-cert={file}");
    let key = |file: &str| format!("--tls-key={file}");
    let key_variable = format!("EARMARK_TLS_KEY={key_file}");
    for (settings, words) in [
        (&[&*cert(&cert_file)][..], &["--tls-key"][..]),
        (&[&key_variable], &["--tls-cert"]),
        (&[&cert(&nowhere), &key(&key_file)], &["--tls-cert", &nowhere]),
        (&[&cert(&cert_file), &key(&nowhere)], &["--tls-key", &nowhere]),
        (&[&cert(&empty_file), &key(&key_file)], &["--tls-cert"]),
        (&[&cert(&cert_file), &key(&cert_file)], &["--tls-key", &cert_file]),
        (
            &[&cert(&cert_file), &key(&key_file), "EARMARK_TLS_SELF_SIGNED=true"],
            &["--tls-self-signed", "--tls-cert"],
        ),
    ] {
        check(&["serve"], &[&[URL], settings].concat(), words);
    }
}

#[test]
fn a_bad_database_url_or_key_is_named_and_not_printed() {
    let scratch = Scratch::create();
    let nowhere = text(&scratch.join("nowhere"));
    let named = ["--database-url", "EARMARK_DATABASE_URL"];
    for command in [&["serve"][..], &["migrate"], &["app", "list"], &["sig", "1"]] {
        check(command, &[], &[&named[..], &["missing"]].concat());
        for url in [
            "",
            "nonsense",
            "mysql://me:hidden-word@h/db",
            "postgres://me:hidden-word@h:port/db",
            "postgres://me:hidden-word@h/db?sslmode=some",
            "postgres://me@h/db?passwrod=hidden-word",
            "postgres://me:hidden-word@nowhere.invalid/db",
        ] {
            check(command, &[&format!("EARMARK_DATABASE_URL={url}")], &named);
        }
        let words = ["--database-url-file", "EARMARK_DATABASE_URL_FILE", &nowhere];
        check(command, &[&format!("EARMARK_DATABASE_URL_FILE={nowhere}")], &words);
        check(command, &[&format!("--database-url-file={nowhere}")], &words);
        let both = [URL, &format!("EARMARK_DATABASE_URL_FILE={nowhere}")];
        check(command, &both, &["--database-url", "--database-url-file"]);
    }
    let key = ["--secret-key", "EARMARK_SECRET_KEY"];
    check(&["sig", "1"], &["EARMARK_SECRET_KEY=short"], &[&key[..], &["16"]].concat());
    check(&["sig", "1"], &["EARMARK_SECRET_KEY= with white space around it"], &key);
    let words = ["--secret-key-file", "EARMARK_SECRET_KEY_FILE", &nowhere];
    check(&["sig", "1"], &[&format!("EARMARK_SECRET_KEY_FILE={nowhere}")], &words);
    check(&["sig", "1"], &[&format!("--secret-key-file={nowhere}")], &words);
}

#[test]
fn secrets_can_come_from_files() {
    let (scratch, database) = (Scratch::create(), Database::create());
    EARMARK.prepare(&database.url);
    let url = text(&scratch.write("url", format!("{}\r\n", database.url)));
    let listed = run(&["app", "list"], &[&format!("EARMARK_DATABASE_URL_FILE={url}")]);
    assert!(listed.expect_success().contains("app 1400000001"));
    let listed = run(&["app", "list"], &[&format!("--database-url-file={url}")]);
    assert!(listed.expect_success().contains("app 1400000001"));

    let key = text(&scratch.write("key", "a-key-that-stands-in-a-file\n"));
    let created = run(
        &["app", "create", "7"],
        &[&format!("EARMARK_DATABASE_URL_FILE={url}"), &format!("EARMARK_SECRET_KEY_FILE={key}")],
    );
    assert!(
        !created.expect_success().contains("a-key-that-stands-in-a-file"),
        "the given key was printed"
    );
    database.connect().run("DO $$ BEGIN ASSERT (SELECT count(*) = 1 FROM apps WHERE secret_key = 'a-key-that-stands-in-a-file'); END $$");
}

/// The commands that have options.
const COMMANDS: [&[&str]; 33] = [
    &[],
    &["dev"],
    &["serve"],
    &["migrate"],
    &["doctor"],
    &["sig"],
    &["healthcheck"],
    &["settings"],
    &["completions"],
    &["man"],
    &["verify"],
    &["export"],
    &["import"],
    &["compare"],
    &["pull"],
    &["push"],
    &["app"],
    &["app", "create"],
    &["app", "list"],
    &["app", "show"],
    &["app", "set"],
    &["app", "rotate-key"],
    &["app", "retire-key"],
    &["app", "add-admin"],
    &["app", "remove-admin"],
    &["app", "disable"],
    &["app", "enable"],
    &["app", "rename"],
    &["audit"],
    &["prune"],
    &["token", "create"],
    &["token", "list"],
    &["token", "revoke"],
];

/// Options about one app, one UserSig or one run. They are not settings of the program.
const NOT_SETTINGS: [&str; 31] = [
    "edition",
    "directory",
    "admin",
    "limit",
    "user-access",
    "allowed-origin",
    "no-allowed-origins",
    "force",
    "feed",
    "identifier",
    "lifetime-s",
    "plan",
    "indexes",
    "output",
    "user",
    "out",
    "resume",
    "dry-run",
    "app",
    "ignore",
    "from",
    "to",
    "sdkappid",
    "users",
    "rate",
    "patience-s",
    "effective",
    "name",
    "since",
    "before",
    "scope",
];

#[test]
fn the_help_names_the_variable_of_each_setting() {
    for command in COMMANDS {
        let help = EARMARK.command(command).args(["--help"]).run().expect_success();
        // Each option begins on a new line with its name.
        let mut options: Vec<String> = Vec::new();
        for line in help.lines().map(str::trim_start) {
            if ["--", "-h,", "-V,"].iter().any(|start| line.starts_with(start)) {
                options.push(String::new());
            }
            if let Some(option) = options.last_mut() {
                *option += line;
                option.push(' ');
            }
        }
        assert!(options.len() > 2, "{help}");
        for option in options {
            let name = option.trim_start_matches("-h, ").trim_start_matches("-V, ");
            let name = name.trim_start_matches("--").split([' ', '.', '[']).next().unwrap();
            if ["help", "version"].contains(&name) || NOT_SETTINGS.contains(&name) {
                continue;
            }
            let variable = format!("EARMARK_{}", name.replace('-', "_").to_uppercase());
            let variable = match variable.as_str() {
                "EARMARK_URL" => "EARMARK_HEALTHCHECK_URL",
                other => other,
            };
            assert!(option.contains(&format!("[env: {variable}")), "{command:?}: {option}");
        }
    }
}

#[test]
fn the_help_prints_no_secret_of_the_environment() {
    for command in COMMANDS {
        let help = EARMARK
            .command(command)
            .args(["--help"])
            .env("EARMARK_DATABASE_URL", "postgres://me:hidden-word@h/db")
            .env("EARMARK_SECRET_KEY", "hidden-word-as-a-key")
            .run();
        assert!(!help.expect_success().contains("hidden-word"), "{command:?}");
    }
}

#[test]
fn the_settings_document_is_up_to_date() {
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md"));
    let printed = EARMARK.command(["settings"]).run().expect_success();
    assert_eq!(document.unwrap(), printed, "run `cargo run -- settings >docs/settings.md`");
}
