use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use checker::{EventKind, Nanos, Refusal, Request};
use distlock::{Hold, LockError};

use super::observations::Observations;
use super::{Section, Worker};
use crate::clock;

/// How long the library waits for a reply, in addition to the outage timeout, when it tries once.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

/// A request whose events are recorded, including a cancellation when the caller is dropped while
/// it waits.
#[derive(Debug)]
pub struct RecordedRequest {
    pub(super) worker: Arc<Worker>,
    pub(super) task: u32,
    pub(super) key: u32,
    pub(super) request: Request,
    outer: Option<Request>,
    entered: AtomicBool,
    pub(super) observations: Arc<Observations>,
    settled: AtomicBool,
}

impl RecordedRequest {
    /// Records the request. The caller makes it right afterwards.
    #[must_use]
    pub fn new(
        worker: &Arc<Worker>,
        task: u32,
        key: u32,
        wait: Duration,
        outer: Option<Request>,
    ) -> Self {
        let request = worker.next_request();
        let at = clock::now();
        let deadline = Some(at + clock::nanos(Self::max_wait(worker, wait)));
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
            observations: Arc::default(),
            settled: AtomicBool::new(false),
        }
    }

    fn max_wait(worker: &Worker, wait: Duration) -> Duration {
        if wait.is_zero() { worker.config.settings.outage_timeout + REPLY_TIMEOUT } else { wait }
    }

    #[must_use]
    pub fn request(&self) -> Request {
        self.request
    }

    /// Records that the lock was acquired, and begins the section.
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

    /// Records the end. Returns whether the lock was acquired.
    pub fn settle(&self, end: Result<(), LockError>) -> bool {
        self.settled.store(true, Ordering::Relaxed);
        let entered = self.entered.load(Ordering::Relaxed);
        match end {
            Err(error) if !entered => {
                let (request, why) = (self.request, refusal(&error));
                self.worker.journal.write(self.task, EventKind::Refused { request, why });
            }
            // A nested release does not check the lease; the outermost one does.
            Ok(()) if self.observations.is_lost() && self.outer.is_none() => {
                self.worker.report_leak("successful releases of a lost hold");
            }
            _ => {}
        }
        entered
    }
}

impl Drop for RecordedRequest {
    fn drop(&mut self) {
        if !self.entered.load(Ordering::Relaxed) && !self.settled.load(Ordering::Relaxed) {
            self.worker.journal.write(self.task, EventKind::Cancelled { request: self.request });
        }
    }
}

/// The expiry of a hold, computed from an instant before the remaining time was read.
pub(super) fn valid_until(before: Nanos, hold: &Hold) -> Nanos {
    before + clock::nanos(hold.remaining())
}

/// # Panics
/// For errors that no worker can cause.
#[must_use]
pub fn refusal(error: &LockError) -> Refusal {
    match error {
        LockError::Busy(_) | LockError::DataLoss(_) => Refusal::Busy,
        LockError::Unavailable(_) | LockError::NoReply(_) => Refusal::Unavailable,
        LockError::Refused(_) => Refusal::Refused,
        LockError::Deadlock(_) => Refusal::Deadlock,
        LockError::Lost(_) => Refusal::Lost,
        wrong => panic!("no worker requests for what ends in {wrong}"),
    }
}
