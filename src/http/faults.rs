//! Faults on demand: `earmark dev` answers calls with a code, late or not at all, so that callers can test what they do then.
//! `serve` has none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::HttpRequest;
use tokio::time::sleep;

use super::connection;
use super::failure::Failure;
use crate::domain::SdkAppId;
use crate::http::tencent::codes::Code;

/// Most faults at a time. Each call looks at all of them.
pub(super) const FAULTS_MAX: usize = 100;
/// The parts of [`Calls::Share`].
pub(super) const WHOLE: u32 = 1_000_000;

/// The faults of a process. All its threads share them.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<List>>);

#[derive(Debug, Default)]
struct List {
    /// Oldest first.
    faults: Vec<Fault>,
    last_id: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    /// Given by [`Faults::add`].
    pub(super) id: u64,
    /// The name of a call; all calls if `None`.
    pub(super) call: Option<&'static str>,
    /// All apps if `None`.
    pub(super) app: Option<SdkAppId>,
    pub(super) effect: Effect,
    pub(super) calls: Calls,
    /// Calls that had this fault.
    pub(super) hits: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// The call is not run, and answered with this code.
    Code(Code),
    /// The call is run after this time.
    Delay(Duration),
    /// The connection is closed in place of an answer.
    Cut(Cut),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The call is not run.
    Before,
    /// The call is run, and its answer is lost.
    After,
}

/// Which of the calls that match have the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calls {
    /// The next ones. The fault is removed after the last.
    Next { left: u32 },
    /// This share of them, in millionths, spread evenly: of a half, every second call. Chance would make tests flaky.
    Share { millionths: u32, passed: u32 },
}

impl Faults {
    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a fault, and returns it with its id. `None` if there are too many.
    pub(super) fn add(&self, fault: Fault) -> Option<Fault> {
        let mut list = self.list();
        if list.faults.len() >= FAULTS_MAX {
            return None;
        }
        list.last_id += 1;
        let fault = Fault { id: list.last_id, ..fault };
        list.faults.push(fault);
        Some(fault)
    }

    pub(super) fn all(&self) -> Vec<Fault> {
        self.list().faults.clone()
    }

    pub(super) fn clear(&self) {
        self.list().faults.clear();
    }

    /// Returns whether there was such a fault.
    pub(super) fn remove(&self, id: u64) -> bool {
        let mut list = self.list();
        let before = list.faults.len();
        list.faults.retain(|fault| fault.id != id);
        list.faults.len() < before
    }

    /// Does to a call what the oldest fault that is due for it says. An error answers the call.
    pub(super) async fn apply(
        &self,
        request: &HttpRequest,
        app: SdkAppId,
        call: &'static str,
    ) -> Result<(), Failure> {
        match self.next(app, call) {
            None => Ok(()),
            Some(Effect::Code(code)) => Err(Failure::Fault(code)),
            Some(Effect::Delay(time)) => {
                sleep(time).await;
                Ok(())
            }
            Some(Effect::Cut(cut)) => {
                connection::cut(request);
                match cut {
                    Cut::Before => Err(Failure::Fault(Code::InternalError)),
                    Cut::After => Ok(()),
                }
            }
        }
    }

    /// The effect of the oldest fault that is due for this call.
    fn next(&self, app: SdkAppId, call: &'static str) -> Option<Effect> {
        let mut list = self.list();
        let matches = |fault: &Fault| {
            fault.call.is_none_or(|other| other == call)
                && fault.app.is_none_or(|other| other == app)
        };
        let due = list.faults.iter_mut().position(|fault| matches(fault) && fault.calls.next())?;
        let fault = list.faults.get_mut(due)?;
        fault.hits += 1;
        let effect = fault.effect;
        if fault.calls == (Calls::Next { left: 0 }) {
            list.faults.remove(due);
        }
        Some(effect)
    }
}

impl Calls {
    /// Counts a call, and returns whether it has the fault.
    fn next(&mut self) -> bool {
        match self {
            Self::Next { left } => {
                *left = left.saturating_sub(1);
                true
            }
            Self::Share { millionths, passed } => {
                *passed += *millionths;
                let is_due = *passed >= WHOLE;
                *passed %= WHOLE;
                is_due
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_calls_is_spread_evenly() {
        for (millionths, expected) in [
            (WHOLE, "xxxxxxxx"),
            (WHOLE / 2, ".x.x.x.x"),
            (WHOLE / 4, "...x...x"),
            (WHOLE * 3 / 4, ".xxx.xxx"),
            (1, "........"),
        ] {
            let mut calls = Calls::Share { millionths, passed: 0 };
            let hits: String = (0..8).map(|_| if calls.next() { 'x' } else { '.' }).collect();
            assert_eq!(hits, expected, "{millionths}");
        }
    }

    #[test]
    fn the_list_is_bounded_and_an_id_is_never_given_twice() {
        let faults = Faults::default();
        let fault = Fault {
            id: 0,
            call: None,
            app: None,
            effect: Effect::Cut(Cut::Before),
            calls: Calls::Next { left: 1 },
            hits: 0,
        };
        let ids: Vec<_> = (0..FAULTS_MAX).map(|_| faults.add(fault).unwrap().id).collect();
        assert_eq!(ids, (1..).take(FAULTS_MAX).collect::<Vec<u64>>());
        assert_eq!(faults.add(fault), None);

        assert!(faults.remove(7));
        assert!(!faults.remove(7));
        assert_eq!(faults.add(fault).unwrap().id, 101);
    }
}
