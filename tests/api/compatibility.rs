//! The tables of `docs/compatibility.md` agree with the service and with the OpenAPI document.

use std::collections::BTreeSet;

use serde_json::json;

use crate::codes;
use crate::support::document;
use crate::support::*;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compatibility.md");

/// The cells of the table under a heading, row by row.
fn table(heading: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let cells = |row: &str| {
        let cells = row.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

fn code(cell: &str) -> Code {
    Code::read(&cell.trim_matches('`').parse().unwrap())
}

#[actix_web::test]
async fn the_table_of_codes_has_exactly_the_codes_that_the_service_answers() {
    let documented: BTreeSet<(Code, bool)> = table("Codes\n")
        .iter()
        .flat_map(|row| row[1].split(", ").map(|level| (code(&row[0]), level == "item")))
        .collect();
    assert!(documented.len() > 30, "found only {documented:?}");
    assert_eq!(codes::provoke().await.codes(), documented);
}

#[test]
fn the_table_of_codes_has_the_codes_of_every_call() {
    let known: BTreeSet<Code> = table("Codes\n").iter().map(|row| code(&row[0])).collect();
    for row in table("Calls\n") {
        for cell in row.last().unwrap().split(", ") {
            assert!(known.contains(&code(cell)), "{}: {cell}", row[0]);
        }
    }
}

#[actix_web::test]
async fn the_table_of_calls_has_the_calls_of_the_openapi_document_and_the_service_knows_them() {
    let rows = table("Calls\n");
    let in_table: BTreeSet<&str> =
        rows.iter().map(|row| row[0].trim_matches('`').trim_start_matches("/v4/")).collect();
    assert_eq!(in_table, document::commands().collect());

    // `metrics::every_call_that_is_served_is_documented` checks that the service has no other calls.
    let app = TestApp::start().await;
    for command in in_table {
        assert_ne!(app.call(command, json!({})).await.code(), UnknownCommand, "{command}");
    }
}

#[test]
fn the_table_of_codes_has_the_words_of_the_openapi_document() {
    let words = |code: &serde_json::Value| {
        let words = ["level", "family", "meaning", "provokedBy"].map(|name| code[name].as_str());
        let words = words.map(|word| word.unwrap().to_owned());
        [vec![format!("`{}`", code["code"])], words.to_vec()].concat()
    };
    let documented: Vec<_> =
        document::DOCUMENT["x-error-codes"].as_array().unwrap().iter().map(words).collect();
    let table: Vec<Vec<String>> = table("Codes\n")
        .into_iter()
        .map(|row| row.iter().map(|cell| cell.trim_matches('|').trim().to_owned()).collect())
        .collect();
    assert_eq!(documented, table);
    for code in document::DOCUMENT["x-error-codes"].as_array().unwrap() {
        for word in ["name", "remedy"] {
            assert!(!code[word].as_str().unwrap().is_empty(), "{code}");
        }
    }
}

/// A call can answer with the codes of its row, and with the codes that the text under the table names for its service.
#[test]
fn the_table_of_calls_has_the_codes_of_the_openapi_document() {
    let codes = table("Codes\n");
    let of_service = |service: &str| -> BTreeSet<Code> {
        let common = codes.iter().filter(|row| row[2] == "all").map(|row| code(&row[0]));
        let own: &[Code] = match service {
            "recentcontact" => &[BadParameter, NotAdmin],
            "im_open_login_svc" => &[NotAdminOfDirectory, BadAccountParameter],
            _ => &[BadChatGroupParameter, NotAdminOfDirectory],
        };
        common.filter(|code| *code != UnknownCommand).chain(own.iter().copied()).collect()
    };
    for row in table("Calls\n") {
        let command = row[0].trim_matches('`').trim_start_matches("/v4/").to_owned();
        let own = row.last().unwrap().trim_matches(['|', ' ']).to_owned();
        let mut expected = of_service(command.split('/').next().unwrap());
        expected.extend(own.split(", ").map(code));
        let documented = document::operation(&command)["x-codes"].as_array().unwrap();
        let documented: BTreeSet<Code> = documented.iter().map(Code::read).collect();
        assert_eq!(documented, expected, "{command}");
    }
}
