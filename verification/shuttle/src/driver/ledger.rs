//! What became of each name under which the server was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use distlock_runtime::verification::{KeyQueue, Nonce, Timestamp};

/// Kept by the model of the I/O thread, and read by callers. Its lock is none that a schedule sees:
/// nothing waits under it.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    entries: BTreeMap<Nonce, Entry>,
    queues: Vec<Weak<KeyQueue>>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the name")]
struct Entry {
    fate: Fate,
    /// How often it was ended.
    ends: u32,
    /// Another request took its place in the queue of the server.
    replaced: bool,
    /// It was granted when nobody wanted it any more.
    refused: bool,
    /// The latest end that the hold was given.
    valid_until: Timestamp,
    /// Whether its loss is on its way to the section, and whether it has come there.
    losing: bool,
    told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    AcquireFuture,
    Failed,
    Held,
    Lost,
    Ended,
}

impl Ledger {
    pub(super) fn asked(&self, nonce: Nonce, replaces: Option<Nonce>, queue: &Arc<KeyQueue>) {
        let mut pages = self.pages();
        pages.queues.push(Arc::downgrade(queue));
        if let Some(old) = replaces {
            let old = pages.entry(old);
            assert!(!old.replaced && old.ends <= u32::from(old.refused), "replaced after its end");
            (old.replaced, old.fate) = (true, Fate::Ended);
        }
        let entry = Entry {
            fate: Fate::AcquireFuture,
            ends: 0,
            replaced: false,
            refused: false,
            valid_until: Timestamp::ZERO,
            losing: false,
            told: false,
        };
        assert!(pages.entries.insert(nonce, entry).is_none(), "a name is asked for once");
    }

    /// The request has a hold now, or a longer one.
    pub(super) fn held(&self, nonce: Nonce, valid_until: Timestamp) {
        let mut pages = self.pages();
        let entry = pages.entry(nonce);
        (entry.fate, entry.valid_until) = (Fate::Held, valid_until);
    }

    pub(super) fn refused(&self, nonce: Nonce) {
        self.pages().entry(nonce).refused = true;
    }

    pub(super) fn failed(&self, nonce: Nonce) {
        self.pages().entry(nonce).fate = Fate::Failed;
    }

    pub(super) fn losing(&self, nonce: Nonce) {
        let mut pages = self.pages();
        let entry = pages.entry(nonce);
        (entry.fate, entry.losing) = (Fate::Lost, true);
    }

    pub(super) fn told(&self, nonce: Nonce) {
        self.pages().entry(nonce).told = true;
    }

    /// Notes an end; what it put an end to.
    pub(super) fn ended(&self, nonce: Nonce) -> Fate {
        let mut pages = self.pages();
        let entry = pages.entry(nonce);
        entry.ends += 1;
        assert!(entry.ends <= entry.ends_due(), "{nonce:?} was ended twice");
        std::mem::replace(&mut entry.fate, Fate::Ended)
    }

    pub(super) fn fate(&self, nonce: Nonce) -> Fate {
        self.pages().entry(nonce).fate
    }

    /// The latest end that this hold was given.
    pub(crate) fn valid_until(&self, nonce: Nonce) -> Timestamp {
        self.pages().entry(nonce).valid_until
    }

    /// Whether its loss was or is being told.
    pub(crate) fn is_losing(&self, nonce: Nonce) -> bool {
        self.pages().entry(nonce).losing
    }

    /// Whether its loss has been told to the section.
    pub(crate) fn was_told(&self, nonce: Nonce) -> bool {
        self.pages().entry(nonce).told
    }

    /// Checks that each queue that ever was is gone.
    pub(crate) fn check_vacancy(&self) {
        let pages = self.pages();
        assert!(pages.queues.iter().all(|queue| queue.strong_count() == 0), "a queue was kept");
    }

    /// Checks that each name came to its one end.
    pub(crate) fn check_ends(&self) {
        for (nonce, entry) in &self.pages().entries {
            match entry.fate {
                Fate::Failed => assert_eq!(entry.ends, 0, "{nonce:?} failed and was ended"),
                Fate::Ended => assert!(entry.is_settled(), "{nonce:?} was not ended once"),
                left => panic!("{nonce:?} was left: {left:?}"),
            }
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn entry(&mut self, nonce: Nonce) -> &mut Entry {
        self.entries.get_mut(&nonce).expect("whoever is told of was asked for")
    }
}

impl Entry {
    /// One, by whoever withdraws or releases it; and one more by the queue, where a grant and a
    /// withdrawal crossed. None is due where a replacement withdrew it.
    fn ends_due(&self) -> u32 {
        u32::from(!self.replaced) + u32::from(self.refused)
    }

    fn is_settled(&self) -> bool {
        self.ends == self.ends_due()
    }
}
