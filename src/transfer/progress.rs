//! A line on the terminal that says how far a command is.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(250);

/// Writes to standard error if that is a terminal, and otherwise nothing.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    begun: Instant,
    shown: Option<Instant>,
    is_terminal: bool,
}

impl Progress {
    /// `what` is counted: `users`, for example. A `total` of 0 is unknown.
    #[must_use]
    pub fn new(what: &'static str, total: u64) -> Self {
        let is_terminal = stderr().is_terminal();
        Self { what, total, done: 0, begun: Instant::now(), shown: None, is_terminal }
    }

    pub fn set_total(&mut self, total: u64) {
        self.total = total;
    }

    pub fn add(&mut self, done: u64) {
        self.done += done;
        if self.is_terminal && self.shown.is_none_or(|at| at.elapsed() >= PERIOD) {
            self.shown = Some(Instant::now());
            // A terminal that cannot be written to needs no progress.
            _ = write!(stderr(), "\r\x1b[K{}", self.text(self.begun.elapsed()));
        }
    }

    fn text(&self, elapsed: Duration) -> String {
        let Self { what, total, done, .. } = self;
        let rate = u128::from(*done) * 1000 / elapsed.as_millis().max(1);
        if *total == 0 {
            return format!("{done} {what}, {rate} per second");
        }
        let percent = (u128::from(*done) * 100 / u128::from(*total)).min(100);
        format!("{done} of {total} {what}, {percent} %, {rate} per second")
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_how_far_it_is_and_how_fast() {
        let mut progress = Progress::new("users", 200);
        progress.done = 50;
        let elapsed = Duration::from_secs(2);
        assert_eq!(progress.text(elapsed), "50 of 200 users, 25 %, 25 per second");
        progress.total = 0;
        assert_eq!(progress.text(elapsed), "50 users, 25 per second");
        assert_eq!(progress.text(Duration::ZERO), "50 users, 50000 per second");
    }
}
