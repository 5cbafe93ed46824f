//! Reads and writes that go on while a test does something else.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use testkit::{Client, wait_until};

/// Calls that were answered.
#[derive(Default)]
pub(crate) struct Calls {
    answered: AtomicU32,
    is_over: AtomicBool,
}

impl Calls {
    /// Waits until this many more calls are answered.
    #[track_caller]
    pub(crate) fn wait_for(&self, more: u32) {
        let before = self.answered.load(Ordering::Relaxed);
        wait_until("calls are answered", || self.answered.load(Ordering::Relaxed) >= before + more);
    }

    /// `call` gets a number that is new at each call.
    fn repeat(&self, call: impl Fn(u32)) {
        for nr in 0.. {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            call(nr);
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Ends the calls, also if the test fails.
struct EndOnDrop<'c>(&'c Calls);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

/// Reads and writes while `work` runs. Fails if one of these calls does.
pub(crate) fn during<T>(client: &Client, work: impl FnOnce(&Calls) -> T) -> T {
    client.must_mark("user", "friend");
    let calls = Calls::default();
    thread::scope(|scope| {
        let _end = EndOnDrop(&calls);
        scope.spawn(|| {
            calls.repeat(|nr| client.must_mark(&format!("user-{}", nr / 500), &nr.to_string()));
        });
        scope.spawn(|| calls.repeat(|_| assert!(client.marks("user").contains("friend"))));
        work(&calls)
    })
}
