//! Tests that cannot run on this machine.

use std::io::Write as _;
use std::thread;

/// Says that the test of this thread does not run here, even if the output of tests is captured.
pub fn not_tested(why: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    // `eprintln!` would be captured.
    let line = format!("NOT TESTED: {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// As [`not_tested`], for what `.ci/run` installs. In CI the test fails instead.
#[track_caller]
pub fn not_installed(what: &str) {
    #[expect(clippy::disallowed_methods, reason = "`.ci/run` sets it")]
    let is_ci = std::env::var_os("CI").is_some_and(|it| it == "true");
    assert!(!is_ci, "{what} is not installed, although .ci/run installs it");
    not_tested(&format!("{what} is not installed"));
}
