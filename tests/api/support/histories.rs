//! Compares the service with a model over random histories.

use std::cell::Cell;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Runs `check` for random histories, each with a number of its own, in one world. Shows the smallest history that fails.
/// `source` is the test's `file!()`.
pub(crate) fn check_histories<W, S: Strategy>(
    (cases, source): (u32, &'static str),
    world: impl Future<Output = W>,
    histories: &S,
    check: &impl AsyncFn(&W, usize, &S::Value) -> Result<(), TestCaseError>,
) {
    let system = actix_web::rt::System::new();
    let world = system.block_on(world);
    let config = Config { cases, source_file: Some(source), ..Config::default() };
    let case = Cell::new(0);
    let outcome = TestRunner::new(config).run(histories, |history| {
        case.set(case.get() + 1);
        system.block_on(check(&world, case.get(), &history))
    });
    system.block_on(async { drop(world) });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
