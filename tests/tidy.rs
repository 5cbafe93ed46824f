//! What the compiler cannot hold: the arrows between the layers, and the habits of this house.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Words that must not stand in files whose path begins so.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "src/domain/",
        &["http::", "service::", "store::", "actix_web", "serde::", "sqlx", "async ", "tokio"],
    ),
    ("src/store/", &["http::", "service::", "actix_web", "serde::"]),
    ("src/service/", &["http::", "actix_web", "serde::", "sqlx"]),
    ("src/http/", &["sqlx", "store::"]),
    ("src/transfer/", &["sqlx", "actix_web"]),
    ("src/limits.rs", &["http", "sqlx", "serde", "crate::"]),
    ("src/error.rs", &["actix_web", "sqlx", "serde", "http::", "service::", "store::"]),
    ("src/metrics/", &["actix_web", "sqlx", "serde", "http::", "service::", "store::", "domain::"]),
    ("src/", &["AssertSqlSafe"]),
    ("", &["#[allow(", "#![allow("]),
];

/// Where one of those words has to stand.
const EXCEPT: &[(&str, &str)] = &[
    // Migrations are run as they stand in their files.
    ("src/store/schema/driver.rs", "AssertSqlSafe"),
    // The names of schemas are made of numbers.
    ("src/store/pool/texts.rs", "AssertSqlSafe"),
    // This list.
    ("tests/tidy.rs", "#[allow("),
    ("tests/tidy.rs", "#![allow("),
];

/// Longest file, and longest test module that may stand at its end on top.
const LINES_MAX: usize = 400;

/// What a path in a document may begin with, to be looked for.
const TOP: &[&str] = &[
    "src/",
    "crates/",
    "tests/",
    "docs/",
    "deploy/",
    "bench/",
    "fuzz/",
    "migrations/",
    ".ci/",
    ".github/",
    ".config/",
    ".sqlx/",
    ".cargo/",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a folder, as paths from the root.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Our Rust files with their text.
fn sources() -> Vec<(String, String)> {
    ["src", "tests", "crates", "fuzz/fuzz_targets"]
        .into_iter()
        .flat_map(files)
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let text = fs::read_to_string(root().join(&path)).unwrap();
            (path.to_str().unwrap().to_owned(), text)
        })
        .collect()
}

#[track_caller]
fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// What the rules have to say about one file. Comments may speak of everything.
fn offences(path: &str, text: &str) -> Vec<String> {
    let forbidden = FORBIDDEN.iter().filter(|(prefix, _)| path.starts_with(prefix));
    let words =
        forbidden.flat_map(|(_, words)| *words).filter(|word| !EXCEPT.contains(&(path, word)));
    let lines =
        || text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    words
        .flat_map(|word| {
            lines()
                .filter(move |(_, line)| line.contains(word))
                .map(move |(nr, _)| format!("{path}:{}: {word} must not stand here", nr + 1))
        })
        .collect()
}

#[test]
fn the_layers_know_only_what_is_below_them() {
    let found: Vec<_> = sources().iter().flat_map(|(path, text)| offences(path, text)).collect();
    assert_none(&found);
}

#[test]
fn an_arrow_in_the_wrong_direction_is_noticed() {
    for (path, text) in [
        ("src/domain/mark.rs", "use crate::store::Store;"),
        ("src/domain/mark.rs", "pub async fn load() {}"),
        ("src/service/write.rs", "use sqlx::PgPool;"),
        ("src/http/door.rs", "    sqlx::query(text)"),
        ("src/store/apps.rs", "AssertSqlSafe(text)"),
        ("src/main.rs", "#[allow(dead_code)]"),
    ] {
        assert_eq!(offences(path, text).len(), 1, "{path}: {text}");
    }
    assert_none(&offences("src/domain/mark.rs", "// the store:: loads it\nuse super::Problem;"));
    assert_none(&offences("src/store/schema/driver.rs", "AssertSqlSafe(query)"));
}

#[test]
fn no_file_is_too_long_to_be_read() {
    let lines = |text: &str| text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    let found: Vec<_> = sources()
        .into_iter()
        .map(|(path, text)| (path, lines(&text)))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("{path}: {lines} lines, {LINES_MAX} are enough"))
        .collect();
    assert_none(&found);
}

#[test]
fn what_is_left_to_do_has_an_issue() {
    let marks = ["TODO", "FIXME", "XXX"];
    let found: Vec<_> = sources()
        .into_iter()
        .filter(|(path, _)| path != "tests/tidy.rs")
        .flat_map(|(path, text)| {
            text.lines()
                .enumerate()
                .filter(|(_, line)| {
                    marks.iter().any(|mark| line.contains(mark)) && !line.contains("(#")
                })
                .map(|(nr, line)| format!("{path}:{}: {}", nr + 1, line.trim()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_none(&found);
}

/// The paths that a document mentions in code spans.
fn mentioned(text: &str) -> Vec<&str> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|span| TOP.iter().any(|top| span.starts_with(top)))
        .filter(|span| !span.contains(['<', '*', '{', ' ', '…']))
        .map(|span| span.split(':').next().unwrap())
        .collect()
}

#[test]
fn every_path_that_a_document_mentions_exists() {
    assert_eq!(mentioned("see `src/lib.rs:3`, `src/<api>.rs`, `cargo test`"), ["src/lib.rs"]);
    let mut found = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        // Not every one of them has been written yet.
        let Ok(text) = fs::read_to_string(root().join(document)) else { continue };
        let missing = mentioned(&text).into_iter().filter(|path| !root().join(path).exists());
        found.extend(missing.map(|path| format!("{document}: {path} does not exist")));
    }
    assert_none(&found);
}

#[test]
fn the_contents_of_a_document_name_each_of_its_sections() {
    let mut found = Vec::new();
    for path in files("docs").iter().filter(|path| path.extension().is_some_and(|end| end == "md"))
    {
        let text = fs::read_to_string(root().join(path)).unwrap();
        let Some((_, rest)) = text.split_once("\nContents: ") else { continue };
        let contents = rest.split("\n\n").next().unwrap().replace('\n', " ");
        let sections = text.lines().filter_map(|line| line.strip_prefix("## "));
        let missing = sections.filter(|section| !contents.contains(&format!("[{section}]")));
        found.extend(missing.map(|section| format!("{}: {section}", path.display())));
    }
    assert_none(&found);
}

/// The names and versions in a lock file.
fn locked(path: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let packages = text.split("[[package]]").skip(1);
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_matches('"').to_owned()
    };
    packages.map(|package| (value(package, "name = "), value(package, "version = "))).collect()
}

#[test]
fn what_is_fuzzed_is_what_is_built() {
    let ours = locked("Cargo.lock");
    let other_versions = locked("fuzz/Cargo.lock").into_iter().filter(|package| {
        ours.iter().any(|(name, _)| *name == package.0) && !ours.contains(package)
    });
    let other_versions = other_versions
        .map(|(name, version)| format!("fuzz/Cargo.lock: {name} {version} is not in Cargo.lock"));
    assert_none(&other_versions.collect::<Vec<_>>());
}

/// `V<n>__verb_noun.sql`, and its number.
fn migration_number(name: &str) -> Option<u32> {
    let (number, words) = name.strip_prefix('V')?.strip_suffix(".sql")?.split_once("__")?;
    let is_fine = words.contains('_') && words.chars().all(|c| c == '_' || c.is_ascii_lowercase());
    number.parse().ok().filter(|_| is_fine)
}

#[test]
fn migrations_are_numbered_and_say_what_they_do() {
    assert_eq!(migration_number("V12__add_column.sql"), Some(12));
    for bad in ["V1_add_column.sql", "V1__AddColumn.sql", "V__add_column.sql", "V1__add.sql"] {
        assert_eq!(migration_number(bad), None, "{bad}");
    }
    let names = files("migrations").into_iter();
    let names: Vec<_> =
        names.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    let unnamed: Vec<_> =
        names.iter().filter(|name| migration_number(name).is_none()).cloned().collect();
    assert_none(&unnamed);
    let mut numbers: Vec<_> = names.iter().filter_map(|name| migration_number(name)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..).take(names.len()).collect::<Vec<_>>(), "1, 2, 3 and so on");
}

#[test]
fn the_upgrade_notes_have_every_migration_with_its_locks() {
    let notes = fs::read_to_string(root().join("docs/upgrading.md")).unwrap();
    let missing = files("migrations").into_iter().filter_map(|path| {
        let number = migration_number(path.file_name()?.to_str()?)?;
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let locks = text.lines().find_map(|line| line.strip_prefix("-- locks: ")).unwrap_or("none");
        let is_row = |line: &str| {
            line.starts_with(&format!("| V{number} | ")) && line.ends_with(&format!(" | {locks} |"))
        };
        (!notes.lines().any(is_row))
            .then(|| format!("docs/upgrading.md: no row of V{number} with the locks `{locks}`"))
    });
    assert_none(&missing.collect::<Vec<_>>());
}

#[test]
fn the_rust_example_of_the_testing_guide_is_the_test_that_is_run() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let (guide, example) = (read("docs/testing.md"), read("tests/testing_guide/example.rs"));
    assert!(guide.contains(&format!("```rust\n{example}```\n")), "the two differ");
}

#[test]
fn the_tables_of_the_scale_out_guide_are_what_the_simulation_prints() {
    let guide = fs::read_to_string(root().join("docs/scale-out.md")).unwrap();
    let simulation = Command::new("python3").arg(root().join("bench/simulate")).output().unwrap();
    let printed = String::from_utf8(simulation.stdout).unwrap();
    let tables: Vec<_> = printed.trim().split("\n\n").collect();
    assert_eq!(tables.len(), 2, "the simulation prints two tables");
    for table in tables {
        assert!(
            guide.contains(&format!("-->\n{table}\n<!-- end -->")),
            "run `bench/simulate --publish`"
        );
    }
}
