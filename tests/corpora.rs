//! Every input that the fuzz targets have been given or have found, once more: without a fuzzer, in every `cargo test`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(unreachable_pub, reason = "the targets are public for the fuzzer's programs")]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic::catch_unwind;

/// Gives the target all inputs in its two folders.
fn replay(name: &str, run: fn(&[u8])) {
    for folder in ["seeds", "corpus"] {
        let folder = format!("{}/fuzz/{folder}/{name}", env!("CARGO_MANIFEST_DIR"));
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
fn bodies_are_accepted_as_the_grammar_says() {
    replay("body", targets::body::run);
}

#[test]
fn queries_say_what_a_plain_reader_finds() {
    replay("query", targets::query::run);
}

#[test]
fn changes_do_what_the_model_does() {
    replay("rules", targets::rules::run);
}

#[test]
fn usersigs_are_as_good_as_their_claims() {
    replay("user_sig", targets::user_sig::run);
}
