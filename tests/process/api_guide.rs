//! The examples of `docs/api.md` and of `README.md`: each command is answered as the document shows.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testkit::{Dev, Scratch};

use crate::EARMARK;

const GUIDE: &str = include_str!("../../docs/api.md");
const README: &str = include_str!("../../README.md");

/// A fenced block that is a command, and what the document says that it prints. An example may need those before it.
#[derive(Debug)]
struct Example {
    section: &'static str,
    command: &'static str,
    /// A command without an answer prepares those after it.
    answer: Option<Value>,
}

fn examples(document: &'static str, has_examples: impl Fn(&str) -> bool) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let sections = document.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap());
    for (title, text) in sections.filter(|(title, _)| has_examples(title)) {
        for block in text.split("```").skip(1).step_by(2) {
            let (language, block) = block.split_once('\n').unwrap();
            match language {
                "sh" => examples.push(Example { section: title, command: block, answer: None }),
                "json" => {
                    let example = examples.last_mut().unwrap();
                    assert_eq!((example.section, &example.answer), (title, &None), "{block}");
                    let answer = serde_json::from_str(block);
                    example.answer =
                        Some(answer.unwrap_or_else(|error| panic!("{error}: {block}")));
                }
                other => assert_eq!(other, "text", "{block}"),
            }
        }
    }
    examples
}

/// Printed after each command.
const END: &str = "\n--- end of a command ---\n";

/// Runs the commands in one shell, in the folder that contains the data, and returns what each prints.
fn run(examples: &[Example], dev: &Dev, folder: &Path) -> Vec<String> {
    let commands = examples.iter().map(|example| format!("{}printf '{END}'\n", example.command));
    let script = commands
        .collect::<String>()
        .replace("target/release/earmark", env!("CARGO_BIN_EXE_earmark"))
        .replace("127.0.0.1:8080", &dev.address.to_string());
    let script = format!("set -euo pipefail\n{script}");
    let output = Command::new("bash").args(["-c", &script]).current_dir(folder).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{errors}");
    printed.split_terminator(END).map(str::to_owned).collect()
}

/// Times and cursors.
fn replace_what_no_example_can_predict(answer: &mut Value, expected: &Value) {
    for (name, value) in answer.as_object_mut().into_iter().flatten() {
        let expected = &expected[name.as_str()];
        let is_unpredictable =
            ["changed_at", "cursor", "next", "Timestamp"].contains(&name.as_str());
        let has_its_type =
            (value.is_string() && expected.is_string()) || (value.is_u64() && expected.is_u64());
        if is_unpredictable && has_its_type {
            *value = expected.clone();
        }
        replace_what_no_example_can_predict(value, expected);
    }
    for (nr, item) in answer.as_array_mut().into_iter().flatten().enumerate() {
        replace_what_no_example_can_predict(item, &expected[nr]);
    }
}

#[test]
fn every_example_of_the_guide_is_answered_as_it_says() {
    check(&examples(GUIDE, |_| true), 10);
}

#[test]
fn every_example_of_the_readme_is_answered_as_it_says() {
    check(&examples(README, |title| title == "Mark a conversation"), 4);
}

fn check(examples: &[Example], more_than: usize) {
    assert!(examples.len() > more_than, "{examples:?}");
    let scratch = Scratch::create();
    let dev = EARMARK.start_dev(&scratch);
    let printed = run(examples, &dev, scratch.path());
    assert_eq!(printed.len(), examples.len(), "{printed:?}");
    for (Example { command, answer, .. }, printed) in examples.iter().zip(printed) {
        let Some(expected) = answer else { continue };
        let mut answer = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}"));
        replace_what_no_example_can_predict(&mut answer, expected);
        assert_eq!(answer, *expected, "{command}");
    }
    dev.process.stop();
}
