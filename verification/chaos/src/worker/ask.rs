//! A request, from its caller's side.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use checker::{EventKind, Nanos, Refusal, Request};
use distlock::{Hold, LockError};

use super::told::Told;
use super::{Section, Worker};
use crate::clock;

/// How long the library waits for a reply, beyond the outage that it bears, when it tries once.
const REPLY: Duration = Duration::from_secs(2);

/// A request, written down from the beginning to the end: also when its caller is dropped while it waits.
#[derive(Debug)]
pub struct Ask {
    pub(super) worker: Arc<Worker>,
    pub(super) task: u32,
    pub(super) key: u32,
    pub(super) request: Request,
    outer: Option<Request>,
    entered: AtomicBool,
    pub(super) told: Arc<Told>,
    settled: AtomicBool,
}

impl Ask {
    /// To be made right afterwards, inside the hold of another request perhaps.
    #[must_use]
    pub fn new(
        worker: &Arc<Worker>,
        task: u32,
        key: u32,
        wait: Duration,
        outer: Option<Request>,
    ) -> Self {
        let request = worker.name_a_request();
        let at = clock::now();
        let deadline = Some(at + clock::nanos(Self::patience(worker, wait)));
        worker.journal.write_at(
            at,
            task,
            EventKind::Requested { request, key, deadline, must_succeed: false },
        );
        Self {
            worker: Arc::clone(worker),
            task,
            key,
            request,
            outer,
            entered: AtomicBool::new(false),
            told: Arc::default(),
            settled: AtomicBool::new(false),
        }
    }

    fn patience(worker: &Worker, wait: Duration) -> Duration {
        if wait.is_zero() { worker.orders.settings.outage + REPLY } else { wait }
    }

    /// Its name.
    #[must_use]
    pub fn request(&self) -> Request {
        self.request
    }

    /// It has the lock: its section begins.
    #[must_use]
    pub fn enter(&self, hold: &Hold) -> Section<'_> {
        self.entered.store(true, Ordering::Relaxed);
        let at = clock::now();
        let valid_until = valid_until(at, hold);
        let (request, fence) = (self.request, hold.fence().get());
        let kind = EventKind::Acquired { request, fence, valid_until, outer: self.outer };
        self.worker.journal.write_at(at, self.task, kind);
        Section::new(self, hold.clone(), valid_until)
    }

    /// It has ended; whether it had the lock.
    pub fn settle(&self, end: Result<(), LockError>) -> bool {
        self.settled.store(true, Ordering::Relaxed);
        let entered = self.entered.load(Ordering::Relaxed);
        match end {
            Err(error) if !entered => {
                let (request, why) = (self.request, refusal(&error));
                self.worker.journal.write(self.task, EventKind::Refused { request, why });
            }
            // A nested exit leaves it to the outermost one to look at the clock.
            Ok(()) if self.told.is_lost() && self.outer.is_none() => {
                self.worker.complain("success at the exit of a hold that was lost");
            }
            _ => {}
        }
        entered
    }
}

impl Drop for Ask {
    fn drop(&mut self) {
        if !self.entered.load(Ordering::Relaxed) && !self.settled.load(Ordering::Relaxed) {
            self.worker.journal.write(self.task, EventKind::Cancelled { request: self.request });
        }
    }
}

/// Until when a hold is surely valid, seen from an instant before the question.
pub(super) fn valid_until(before: Nanos, hold: &Hold) -> Nanos {
    before + clock::nanos(hold.remaining())
}

/// Why there was no lock.
///
/// # Panics
/// If there cannot have been one, which is a mistake in here.
#[must_use]
pub fn refusal(error: &LockError) -> Refusal {
    match error {
        LockError::Busy(_) | LockError::DataLoss(_) => Refusal::Busy,
        LockError::Unavailable(_) | LockError::NoReply(_) => Refusal::Unavailable,
        LockError::Refused(_) => Refusal::Refused,
        LockError::Deadlock(_) => Refusal::Deadlock,
        LockError::Lost(_) => Refusal::Lost,
        wrong => panic!("no worker asks for what ends in {wrong}"),
    }
}
