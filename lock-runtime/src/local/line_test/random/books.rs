//! What a line has done so far, and what must be true of it.

pub(crate) mod events;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::local::moves::Actions;
use crate::local::queue::LocalQueue;
use crate::local::waiting::{AcquireParams, WaiterId};
use crate::types::fence::Fence;
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;

type Who = u64;

/// A section that runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    pub(crate) nonce: Nonce,
    pub(crate) fence: Fence,
}

/// The hold that the server has granted to the line.
#[derive(Debug)]
struct Hold {
    nonce: Nonce,
    valid_until: Timestamp,
    running: Option<Fence>,
    /// How many hand-overs are allowed since others are known or expected to wait.
    left: Option<u32>,
    waited_for: bool,
}

#[derive(Debug)]
struct ModelWaiter {
    number: WaiterId,
    params: AcquireParams,
    warn_at: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) line: LocalQueue<Who>,
    pub(crate) now: u64,
    names: u128,
    people: Who,
    next_fence: u64,
    served: Option<Fence>,
    /// What the server was asked, and how many tokens for.
    asked: Option<(Nonce, u32)>,
    asked_is_waited_for: bool,
    /// Until when others are expected back.
    shared_until: u64,
    withdrawn: Vec<Nonce>,
    hold: Option<Hold>,
    /// Sections whose hold is lost and that still run.
    pub(crate) lost: Vec<Section>,
    /// Requests and holds that have to be withdrawn or released, each once.
    owed: BTreeSet<Nonce>,
    waiting: BTreeMap<Who, ModelWaiter>,
    alarms: Vec<Timestamp>,
}

impl Books {
    pub(crate) fn new() -> Self {
        Self {
            line: named(LocalQueue::new(BOUND)),
            now: 0,
            names: 0,
            people: 0,
            next_fence: FIRST,
            served: None,
            asked: None,
            asked_is_waited_for: false,
            shared_until: 0,
            withdrawn: Vec::new(),
            hold: None,
            lost: Vec::new(),
            owed: BTreeSet::new(),
            waiting: BTreeMap::new(),
            alarms: Vec::new(),
        }
    }

    fn now(&self) -> Timestamp {
        at(self.now)
    }

    /// The one that the server knows of.
    fn known(&self) -> Option<Who> {
        self.asked.and_then(|_| self.waiting.keys().next().copied())
    }

    fn unknown(&self) -> impl Iterator<Item = (&Who, &ModelWaiter)> {
        self.waiting.iter().skip(usize::from(self.asked.is_some()))
    }

    fn end(&mut self, name: Nonce) {
        assert!(self.owed.remove(&name), "ended twice, or never asked for");
        if self.hold.as_ref().is_some_and(|hold| hold.nonce == name) {
            assert!(self.hold.take().unwrap().running.is_none(), "it ends around a section");
        }
        if let Some((asked, _)) = self.asked.take_if(|asked| asked.0 == name) {
            self.withdrawn.push(asked);
        }
    }

    /// A section begins, as the latest in the line or at once.
    fn serve(&mut self, name: Nonce, fence: Fence, valid_until: Timestamp) {
        let now = self.now();
        let hold = self.hold.as_mut().expect("nobody begins without a hold");
        assert_eq!(hold.nonce, name, "under the hold of now");
        assert_eq!(hold.valid_until, valid_until);
        assert!(now < valid_until, "it is over already");
        assert_eq!(hold.running.replace(fence), None, "two at once");
        assert!(self.served.is_none_or(|before| before < fence), "tokens rise");
        assert!(fence.get() < self.next_fence, "a token that the server never gave");
        self.served = Some(fence);
    }

    fn heed(&mut self, moves: Actions<Who>) {
        if let Some(alarm) = moves.alarm {
            assert!(self.alarms.iter().all(|&other| alarm < other), "a later alarm is of no use");
            self.alarms.push(alarm);
        }
        if let Some(name) = moves.end {
            self.end(name);
        }
        if let Some(ask) = moves.ask {
            if let Some(old) = ask.replaces {
                self.end(old);
            }
            assert!(self.asked.is_none() && self.hold.is_none(), "one at a time");
            let (_, first) = self.waiting.first_key_value().expect("asked for somebody");
            assert_eq!(first.params.since, ask.params.since, "asked for the first");
            assert!((1..=crate::wire::call::LARGEST_BLOCK).contains(&ask.block));
            self.names += 1;
            assert_eq!(ask.nonce, nonce(self.names));
            self.line.supply(nonce(self.names + 1));
            self.asked = Some((ask.nonce, ask.block));
            self.asked_is_waited_for = false;
            self.owed.insert(ask.nonce);
        }
        if let Some(serve) = moves.serve {
            let first = self.waiting.pop_first().expect("somebody waits").0;
            assert_eq!(first, serve.slot, "in the order of their coming");
            self.serve(serve.nonce, serve.fence, serve.valid_until);
        }
    }

    /// What a section of before brings about may be a hand-over, which counts.
    fn hand_over(&mut self, moves: Actions<Who>) {
        if moves.serve.is_some() {
            let hold = self.hold.as_mut().expect("handed on without a hold");
            if let Some(left) = &mut hold.left {
                *left = left.checked_sub(1).expect("handed on too often");
            }
        }
        self.heed(moves);
    }

    /// What is always true between two events.
    pub(crate) fn check(&self) {
        let somebody_waits = !self.waiting.is_empty();
        let has = (self.asked.is_some(), self.hold.is_some());
        assert_ne!(has, (true, true), "no request is under way while there is a hold");
        assert!(!somebody_waits || has != (false, false), "a wait without end");
        assert_eq!(self.line.is_vacant(), has == (false, false) && !somebody_waits);
        let idle = self.hold.as_ref().is_some_and(|hold| hold.running.is_none());
        assert_eq!(self.line.is_idle(), idle);
        assert!(!(idle && somebody_waits), "it lies idle while somebody waits");
        let earliest = self.alarms.iter().min();
        for (_, ModelWaiter { params, warn_at, .. }) in self.unknown() {
            let due = params.deadline.map_or(*warn_at, |deadline| deadline.min(*warn_at));
            assert!(earliest.is_some_and(|alarm| *alarm <= due), "nobody would look at it");
        }
        assert!(!idle || earliest.is_some(), "nobody would give it up");
        let lost = self.lost.iter().map(|section| section.nonce);
        let asked = self.asked.iter().map(|asked| asked.0);
        let held = self.hold.iter().map(|hold| hold.nonce);
        let expected: BTreeSet<_> = lost.chain(asked).chain(held).collect();
        assert_eq!(self.owed, expected, "what is owed is in use");
    }

    pub(crate) fn assert_nothing_is_owed(&self) {
        assert!(self.owed.is_empty() && self.waiting.is_empty() && self.lost.is_empty());
    }
}
