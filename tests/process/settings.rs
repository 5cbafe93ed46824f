//! Settings: what is wrong is named at the start, what is right is in the help.

use crate::support::{Database, Ended, Program, Scratch, certificate, prepare, text};

/// Runs a command with settings as `--flag=value` or `VARIABLE=value`.
fn run(command: &[&str], settings: &[&str]) -> Ended {
    let mut program = Program::earmark(command);
    for setting in settings {
        program = match setting.split_once('=') {
            Some((name, value)) if !name.starts_with('-') => program.env(name, value),
            _ => program.args([setting]),
        };
    }
    program.run()
}

#[test]
fn a_bad_setting_is_named() {
    const URL: &str = "EARMARK_DATABASE_URL=postgres://nobody:hidden-word@127.0.0.1:1/nothing";
    let scratch = Scratch::new();
    let (cert, key, _) = certificate("localhost");
    let cert_file = text(&scratch.write("cert.pem", cert));
    let key_file = text(&scratch.write("key.pem", key));
    let empty_file = text(&scratch.write("empty.pem", ""));
    let nowhere = text(&scratch.join("nowhere"));
    let cert = format!("--tls-cert={cert_file}");
    let no_cert = format!("--tls-cert={nowhere}");
    let empty_cert = format!("--tls-cert={empty_file}");
    let key = format!("--tls-key={key_file}");
    let no_key = format!("--tls-key={nowhere}");
    let key_variable = format!("EARMARK_TLS_KEY={key_file}");
    let no_url_file = format!("EARMARK_DATABASE_URL_FILE={nowhere}");
    let url_file_flag = format!("--database-url-file={nowhere}");
    let no_key_file = format!("EARMARK_SECRET_KEY_FILE={nowhere}");
    let key_file_flag = format!("--secret-key-file={nowhere}");

    let (serve, sig) = (&["serve"][..], &["sig", "1"][..]);
    for (command, settings, words) in [
        (serve, &[URL, "--listen=nonsense"][..], &["--listen"][..]),
        (serve, &[URL, "EARMARK_LISTEN=127.0.0.1"], &["--listen"]),
        (serve, &[URL, "EARMARK_LISTEN=127.0.0.1:99999"], &["--listen"]),
        (serve, &[URL, "EARMARK_ADMIN_LISTEN=:8081"], &["--admin-listen"]),
        (&["dev"], &["EARMARK_LISTEN=localhost"], &["--listen"]),
        (serve, &[URL, "EARMARK_LOG=earmark=loud"], &["--log", "EARMARK_LOG"]),
        (serve, &[URL, "--log=loudest,loudest=loudest"], &["--log", "EARMARK_LOG"]),
        (serve, &[URL, "EARMARK_LOG_FORMAT=fancy"], &["--log-format", "human", "json"]),
        (serve, &[URL, &cert], &["--tls-key"]),
        (serve, &[URL, &key_variable], &["--tls-cert"]),
        (serve, &[URL, &no_cert, &key], &["--tls-cert", &nowhere]),
        (serve, &[URL, &cert, &no_key], &["--tls-key", &nowhere]),
        (serve, &[URL, &empty_cert, &key], &["--tls-cert"]),
        (serve, &[URL, &cert, &format!("--tls-key={cert_file}")], &["--tls-key"]),
        (serve, &[URL, &cert, &key, "EARMARK_TLS_SELF_SIGNED=true"], &["--tls-self-signed"]),
        (serve, &[], &["--database-url", "EARMARK_DATABASE_URL", "missing"]),
        (&["migrate"], &[], &["--database-url", "EARMARK_DATABASE_URL", "missing"]),
        (&["app", "list"], &[], &["--database-url", "EARMARK_DATABASE_URL", "missing"]),
        (serve, &["EARMARK_DATABASE_URL="], &["--database-url", "EARMARK_DATABASE_URL"]),
        (serve, &["EARMARK_DATABASE_URL=nonsense"], &["--database-url", "EARMARK_DATABASE_URL"]),
        (serve, &["EARMARK_DATABASE_URL=mysql://me:hidden-word@h/db"], &["EARMARK_DATABASE_URL"]),
        (
            serve,
            &["EARMARK_DATABASE_URL=postgres://me:hidden-word@h:port/db"],
            &["EARMARK_DATABASE_URL"],
        ),
        (
            serve,
            &["EARMARK_DATABASE_URL=postgres://me:hidden-word@h/db?sslmode=some"],
            &["EARMARK_DATABASE_URL"],
        ),
        (serve, &[&no_url_file], &["--database-url-file", "EARMARK_DATABASE_URL_FILE", &nowhere]),
        (serve, &[&url_file_flag], &["--database-url-file", "EARMARK_DATABASE_URL_FILE", &nowhere]),
        (serve, &[URL, &no_url_file], &["--database-url", "--database-url-file"]),
        (serve, &[URL, "EARMARK_DATABASE_CONNECTIONS=0"], &["--database-connections"]),
        (serve, &[URL, "EARMARK_DATABASE_STATEMENT_CACHE=maybe"], &["--database-statement-cache"]),
        (serve, &[URL, "EARMARK_WORKERS=-1"], &["--workers"]),
        (serve, &[URL, "EARMARK_SHUTDOWN_S=soon"], &["--shutdown-s"]),
        (serve, &[URL, "EARMARK_MIGRATE=maybe"], &["--migrate"]),
        (sig, &["EARMARK_SECRET_KEY=short"], &["--secret-key", "EARMARK_SECRET_KEY", "16"]),
        (sig, &["EARMARK_SECRET_KEY= with white space around it"], &["EARMARK_SECRET_KEY"]),
        (sig, &[&no_key_file], &["--secret-key-file", "EARMARK_SECRET_KEY_FILE", &nowhere]),
        (sig, &[&key_file_flag], &["--secret-key-file", "EARMARK_SECRET_KEY_FILE", &nowhere]),
        (&["healthcheck"], &["EARMARK_HEALTHCHECK_URL=https://h/x"], &["EARMARK_HEALTHCHECK_URL"]),
    ] {
        let ended = run(command, settings);
        ended.refused(words);
        assert!(!ended.stderr.contains("hidden-word"), "{settings:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{settings:?}");
    }
}

#[test]
fn secrets_come_from_files_as_well() {
    let (scratch, database) = (Scratch::new(), Database::new());
    prepare(&database.url);
    let url = text(&scratch.write("url", format!("{}\r\n", database.url)));
    let listed = run(&["app", "list"], &[&format!("EARMARK_DATABASE_URL_FILE={url}")]);
    assert!(listed.printed().contains("app 1400000001"));
    let listed = run(&["app", "list"], &[&format!("--database-url-file={url}")]);
    assert!(listed.printed().contains("app 1400000001"));

    let key = text(&scratch.write("key", "a-key-that-stands-in-a-file\n"));
    let created = run(
        &["app", "create", "7"],
        &[&format!("EARMARK_DATABASE_URL_FILE={url}"), &format!("EARMARK_SECRET_KEY_FILE={key}")],
    );
    assert!(!created.printed().contains("a-key-that-stands-in-a-file"), "it is known already");
    database.connect().run("DO $$ BEGIN ASSERT (SELECT count(*) = 1 FROM apps WHERE secret_key = 'a-key-that-stands-in-a-file'); END $$");
}

/// The commands that have options, by their words.
const COMMANDS: [&[&str]; 15] = [
    &[],
    &["dev"],
    &["serve"],
    &["migrate"],
    &["sig"],
    &["healthcheck"],
    &["app"],
    &["app", "create"],
    &["app", "list"],
    &["app", "show"],
    &["app", "set"],
    &["app", "rotate-key"],
    &["app", "add-admin"],
    &["app", "remove-admin"],
    &["app", "disable"],
];

/// What is said of one app or one UserSig, on the spot: not a setting of the program.
const SAID_ON_THE_SPOT: [&str; 8] =
    ["edition", "directory", "admin", "limit", "retire", "undo", "identifier", "lifetime-s"];

#[test]
fn the_help_of_every_command_names_the_variable_of_every_setting() {
    for command in COMMANDS {
        let help = Program::earmark(command).args(["--help"]).run().printed();
        // An option begins on a line of its own, with its name.
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
            let name = name.trim_start_matches("--").split([' ', '.']).next().unwrap();
            if ["help", "version"].contains(&name) || SAID_ON_THE_SPOT.contains(&name) {
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
fn the_help_shows_no_secret_of_the_environment() {
    for command in COMMANDS {
        let help = Program::earmark(command)
            .args(["--help"])
            .env("EARMARK_DATABASE_URL", "postgres://me:hidden-word@h/db")
            .env("EARMARK_SECRET_KEY", "hidden-word-as-a-key")
            .run();
        assert!(!help.printed().contains("hidden-word"), "{command:?}");
    }
}
