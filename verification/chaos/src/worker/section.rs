//! A section under a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use checker::{EventKind, Nanos};
use distlock::Hold;
use tokio::task::AbortHandle;

use super::ask::valid_until;
use super::watch::Watch;
use super::{Ask, Deeds};
use crate::clock;
use crate::counters::Count;

/// A section, written down until it is dropped; that has to happen before its lock is let go of.
#[derive(Debug)]
pub struct Section<'ask> {
    ask: &'ask Ask,
    hold: Hold,
    /// Until when it was valid when that was written down last.
    noted: AtomicU64,
    watch: Option<AbortHandle>,
}

/// Who stays looks that often whether the hold is still there.
const LOOK: Duration = Duration::from_millis(5);

impl<'ask> Section<'ask> {
    pub(super) fn new(ask: &'ask Ask, hold: Hold, valid_until: Nanos) -> Self {
        Self { ask, hold, noted: AtomicU64::new(valid_until), watch: None }
    }

    /// Whether the hold is valid; a loss that is seen for the first time and a renewal are written down.
    pub fn is_valid(&self) -> bool {
        let now = clock::now();
        let until = valid_until(now, &self.hold);
        if until == now {
            self.ask
                .told
                .lose(|| self.note_at(now, EventKind::LossReported { request: self.ask.request }));
            return false;
        }
        let ttl = self.ask.worker.orders.settings.ttl;
        if until > self.noted.load(Ordering::Relaxed) + clock::nanos(ttl / 10) {
            self.noted.store(until, Ordering::Relaxed);
            self.note_at(now, EventKind::Extended { request: self.ask.request, until });
        }
        true
    }

    /// Lets a task tell of renewals and of a loss as soon as the library does: who waits inside for something else cannot look.
    #[must_use]
    pub fn watched(mut self) -> Self {
        let watch = Watch::new(self.ask, self.hold.clone(), self.noted.load(Ordering::Relaxed));
        self.watch = Some(tokio::spawn(watch.keep()).abort_handle());
        self
    }

    /// Does something under the lock, on this thread.
    pub fn perform(&self, deeds: &Deeds) {
        let before = self.begin(deeds);
        let until = clock::now() + clock::nanos(deeds.stay);
        while self.is_valid() && clock::now() < until {
            thread::sleep(LOOK.min(clock::left(until)));
        }
        self.end(deeds, before);
    }

    /// The same in a task.
    pub async fn perform_async(&self, deeds: &Deeds) {
        let before = self.begin(deeds);
        let until = clock::now() + clock::nanos(deeds.stay);
        while self.is_valid() && clock::now() < until {
            tokio::time::sleep(LOOK.min(clock::left(until))).await;
        }
        self.end(deeds, before);
    }

    fn begin(&self, deeds: &Deeds) -> Option<Count> {
        if deeds.writes {
            self.write();
        }
        deeds.counts.then(|| self.ask.worker.counters.read(self.ask.key))
    }

    fn end(&self, deeds: &Deeds, before: Option<Count>) {
        if let Some(before) = before.filter(|_| self.is_valid()) {
            self.count(before);
        }
        // Those that are late go on here and write once more: the token is to stop them.
        if deeds.writes {
            self.write();
        }
    }

    fn count(&self, before: Count) {
        let (request, read) = (self.ask.request, before.number);
        let count = Count { number: read + 1, by: request };
        self.ask.worker.counters.write(self.ask.key, count);
        self.note_at(clock::now(), EventKind::CounterUpdate { request, read });
    }

    fn write(&self) {
        let (ask, fence) = (self.ask, self.hold.fence().get());
        ask.worker.register.write(ask.task, ask.key, ask.request, fence);
    }

    fn note_at(&self, at: Nanos, kind: EventKind) {
        self.ask.worker.journal.write_at(at, self.ask.task, kind);
    }
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
        self.is_valid();
        let left = EventKind::Released { request: self.ask.request };
        self.ask.told.leave(|| self.note_at(clock::now(), left));
    }
}
