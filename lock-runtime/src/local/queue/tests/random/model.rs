//! The model: what a queue has done so far, and what must be true of it.

pub(crate) mod events;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::local::queue::tests::collected::CollectedQueue;
use crate::local::queue::{AcquireParams, Actions, WaiterId};
use crate::types::fence::Fence;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;

type Who = u64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct ModelSection {
    pub(crate) id: RequestId,
    pub(crate) fence: Fence,
}

/// The lease that the server has granted to the queue.
#[derive(Debug)]
struct ModelLease {
    id: RequestId,
    valid_until: Timestamp,
    running: Option<Fence>,
    /// How many handoffs are left since another process waits or is expected to.
    left: Option<u32>,
    contended: bool,
}

#[derive(Debug)]
struct ModelWaiter {
    waiter_id: WaiterId,
    params: AcquireParams,
    warn_at: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) queue: CollectedQueue<Who>,
    pub(crate) now: u64,
    names: u128,
    people: Who,
    next_fence: u64,
    started: Option<Fence>,
    /// The request and how many tokens it reserves.
    requests: Option<(RequestId, u32)>,
    pending_contended: bool,
    /// Other processes are expected to want the lock until then.
    contention_until: u64,
    withdrawn: Vec<RequestId>,
    lease: Option<ModelLease>,
    /// Sections that run under a lost lease.
    pub(crate) lost: Vec<ModelSection>,
    /// Requests and leases that have to be cancelled or released, each once.
    to_release: BTreeSet<RequestId>,
    waiting: BTreeMap<Who, ModelWaiter>,
    wakes: Vec<Timestamp>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            queue: new_queue(MAX_HANDOFFS),
            now: 0,
            names: 0,
            people: 0,
            next_fence: FIRST,
            started: None,
            requests: None,
            pending_contended: false,
            contention_until: 0,
            withdrawn: Vec::new(),
            lease: None,
            lost: Vec::new(),
            to_release: BTreeSet::new(),
            waiting: BTreeMap::new(),
            wakes: Vec::new(),
        }
    }

    fn now(&self) -> Timestamp {
        at(self.now)
    }

    /// The waiter that the server knows.
    fn known(&self) -> Option<Who> {
        self.requests.and_then(|_| self.waiting.keys().next().copied())
    }

    fn unknown(&self) -> impl Iterator<Item = (&Who, &ModelWaiter)> {
        self.waiting.iter().skip(usize::from(self.requests.is_some()))
    }

    fn release(&mut self, name: RequestId) {
        assert!(self.to_release.remove(&name), "released twice, or never requested");
        if self.lease.as_ref().is_some_and(|lease| lease.id == name) {
            assert!(self.lease.take().unwrap().running.is_none(), "released while a section runs");
        }
        if let Some((requests, _)) = self.requests.take_if(|requests| requests.0 == name) {
            self.withdrawn.push(requests);
        }
    }

    /// A section starts.
    fn start(&mut self) {
        let now = self.now();
        let &RunningSection { fence, .. } = self.queue.running().expect("it runs");
        let name = self.queue.lease_id().expect("it runs under a lease");
        let valid_until = self.queue.valid_until().unwrap();
        let lease = self.lease.as_mut().expect("no section without a lease");
        assert_eq!(lease.id, name, "under the current lease");
        assert_eq!(lease.valid_until, valid_until);
        assert!(now < valid_until, "expired");
        assert_eq!(lease.running.replace(fence), None, "two sections at once");
        assert!(self.started.is_none_or(|before| before < fence), "tokens increase");
        assert!(fence.get() < self.next_fence, "a token that the server never issued");
        self.started = Some(fence);
    }

    fn apply(&mut self, actions: Actions<Who>) {
        if let Some(wake) = actions.wake_at {
            assert!(self.wakes.iter().all(|&other| wake < other), "a later tick is useless");
            self.wakes.push(wake);
        }
        if let Some(name) = actions.release {
            self.release(name);
        }
        if let Some(acquire) = actions.acquire {
            if let Some(old) = acquire.replaces {
                self.release(old);
            }
            assert!(self.requests.is_none() && self.lease.is_none(), "one at a time");
            let (_, first) = self.waiting.first_key_value().expect("a request without a waiter");
            assert_eq!(first.params.since, acquire.params.since, "a request for the first waiter");
            assert!((1..=crate::wire::keyspace::MAX_FENCE_RANGE).contains(&acquire.fence_count));
            self.names += 1;
            assert_eq!(acquire.id, request_id(self.names));
            self.requests = Some((acquire.id, acquire.fence_count));
            self.pending_contended = false;
            self.to_release.insert(acquire.id);
        }
        if let Some(start) = actions.start {
            let first = self.waiting.pop_first().expect("there is a waiter").0;
            assert_eq!(first, start, "first come, first served");
            self.start();
        }
    }

    /// Actions after a section has ended, which may be a handoff.
    fn handoff(&mut self, actions: Actions<Who>) {
        if actions.start.is_some() {
            let lease = self.lease.as_mut().expect("a handoff without a lease");
            if let Some(left) = &mut lease.left {
                *left = left.checked_sub(1).expect("too many handoffs");
            }
        }
        self.apply(actions);
    }

    /// Invariants between two events.
    pub(crate) fn check(&self) {
        let somebody_waits = !self.waiting.is_empty();
        let has = (self.requests.is_some(), self.lease.is_some());
        assert_ne!(has, (true, true), "no request is under way while there is a lease");
        assert!(!somebody_waits || has != (false, false), "nobody serves the waiters");
        assert_eq!(self.queue.is_vacant(), has == (false, false) && !somebody_waits);
        let idle = self.lease.as_ref().is_some_and(|lease| lease.running.is_none());
        assert_eq!(self.queue.is_idle(), idle);
        assert!(!(idle && somebody_waits), "it lies idle while there is a waiter");
        let earliest = self.wakes.iter().min();
        for (_, ModelWaiter { params, warn_at, .. }) in self.unknown() {
            let due = params.deadline.map_or(*warn_at, |deadline| deadline.min(*warn_at));
            assert!(earliest.is_some_and(|wake| *wake <= due), "nobody would look at it");
        }
        assert!(!idle || earliest.is_some(), "nobody would give it up");
        let lost = self.lost.iter().map(|section| section.id);
        let requests = self.requests.iter().map(|requests| requests.0);
        let held = self.lease.iter().map(|lease| lease.id);
        let expected: BTreeSet<_> = lost.chain(requests).chain(held).collect();
        assert_eq!(self.to_release, expected, "what is owed is in use");
    }

    pub(crate) fn assert_all_released(&self) {
        assert!(self.to_release.is_empty() && self.waiting.is_empty() && self.lost.is_empty());
    }
}
