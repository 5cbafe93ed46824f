//! Waiting for a condition that produces no output to read.

use std::time::{Duration, Instant};

/// The longest time that a test waits for anything. Nothing takes this long unless it hangs.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// The pause before a test asks again. Without it, a test that waits would take a processor from those that work.
const PAUSE: Duration = Duration::from_millis(10);

/// Calls `ask` until it returns a value. Panics after [`TIMEOUT`].
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {TIMEOUT:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Calls `is_true` until it returns `true`. Panics after [`TIMEOUT`].
#[track_caller]
pub fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    eventually(what, || is_true().then_some(()));
}
