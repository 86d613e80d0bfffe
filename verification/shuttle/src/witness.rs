//! Sees who is inside, and what must not be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use distlock_runtime::Fence;
use distlock_runtime::verification::{Lease, fence};

use crate::driver::Ledger;
use crate::environment;

/// What was seen of the sections of one key. Its lock is none that a schedule sees: nothing waits
/// under it.
pub(crate) struct Witness {
    seen: Mutex<Seen>,
    ledger: Arc<Ledger>,
}

struct Seen {
    inside: Vec<Arc<Lease>>,
    /// The highest token that was shown so far.
    highest: Fence,
}

impl Witness {
    pub(crate) fn new(ledger: Arc<Ledger>) -> Self {
        Self { seen: Mutex::new(Seen { inside: Vec::new(), highest: fence(0) }), ledger }
    }

    /// A section begins.
    pub(crate) fn enter(&self, lease: &Arc<Lease>) {
        let told = self.ledger.was_told(lease.nonce());
        let (others, highest) = self.note(lease);
        assert!(!told || lease.reported_loss().is_some(), "a hold was served after its loss");
        assert_ne!(highest, lease.fence(), "two sections have one token");
        if highest > lease.fence() {
            assert!(lease.reported_loss().is_some(), "a token is not above those before it");
        }
        for other in others {
            let older = if other.fence() < lease.fence() { &other } else { lease };
            assert!(older.reported_loss().is_some(), "two sections at once: {older:?} is not told");
        }
    }

    /// A section is about to end.
    pub(crate) fn leave(&self, lease: &Arc<Lease>) {
        let loss = lease.reported_loss();
        assert!(
            loss.is_none() || self.ledger.is_losing(lease.nonce()),
            "a section is shown the loss of another's hold"
        );
        let (now, left) = (environment::now(), lease.remaining());
        assert!(
            left.is_zero() || now.plus(left) <= self.ledger.valid_until(lease.nonce()),
            "a hold is believed to be longer than it is"
        );
        self.seen().inside.retain(|other| !Arc::ptr_eq(other, lease));
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Who else is inside, and the highest token before this one, at the same instant.
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
