//! The tables of `docs/compatibility.md` say what the service does: no more, no less.

use std::collections::BTreeSet;

use serde_json::json;

use crate::codes;
use crate::support::document;
use crate::support::*;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compatibility.md");

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

    // `metrics::every_call_that_is_served_is_documented` checks that the service has no other calls.
    let app = TestApp::start().await;
    for call in &documented {
        let answer = app.call(call, json!({})).await;
        assert_ne!(answer["ErrorCode"], 60009, "{call}: {answer}");
    }
}

/// The document that programs read has the same table, with the same words.
#[test]
fn the_codes_of_the_table_are_those_of_the_openapi_document() {
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

/// What a call can answer: what its row has, and what the text under the table adds to each.
#[test]
fn the_codes_of_each_call_are_those_of_the_openapi_document() {
    let codes = table("Codes\n");
    let of_all = |family: &str| -> BTreeSet<u64> {
        let common = codes.iter().filter(|row| row[2] == "all").map(|row| number(&row[0]));
        let own: &[u64] = match family {
            "recentcontact" => &[50002, 50003],
            "im_open_login_svc" => &[60010, 70402],
            _ => &[10004, 60010],
        };
        common.filter(|code| *code != 60009).chain(own.iter().copied()).collect()
    };
    for row in table("Calls\n") {
        let command = row[0].trim_matches('`').trim_start_matches("/v4/").to_owned();
        let own = row.last().unwrap().trim_matches(['|', ' ']).to_owned();
        let mut expected = of_all(command.split('/').next().unwrap());
        expected.extend(own.split(", ").map(number));
        let documented: BTreeSet<u64> = document::operation(&command)["x-codes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|code| code.as_u64().unwrap())
            .collect();
        assert_eq!(documented, expected, "{command}");
    }
}
