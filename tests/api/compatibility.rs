//! The tables of `docs/compatibility.md` say what the service does: no more, no less.

use std::collections::BTreeSet;

use serde_json::json;

use crate::codes;
use crate::support::*;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compatibility.md");
const ROUTES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/mod.rs");

/// The rows of the table under a heading, cell by cell.
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

fn number(cell: &str) -> u64 {
    cell.trim_matches('`').parse().unwrap()
}

#[actix_web::test]
async fn the_codes_of_the_table_are_those_that_requests_have() {
    let documented: BTreeSet<(u64, bool)> = table("Codes\n")
        .iter()
        .flat_map(|row| row[1].split(", ").map(|level| (number(&row[0]), level == "item")))
        .collect();
    assert!(documented.len() > 30, "the table was found");
    assert_eq!(codes::provoke().await.codes(), documented);
}

#[test]
fn the_codes_of_each_call_are_in_the_table_of_codes() {
    let known: BTreeSet<u64> = table("Codes\n").iter().map(|row| number(&row[0])).collect();
    for row in table("Calls\n") {
        for code in row.last().unwrap().split(", ") {
            assert!(known.contains(&number(code)), "{}: {code}", row[0]);
        }
    }
}

#[actix_web::test]
async fn the_calls_of_the_table_are_those_that_are_served() {
    let documented: BTreeSet<String> = table("Calls\n")
        .iter()
        .map(|row| row[0].trim_matches('`').trim_start_matches("/v4/").to_owned())
        .collect();
    let tested: BTreeSet<String> = COMMANDS.map(str::to_owned).into();
    assert_eq!(documented, tested);

    // What is routed but in neither would go unnoticed from outside.
    let routes = std::fs::read_to_string(ROUTES).unwrap();
    assert_eq!(routes.matches("service(call::<").count(), documented.len());

    let app = TestApp::start().await;
    for call in &documented {
        let answer = app.call(call, json!({})).await;
        assert_ne!(answer["ErrorCode"], 60009, "{call}: {answer}");
    }
}
