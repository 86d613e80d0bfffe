//! The fate of each request that was sent to the server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use distlock_runtime::verification::{KeyQueue, RequestId, Timestamp};

/// Written by the model of the server and read by callers. It uses a mutex of the standard
/// library, on which no schedule depends: nothing waits while it is locked.
#[derive(Default)]
pub(crate) struct RequestLog(Mutex<Records>);

#[derive(Default)]
struct Records {
    entries: BTreeMap<RequestId, Record>,
    queues: Vec<Weak<KeyQueue>>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact about the request")]
struct Record {
    fate: Fate,
    /// How often it was released or withdrawn.
    releases: u32,
    /// Another request replaced it in the queue of the server.
    replaced: bool,
    /// It was granted after its caller had gone.
    refused: bool,
    /// The latest expiry of the hold.
    valid_until: Timestamp,
    /// Whether its loss is about to be reported to the section, and whether it was.
    loss_pending: bool,
    loss_reported: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Requested,
    Failed,
    Held,
    Lost,
    Released,
}

impl RequestLog {
    pub(super) fn requested(
        &self,
        id: RequestId,
        replaces: Option<RequestId>,
        queue: &Arc<KeyQueue>,
    ) {
        let mut records = self.records();
        records.queues.push(Arc::downgrade(queue));
        if let Some(old) = replaces {
            let old = records.entry(old);
            assert!(
                !old.replaced && old.releases <= u32::from(old.refused),
                "replaced after its release"
            );
            (old.replaced, old.fate) = (true, Fate::Released);
        }
        let entry = Record {
            fate: Fate::Requested,
            releases: 0,
            replaced: false,
            refused: false,
            valid_until: Timestamp::ZERO,
            loss_pending: false,
            loss_reported: false,
        };
        assert!(records.entries.insert(id, entry).is_none(), "a request id is used once");
    }

    /// The request was granted or renewed.
    pub(super) fn held(&self, id: RequestId, valid_until: Timestamp) {
        let mut records = self.records();
        let entry = records.entry(id);
        (entry.fate, entry.valid_until) = (Fate::Held, valid_until);
    }

    pub(super) fn refused(&self, id: RequestId) {
        self.records().entry(id).refused = true;
    }

    pub(super) fn failed(&self, id: RequestId) {
        self.records().entry(id).fate = Fate::Failed;
    }

    pub(super) fn loss_pending(&self, id: RequestId) {
        let mut records = self.records();
        let entry = records.entry(id);
        (entry.fate, entry.loss_pending) = (Fate::Lost, true);
    }

    pub(super) fn loss_reported(&self, id: RequestId) {
        self.records().entry(id).loss_reported = true;
    }

    /// Records a release or withdrawal. Returns the state before it.
    pub(super) fn released(&self, id: RequestId) -> Fate {
        let mut records = self.records();
        let entry = records.entry(id);
        entry.releases += 1;
        assert!(entry.releases <= entry.releases_due(), "{id:?} was released twice");
        std::mem::replace(&mut entry.fate, Fate::Released)
    }

    pub(super) fn fate(&self, id: RequestId) -> Fate {
        self.records().entry(id).fate
    }

    /// The latest expiry of this hold.
    pub(crate) fn valid_until(&self, id: RequestId) -> Timestamp {
        self.records().entry(id).valid_until
    }

    /// Whether its loss was or is being reported.
    pub(crate) fn loss_is_pending(&self, id: RequestId) -> bool {
        self.records().entry(id).loss_pending
    }

    /// Whether its loss was reported to the section.
    pub(crate) fn loss_was_reported(&self, id: RequestId) -> bool {
        self.records().entry(id).loss_reported
    }

    /// Checks that every queue was removed.
    pub(crate) fn check_no_queue_left(&self) {
        let records = self.records();
        assert!(
            records.queues.iter().all(|queue| queue.strong_count() == 0),
            "a queue was not removed"
        );
    }

    /// Checks that each request failed or was released once.
    pub(crate) fn check_releases(&self) {
        for (id, entry) in &self.records().entries {
            match entry.fate {
                Fate::Failed => assert_eq!(entry.releases, 0, "{id:?} failed and was released"),
                Fate::Released => {
                    assert!(entry.has_all_releases(), "{id:?} was not released once");
                }
                left => panic!("{id:?} was left: {left:?}"),
            }
        }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records {
    fn entry(&mut self, id: RequestId) -> &mut Record {
        self.entries.get_mut(&id).expect("the request was sent before")
    }
}

impl Record {
    /// One by the caller that withdraws or releases it, and one more by the queue if the grant and
    /// the withdrawal crossed. None if a replacement withdrew it.
    fn releases_due(&self) -> u32 {
        u32::from(!self.replaced) + u32::from(self.refused)
    }

    fn has_all_releases(&self) -> bool {
        self.releases == self.releases_due()
    }
}
