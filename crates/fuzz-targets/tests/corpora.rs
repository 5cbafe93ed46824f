//! Runs each fuzz target on all its seeds and its corpus, without a fuzzer.
#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::fs;
use std::panic::catch_unwind;

use fuzz_targets::{body, native_body, query, rules, user_sig};

fn replay(name: &str, run: fn(&[u8])) {
    for folder in ["seeds", "corpus"] {
        let folder = format!("{}/../../fuzz/{folder}/{name}", env!("CARGO_MANIFEST_DIR"));
        let mut inputs = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            assert!(catch_unwind(|| run(&input)).is_ok(), "{} fails", path.display());
            inputs += 1;
        }
        assert!(inputs > 0, "{folder} is empty");
    }
}

#[test]
fn commands_accept_the_bodies_that_the_grammar_allows() {
    replay("body", body::run);
}

#[test]
fn calls_of_the_native_api_accept_the_bodies_that_the_grammar_allows() {
    replay("native_body", native_body::run);
}

#[test]
fn queries_are_parsed_as_a_simple_form_parser_does() {
    replay("query", query::run);
}

#[test]
fn changes_match_the_model() {
    replay("rules", rules::run);
}

#[test]
fn user_sigs_are_as_valid_as_their_claims() {
    replay("user_sig", user_sig::run);
}
