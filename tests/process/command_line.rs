//! Where settings come from, and what the program tells a shell about its commands.

use std::fs;
use std::process::Command;

use serde_json::Value;
use testkit::postgres::Database;
use testkit::{Program, Scratch, Service, request, text};

use crate::EARMARK;

/// The value of a setting, and where it comes from, as `settings --effective` says.
#[track_caller]
fn effective(program: Program, flag: &str) -> (Option<String>, String) {
    let printed = program.run().expect_success();
    let document: Value = serde_json::from_str(&printed).unwrap();
    let settings = document["settings"].as_array().unwrap();
    let found = settings.iter().find(|one| one["flag"] == flag).unwrap();
    let text = |name: &str| found[name].as_str().map(str::to_owned);
    let from = text("from").map(|from| format!(" {from}")).unwrap_or_default();
    (text("value"), text("source").unwrap() + &from)
}

fn has_console(service: &Service) -> bool {
    request(service.api, "GET", "/console", "").unwrap().body.contains("<html")
}

#[test]
fn a_flag_wins_against_a_variable_a_variable_against_the_file_and_the_file_against_the_default() {
    let scratch = Scratch::create();
    let file = text(&scratch.write("earmark.toml", "history-days = 7\nconsole = true\n"));
    let settings = || EARMARK.command(["settings", "--effective", "--output", "json"]);
    let check = |program, flag, value: &str, source: &str| {
        assert_eq!(effective(program, flag), (Some(value.to_owned()), source.to_owned()));
    };
    check(settings(), "--history-days", "30", "default");
    let with_file = || settings().env("EARMARK_CONFIG", &file);
    check(with_file(), "--history-days", "7", &format!("file {file}"));
    check(with_file(), "--console", "true", &format!("file {file}"));
    let with_both = || with_file().env("EARMARK_HISTORY_DAYS", "8").env("EARMARK_CONSOLE", "0");
    check(with_both(), "--history-days", "8", "variable EARMARK_HISTORY_DAYS");
    check(with_both(), "--console", "0", "variable EARMARK_CONSOLE");

    let json = ["settings", "--effective", "--output", "json", "--", "serve"];
    let given = ["--history-days", "9", "--console=false", "--config", &file];
    let serve = || EARMARK.command(json).args(given).env("EARMARK_HISTORY_DAYS", "8");
    check(serve(), "--history-days", "9", "flag");
    check(serve(), "--console", "false", "flag");
}

#[test]
fn a_command_uses_the_file() {
    let (scratch, database) = (Scratch::create(), Database::create());
    EARMARK.prepare(&database.url);
    let settings = format!(
        "database-url = '{}'\nlisten = 'localhost:0'\nadmin-listen = '127.0.0.1:0'\nworkers = 3\nconsole = true\n",
        database.url
    );
    let file = text(&scratch.write("earmark.toml", settings));
    let service = EARMARK.start(EARMARK.command(["serve", "--config", &file]));
    assert!(service.process.stderr.line("listening on").contains("workers=3"));
    assert!(has_console(&service));
    service.process.stop();
    let listed = EARMARK.command(["--config", &file, "app", "list"]).run().expect_success();
    assert!(listed.contains("app 1400000001"), "{listed}");
}

#[test]
fn a_file_that_is_wrong_is_named() {
    let scratch = Scratch::create();
    let nowhere = text(&scratch.join("nowhere"));
    let missing = EARMARK.command(["serve", "--config", &nowhere]).run();
    missing.expect_failure(&["--config / EARMARK_CONFIG", &nowhere]);
    for (text_of_file, word) in [
        ("lisen = ':80'", "did you mean listen?"),
        ("workers = 'many'", "--workers"),
        // A setting of another command is checked as well.
        ("healthcheck-url = 'x'", "healthcheck-url is not a setting"),
        ("database-url = hidden-word", "line 1"),
    ] {
        let file = text(&scratch.write("bad.toml", text_of_file));
        let exit = EARMARK.command(["sig", "1"]).env("EARMARK_CONFIG", &file).run();
        exit.expect_failure(&[&file, word]);
        assert!(!exit.stderr.contains("hidden-word"), "{exit:?}");
    }
}

#[test]
fn settings_of_the_file_that_exclude_each_other_are_refused() {
    let scratch = Scratch::create();
    for (settings, words) in [
        ("tls-cert = 'x'", ["--tls-cert", "--tls-key"]),
        (
            "tls-cert = 'x'\ntls-key = 'x'\ntls-self-signed = true",
            ["--tls-self-signed", "--tls-cert"],
        ),
    ] {
        let file = text(&scratch.write("earmark.toml", settings));
        EARMARK.command(["serve", "--config", &file]).run().expect_failure(&words);
    }
}

#[test]
fn no_secret_is_shown_among_the_settings() {
    let scratch = Scratch::create();
    let file = text(&scratch.write("earmark.toml", "operator-token = 'hidden-word-in-the-file'\n"));
    let shown = EARMARK
        .command(["settings", "--effective", "--", "serve", "--config", &file])
        .env("EARMARK_DATABASE_URL", "postgres://me:hidden-word@h/db")
        .run()
        .expect_success();
    assert!(!shown.contains("hidden-word"), "{shown}");
    let line = |flag: &str| shown.lines().find(|line| line.starts_with(flag)).unwrap().to_owned();
    assert!(line("--operator-token ").contains("(secret)"), "{shown}");
    assert!(line("--operator-token ").ends_with(&format!("file {file}")), "{shown}");
    assert!(line("--database-url ").ends_with("variable EARMARK_DATABASE_URL"), "{shown}");
    let help = EARMARK.command(["serve", "--help", "--config", &file]).run().expect_success();
    assert!(!help.contains("hidden-word"), "{help}");
}

#[test]
fn a_misspelt_variable_is_logged_with_the_nearest_name_and_without_its_value() {
    let exit = EARMARK
        .command(["settings"])
        .env("EARMARK_DATABASE_ULR", "postgres://me:hidden-word@h/db")
        .env("EARMARK_SERVICE_HOST", "10.0.0.1")
        .run();
    let line = exit.stderr.lines().find(|line| line.contains("EARMARK_DATABASE_ULR")).unwrap();
    assert!(line.contains("WARN") && line.contains("did you mean EARMARK_DATABASE_URL?"), "{line}");
    assert!(
        !exit.stderr.contains("hidden-word") && !exit.stderr.contains("SERVICE_HOST"),
        "{exit:?}"
    );
    assert_eq!(exit.code, Some(0));
}

#[test]
fn switches_take_the_words_that_people_use() {
    for (value, is_on) in [("1", true), ("yes", true), ("on", true), ("0", false), ("no", false)] {
        let program = EARMARK
            .command(["settings", "--effective", "--output", "json"])
            .env("EARMARK_CONSOLE", value);
        assert_eq!(effective(program, "--console").0.as_deref(), Some(value));
        let database = Database::create();
        EARMARK.prepare(&database.url);
        let service = EARMARK.start(EARMARK.serve(&database.url).env("EARMARK_CONSOLE", value));
        assert_eq!(has_console(&service), is_on, "{value}");
        service.process.stop();
    }
}

#[test]
fn bash_completes_commands_and_flags() {
    let scratch = Scratch::create();
    let script = EARMARK.command(["completions", "bash"]).run().expect_success();
    let script = text(&scratch.write("earmark.bash", script));
    let complete = |words: &str| {
        let count = words.split(' ').count() - 1;
        let last = words.rsplit(' ').next().unwrap();
        let asked = format!(
            "source {script}; COMP_WORDS=({words}); COMP_CWORD={count}; \
             _earmark earmark '{last}' ''; echo \"${{COMPREPLY[@]}}\""
        );
        let answered = Command::new("bash").args(["-c", &asked]).output().unwrap();
        String::from_utf8(answered.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("earmark heal"), "healthcheck");
    assert_eq!(complete("earmark app rot"), "rotate-key");
    assert_eq!(complete("earmark serve --admin-l"), "--admin-listen");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let script = EARMARK.command(["completions", shell]).run().expect_success();
        assert!(script.contains("rotate-key"), "{shell}");
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let scratch = Scratch::create();
    let printed = EARMARK.command(["man", &text(scratch.path())]).run().expect_success();
    let pages: Vec<_> = printed.lines().collect();
    for name in ["earmark.1", "earmark-serve.1", "earmark-app-create.1"] {
        let page = text(&scratch.join(name));
        assert!(pages.contains(&&*page), "{printed}");
        assert!(fs::read_to_string(page).unwrap().contains("NAME"));
    }
    let serve = fs::read_to_string(scratch.join("earmark-serve.1")).unwrap();
    assert!(serve.contains("EARMARK_LISTEN") && serve.contains("Examples"), "{serve}");
    let nowhere = text(&scratch.join("nowhere"));
    EARMARK.command(["man", &nowhere]).run().expect_failure(&[&nowhere]);
}

/// The manual's pages are named after the commands: `earmark-app-create.1`.
#[test]
fn the_readme_names_every_command() {
    let scratch = Scratch::create();
    let pages = EARMARK.command(["man", &text(scratch.path())]).run().expect_success();
    let readme = include_str!("../../README.md");
    let (_, table) = readme.split_once("| Command | For |").unwrap();
    let rows: Vec<_> = table.split("\n\n").next().unwrap().lines().skip(1).collect();
    let names = pages.lines().map(|page| page.rsplit('/').next().unwrap().trim_end_matches(".1"));
    let is_missing = |name: &str| {
        let (command, own) = name.split_once('-').unwrap_or((name, ""));
        let row = rows.iter().find(|row| row.split('|').nth(1).unwrap().contains(&quoted(command)));
        !row.is_some_and(|row| own.is_empty() || row.contains(&quoted(own)))
    };
    let names = names.filter_map(|name| name.strip_prefix("earmark-"));
    let missing: Vec<_> = names.filter(|name| is_missing(name)).collect();
    assert!(missing.is_empty(), "README.md does not name {missing:?}");
}

fn quoted(command: &str) -> String {
    format!("`{command}`")
}

#[test]
fn the_version_names_the_commit() {
    let version = format!("earmark {}", env!("CARGO_PKG_VERSION"));
    let short = EARMARK.command(["-V"]).run().expect_success();
    assert_eq!(short.trim(), version);
    let long = EARMARK.command(["--version"]).run().expect_success();
    assert!(long.starts_with(&format!("{version}, commit ")), "{long}");
}

#[test]
fn the_help_shows_the_own_options_of_a_command_before_those_of_all() {
    let help = EARMARK.command(["app", "create", "--help"]).run().expect_success();
    let place = |words: &str| help.find(words).unwrap_or_else(|| panic!("{words}: {help}"));
    let order = ["Arguments:", "Options:", "--edition", "Database:", "Output, logs"];
    let places = order.map(place);
    assert!(places.is_sorted(), "{places:?}: {help}");
}
