//! Checks what must hold at the start and at the end of each section.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use distlock_runtime::Fence;
use distlock_runtime::verification::{Lease, fence};

use crate::environment;
use crate::server::RequestLog;

/// The sections of one key. It uses a mutex of the standard library, on which no schedule depends:
/// nothing waits while it is locked.
pub(crate) struct SectionChecker {
    seen: Mutex<Seen>,
    requests: Arc<RequestLog>,
}

struct Seen {
    inside: Vec<Arc<Lease>>,
    /// The highest token so far.
    highest: Fence,
}

impl SectionChecker {
    pub(crate) fn new(requests: Arc<RequestLog>) -> Self {
        Self { seen: Mutex::new(Seen { inside: Vec::new(), highest: fence(0) }), requests }
    }

    /// A section starts.
    pub(crate) fn enter(&self, lease: &Arc<Lease>) {
        let reported = self.requests.loss_was_reported(lease.request_id());
        let (others, highest) = self.note(lease);
        assert!(
            !reported || lease.reported_loss().is_some(),
            "a hold was handed out after its loss was reported"
        );
        assert_ne!(highest, lease.fence(), "two sections have the same token");
        if highest > lease.fence() {
            assert!(lease.reported_loss().is_some(), "a token is not above the previous ones");
        }
        for other in others {
            let older = if other.fence() < lease.fence() { &other } else { lease };
            assert!(
                older.reported_loss().is_some(),
                "two sections at once: no loss was reported to {older:?}"
            );
        }
    }

    /// A section is about to end.
    pub(crate) fn leave(&self, lease: &Arc<Lease>) {
        let loss = lease.reported_loss();
        assert!(
            loss.is_none() || self.requests.loss_is_pending(lease.request_id()),
            "the loss of another hold was reported to this section"
        );
        let (now, left) = (environment::now(), lease.remaining());
        assert!(
            left.is_zero() || now.plus(left) <= self.requests.valid_until(lease.request_id()),
            "a hold is believed to be valid for longer than it is"
        );
        self.seen().inside.retain(|other| !Arc::ptr_eq(other, lease));
    }

    pub(crate) fn requests(&self) -> &RequestLog {
        &self.requests
    }

    /// The other running sections and the highest token before this one, in one step.
    fn note(&self, lease: &Arc<Lease>) -> (Vec<Arc<Lease>>, Fence) {
        let mut seen = self.seen();
        let before = (seen.inside.clone(), seen.highest);
        seen.highest = seen.highest.max(lease.fence());
        seen.inside.push(Arc::clone(lease));
        before
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
