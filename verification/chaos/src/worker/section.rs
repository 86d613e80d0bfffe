use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use checker::{EventKind, Nanos};
use distlock::Hold;
use tokio::task::AbortHandle;

use super::lease_monitor::LeaseMonitor;
use super::request::valid_until;
use super::{Ops, RecordedRequest};
use crate::clock;
use crate::counters::Count;

/// A section whose events are recorded. It has to be dropped before its lock is released.
#[derive(Debug)]
pub struct Section<'request> {
    request: &'request RecordedRequest,
    hold: Hold,
    /// The expiry that was recorded last.
    noted: AtomicU64,
    monitor: Option<AbortHandle>,
}

/// How often a running section checks its hold.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

impl<'request> Section<'request> {
    pub(super) fn new(request: &'request RecordedRequest, hold: Hold, valid_until: Nanos) -> Self {
        Self { request, hold, noted: AtomicU64::new(valid_until), monitor: None }
    }

    /// Whether the hold is valid. Records a loss and extensions.
    pub fn is_valid(&self) -> bool {
        let now = clock::now();
        let until = valid_until(now, &self.hold);
        if until == now {
            self.request.observations.report_loss(|| {
                self.note_at(now, EventKind::LossReported { request: self.request.request });
            });
            return false;
        }
        let ttl = self.request.worker.config.settings.ttl;
        if until > self.noted.load(Ordering::Relaxed) + clock::nanos(ttl / 10) {
            self.noted.store(until, Ordering::Relaxed);
            self.note_at(now, EventKind::Extended { request: self.request.request, until });
        }
        true
    }

    /// Spawns a task that records extensions and the loss, for sections that wait inside for
    /// something else.
    #[must_use]
    pub fn with_lease_monitor(mut self) -> Self {
        let monitor =
            LeaseMonitor::new(self.request, self.hold.clone(), self.noted.load(Ordering::Relaxed));
        self.monitor = Some(tokio::spawn(monitor.keep()).abort_handle());
        self
    }

    pub fn perform(&self, ops: &Ops) {
        let before = self.begin(ops);
        let until = clock::now() + clock::nanos(ops.stay);
        while self.is_valid() && clock::now() < until {
            thread::sleep(POLL_INTERVAL.min(clock::left(until)));
        }
        self.end(ops, before);
    }

    pub async fn perform_async(&self, ops: &Ops) {
        let before = self.begin(ops);
        let until = clock::now() + clock::nanos(ops.stay);
        while self.is_valid() && clock::now() < until {
            tokio::time::sleep(POLL_INTERVAL.min(clock::left(until))).await;
        }
        self.end(ops, before);
    }

    fn begin(&self, ops: &Ops) -> Option<Count> {
        if ops.writes {
            self.write();
        }
        ops.counts.then(|| self.request.worker.counters.read(self.request.key))
    }

    fn end(&self, ops: &Ops, before: Option<Count>) {
        if let Some(before) = before.filter(|_| self.is_valid()) {
            self.count(before);
        }
        // A section whose lease has expired still writes: its token has to be rejected.
        if ops.writes {
            self.write();
        }
    }

    fn count(&self, before: Count) {
        let (request, read) = (self.request.request, before.number);
        let count = Count { number: read + 1, by: request };
        self.request.worker.counters.write(self.request.key, count);
        self.note_at(clock::now(), EventKind::CounterUpdate { request, read });
    }

    fn write(&self) {
        let (request, fence) = (self.request, self.hold.fence().get());
        request.worker.register.write(request.task, request.key, request.request, fence);
    }

    fn note_at(&self, at: Nanos, kind: EventKind) {
        self.request.worker.journal.write_at(at, self.request.task, kind);
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        if let Some(monitor) = &self.monitor {
            monitor.abort();
        }
        self.is_valid();
        let left = EventKind::Released { request: self.request.request };
        self.request.observations.report_release(|| self.note_at(clock::now(), left));
    }
}
