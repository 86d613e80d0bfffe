//! What a line has done so far, and what must be true of it.

pub(crate) mod events;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::local::actions::Actions;
use crate::local::params::AcquireParams;
use crate::local::queue::LocalQueue;
use crate::local::waiters::WaiterId;
use crate::types::fence::Fence;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;

type Who = u64;

/// A section that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) id: RequestId,
    pub(crate) fence: Fence,
}

/// The hold that the server has granted to the line.
#[derive(Debug)]
struct Hold {
    id: RequestId,
    valid_until: Timestamp,
    running: Option<Fence>,
    /// How many hand-overs are allowed since others are known or expected to wait.
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
    pub(crate) queue: LocalQueue<Who>,
    pub(crate) now: u64,
    names: u128,
    people: Who,
    next_fence: u64,
    started: Option<Fence>,
    /// What the server was asked, and how many tokens for.
    requests: Option<(RequestId, u32)>,
    pending_contended: bool,
    /// Until when others are expected back.
    contention_until: u64,
    withdrawn: Vec<RequestId>,
    hold: Option<Hold>,
    /// Sections whose hold is lost and that still run.
    pub(crate) lost: Vec<Section>,
    /// Requests and holds that have to be withdrawn or released, each once.
    to_release: BTreeSet<RequestId>,
    waiting: BTreeMap<Who, ModelWaiter>,
    wakes: Vec<Timestamp>,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            queue: with_request_id(LocalQueue::new(MAX_HANDOFFS)),
            now: 0,
            names: 0,
            people: 0,
            next_fence: FIRST,
            started: None,
            requests: None,
            pending_contended: false,
            contention_until: 0,
            withdrawn: Vec::new(),
            hold: None,
            lost: Vec::new(),
            to_release: BTreeSet::new(),
            waiting: BTreeMap::new(),
            wakes: Vec::new(),
        }
    }

    fn now(&self) -> Timestamp {
        at(self.now)
    }

    /// The one that the server knows of.
    fn known(&self) -> Option<Who> {
        self.requests.and_then(|_| self.waiting.keys().next().copied())
    }

    fn unknown(&self) -> impl Iterator<Item = (&Who, &ModelWaiter)> {
        self.waiting.iter().skip(usize::from(self.requests.is_some()))
    }

    fn release(&mut self, name: RequestId) {
        assert!(self.to_release.remove(&name), "ended twice, or never asked for");
        if self.hold.as_ref().is_some_and(|hold| hold.id == name) {
            assert!(self.hold.take().unwrap().running.is_none(), "it ends around a section");
        }
        if let Some((requests, _)) = self.requests.take_if(|requests| requests.0 == name) {
            self.withdrawn.push(requests);
        }
    }

    /// A section begins, as the latest in the line or at once.
    fn start(&mut self, name: RequestId, fence: Fence, valid_until: Timestamp) {
        let now = self.now();
        let hold = self.hold.as_mut().expect("nobody begins without a hold");
        assert_eq!(hold.id, name, "under the hold of now");
        assert_eq!(hold.valid_until, valid_until);
        assert!(now < valid_until, "it is over already");
        assert_eq!(hold.running.replace(fence), None, "two at once");
        assert!(self.started.is_none_or(|before| before < fence), "tokens rise");
        assert!(fence.get() < self.next_fence, "a token that the server never gave");
        self.started = Some(fence);
    }

    fn apply(&mut self, actions: Actions<Who>) {
        if let Some(wake) = actions.wake_at {
            assert!(self.wakes.iter().all(|&other| wake < other), "a later alarm is of no use");
            self.wakes.push(wake);
        }
        if let Some(name) = actions.release {
            self.release(name);
        }
        if let Some(acquire) = actions.acquire {
            if let Some(old) = acquire.replaces {
                self.release(old);
            }
            assert!(self.requests.is_none() && self.hold.is_none(), "one at a time");
            let (_, first) = self.waiting.first_key_value().expect("asked for somebody");
            assert_eq!(first.params.since, acquire.params.since, "asked for the first");
            assert!((1..=crate::wire::limits::MAX_FENCE_RANGE).contains(&acquire.fence_count));
            self.names += 1;
            assert_eq!(acquire.id, request_id(self.names));
            self.queue.provide_request_id(request_id(self.names + 1));
            self.requests = Some((acquire.id, acquire.fence_count));
            self.pending_contended = false;
            self.to_release.insert(acquire.id);
        }
        if let Some(start) = actions.start {
            let first = self.waiting.pop_first().expect("somebody waits").0;
            assert_eq!(first, start.sender, "in the order of their coming");
            self.start(start.id, start.fence, start.valid_until);
        }
    }

    /// What a section of before brings about may be a hand-over, which counts.
    fn handoff(&mut self, actions: Actions<Who>) {
        if actions.start.is_some() {
            let hold = self.hold.as_mut().expect("handed on without a hold");
            if let Some(left) = &mut hold.left {
                *left = left.checked_sub(1).expect("handed on too often");
            }
        }
        self.apply(actions);
    }

    /// What is always true between two events.
    pub(crate) fn check(&self) {
        let somebody_waits = !self.waiting.is_empty();
        let has = (self.requests.is_some(), self.hold.is_some());
        assert_ne!(has, (true, true), "no request is under way while there is a hold");
        assert!(!somebody_waits || has != (false, false), "a wait without end");
        assert_eq!(self.queue.is_vacant(), has == (false, false) && !somebody_waits);
        let idle = self.hold.as_ref().is_some_and(|hold| hold.running.is_none());
        assert_eq!(self.queue.is_idle(), idle);
        assert!(!(idle && somebody_waits), "it lies idle while somebody waits");
        let earliest = self.wakes.iter().min();
        for (_, ModelWaiter { params, warn_at, .. }) in self.unknown() {
            let due = params.deadline.map_or(*warn_at, |deadline| deadline.min(*warn_at));
            assert!(earliest.is_some_and(|wake| *wake <= due), "nobody would look at it");
        }
        assert!(!idle || earliest.is_some(), "nobody would give it up");
        let lost = self.lost.iter().map(|section| section.id);
        let requests = self.requests.iter().map(|requests| requests.0);
        let held = self.hold.iter().map(|hold| hold.id);
        let expected: BTreeSet<_> = lost.chain(requests).chain(held).collect();
        assert_eq!(self.to_release, expected, "what is owed is in use");
    }

    pub(crate) fn assert_all_released(&self) {
        assert!(self.to_release.is_empty() && self.waiting.is_empty() && self.lost.is_empty());
    }
}
