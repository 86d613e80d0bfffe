use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use checker::{Event, EventKind};
use distlock::{LockGuard, LockManager};
use testkit::eventually;

use super::LIMIT;
use super::loss::KEY;
use crate::clock;
use crate::register::RegisterClient;
use crate::workload::key_name;

/// One of the two processes that contend for the lock, with its own manager and the events of its
/// only request.
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

    /// Acquires the lock and writes for this long, or until it is stopped. It continues after its
    /// lease has expired, like a program that does not check.
    pub(super) fn hold(&self, stay: Option<Duration>) {
        let guard = self.locks.mutex(key_name(KEY)).wait(LIMIT).acquire_blocking();
        let guard = guard.expect("the lock is available when the other hold has ended");
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

    pub(super) fn wait_until_held(&self) {
        eventually(LIMIT, "the holder has the lock", || !self.events().is_empty());
    }

    /// Waits until the holder has noticed the loss or has released.
    pub(super) fn wait_until_notified(&self) {
        eventually(LIMIT, "the holder is notified", || {
            let reported = |event: &Event| {
                matches!(event.kind, EventKind::LossReported { .. } | EventKind::Released { .. })
            };
            self.events().iter().any(reported)
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
