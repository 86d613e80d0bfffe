//! One of the two that want the lock.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use checker::{Event, EventKind};
use distlock::{LockGuard, LockManager};
use testkit::eventually;

use super::LIMIT;
use super::means::KEY;
use crate::clock;
use crate::register::RegisterClient;
use crate::workload::key_name;

/// One of the two that want the lock, as a process of its own would: a manager, and the events of its only request.
pub(super) struct Holder {
    process: u32,
    locks: LockManager,
    register: RegisterClient,
    events: Mutex<Vec<Event>>,
    stop: AtomicBool,
}

const PAUSE: Duration = Duration::from_millis(1);

impl Holder {
    pub(super) fn new(process: u32, locks: LockManager, register: PathBuf) -> Self {
        let register = RegisterClient::new(register, process);
        Self { process, locks, register, events: Mutex::default(), stop: AtomicBool::default() }
    }

    /// Takes the lock and writes under it, for so long, or until it is stopped; on and on also when the hold is over, as a
    /// program does that does not look.
    pub(super) fn hold(&self, stay: Option<Duration>) {
        let guard = self.locks.mutex(key_name(KEY)).wait(LIMIT).acquire_blocking();
        let guard = guard.expect("it is had when the other one's hold is over");
        self.enter(&guard);
        let until = clock::now() + clock::nanos(stay.unwrap_or(LIMIT * 2));
        let mut lost = false;
        while clock::now() < until && !self.stop.load(Ordering::SeqCst) {
            self.register.write(0, KEY, self.request(), guard.fence().get());
            lost = lost || !self.look(&guard);
            thread::sleep(PAUSE);
        }
        self.register.write(0, KEY, self.request(), guard.fence().get());
        self.note(EventKind::Released { request: self.request() });
    }

    fn enter(&self, guard: &LockGuard) {
        let valid_until = clock::now() + clock::nanos(guard.hold().remaining());
        let (request, fence) = (self.request(), guard.fence().get());
        self.note(EventKind::Acquired { request, fence, valid_until, outer: None });
    }

    /// Whether the hold is valid.
    fn look(&self, guard: &LockGuard) -> bool {
        let (now, request) = (clock::now(), self.request());
        let remaining = guard.hold().remaining();
        if remaining.is_zero() {
            self.note(EventKind::LossReported { request });
        } else {
            self.note(EventKind::Extended { request, until: now + clock::nanos(remaining) });
        }
        !remaining.is_zero()
    }

    pub(super) fn until_inside(&self) {
        eventually(LIMIT, "the holder has the lock", || !self.events().is_empty());
    }

    /// It goes on until it has seen that its hold is over, or has let go.
    pub(super) fn until_told(&self) {
        eventually(LIMIT, "the holder is told", || {
            let told = |event: &Event| {
                matches!(event.kind, EventKind::LossReported { .. } | EventKind::Released { .. })
            };
            self.events().iter().any(told)
        });
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn request(&self) -> u64 {
        u64::from(self.process)
    }

    fn note(&self, kind: EventKind) {
        let event = Event { at: clock::now(), process: self.process, task: 0, kind };
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}
