//! Applies each event to the queue and to the model.

use super::*;
use crate::local::queue::AcquireParams;
use crate::local::queue::tests::random::model::{Model, ModelSection};
use crate::types::fence::{Fence, FenceRange};
use crate::types::request_id::RequestId;
use crate::wire::reply::Grant;

impl Model {
    pub(crate) fn fire_timers(&mut self, span: u64) {
        self.now += span;
        let now = self.now();
        while self.wakes.last().is_some_and(|&wake| wake <= now) {
            self.wakes.pop();
        }
        let due: Vec<_> =
            self.unknown().map(|(&who, waiter)| (who, waiter.params.deadline)).collect();
        let expired: Vec<_> = due
            .into_iter()
            .filter(|(_, deadline)| deadline.is_some_and(|deadline| deadline <= now))
            .map(|(who, _)| who)
            .collect();
        let show = |id, running: &RunningSection| holder(id, running.fence);
        let result = self.queue.tick(now, |_| elsewhere(), show);
        let mut actions = self.queue.take_actions();
        let heard: Vec<_> = actions.failed.drain(..).map(|(who, _)| who).collect();
        assert_eq!(result.timed_out, heard.len());
        assert_eq!(heard, expired, "each hears of its deadline, and nobody else");
        for who in heard {
            self.waiting.remove(&who);
        }
        let known = usize::from(self.requests.is_some());
        let mut long = 0;
        for waiter in self.waiting.values_mut().skip(known) {
            if waiter.warn_at <= now {
                waiter.warn_at = now.plus(now.since(waiter.params.since));
                long += 1;
            }
        }
        assert_eq!(result.slow_waits.len(), long);
        self.apply(actions);
    }

    pub(crate) fn join(&mut self, params: AcquireParams) {
        if !params.queue && !self.queue.is_open() {
            return;
        }
        self.people += 1;
        let waiter_id = self.queue.join(self.now(), params, self.people);
        let actions = self.queue.take_actions();
        let warn_at = params.since.plus(ms(10_000));
        self.waiting.insert(self.people, ModelWaiter { waiter_id, params, warn_at });
        self.handoff(actions);
    }

    pub(crate) fn take_idle(&mut self, params: AcquireParams) -> bool {
        if !self.queue.take_idle(self.now(), params) {
            return false;
        }
        let actions = self.queue.take_actions();
        assert!(
            actions.release.is_none() && actions.acquire.is_none() && actions.wake_at.is_none()
        );
        assert!(self.waiting.is_empty(), "it comes before others");
        self.start();
        let lease = self.lease.as_mut().unwrap();
        assert!(!lease.contended, "kept although others wait");
        if let Some(left) = &mut lease.left {
            *left = left.checked_sub(1).expect("entered too often");
        }
        true
    }

    pub(crate) fn cancel(&mut self, index: prop::sample::Index) {
        if self.waiting.is_empty() {
            return;
        }
        let who = *self.waiting.keys().nth(index.index(self.waiting.len())).unwrap();
        let was_known = self.known() == Some(who);
        let ModelWaiter { waiter_id, .. } = self.waiting.remove(&who).unwrap();
        self.queue.cancel(waiter_id);
        let actions = self.queue.take_actions();
        let reported = actions.release.is_some() || actions.acquire.is_some();
        assert_eq!(reported, was_known, "the server hears of the one it knows");
        self.apply(actions);
    }

    pub(crate) fn granted(&mut self, contended: bool, part: u32, left: u64) {
        let Some((name, fence_count)) = self.requests.take() else { return };
        let size = 1 + part % fence_count;
        let fences = FenceRange::new(Fence::new(self.next_fence), size);
        self.next_fence += u64::from(size);
        let valid_until = at(self.now + left);
        let waited_for_by_now = contended || self.pending_contended;
        if waited_for_by_now {
            self.contention_until = self.now + 1000;
        }
        let left = (self.now < self.contention_until).then_some(MAX_HANDOFFS);
        self.lease = Some(ModelLease {
            id: name,
            valid_until,
            running: None,
            left,
            contended: waited_for_by_now,
        });
        self.queue.granted(self.now(), name, Grant { fences, contended }, valid_until);
        let actions = self.queue.take_actions();
        assert!(actions.start.is_some(), "the one that it was asked for gets it");
        self.apply(actions);
    }

    pub(crate) fn granted_late(&mut self) {
        let Some(name) = self.withdrawn.pop() else { return };
        let fences = FenceRange::new(Fence::new(self.next_fence), 4);
        self.next_fence += 4;
        let grant = Grant { fences, contended: false };
        self.queue.granted(self.now(), name, grant, at(self.now + 1000));
        let actions = self.queue.take_actions();
        assert_eq!(actions.release, Some(name), "it goes back");
        assert!(actions.acquire.is_none() && actions.start.is_none());
    }

    pub(crate) fn failed(&mut self) {
        let Some((name, _)) = self.requests.take() else { return };
        self.to_release.remove(&name);
        let first = self.waiting.pop_first().expect("a request without a waiter").0;
        self.queue.failed(self.now(), name, Failure::NoReply);
        let mut actions = self.queue.take_actions();
        assert_eq!(actions.failed.pop(), Some((first, Failure::NoReply)));
        self.apply(actions);
    }

    fn running(&mut self) -> Option<ModelSection> {
        let lease = self.lease.as_mut()?;
        lease.running.take().map(|fence| ModelSection { id: lease.id, fence })
    }

    pub(crate) fn released(&mut self) {
        let Some(ModelSection { id, fence }) = self.running() else { return };
        self.queue.released(self.now(), id, fence);
        let actions = self.queue.take_actions();
        self.handoff(actions);
    }

    pub(crate) fn released_directly(&mut self) {
        let Some(ModelSection { id, .. }) = self.running() else { return };
        self.to_release.remove(&id);
        self.lease = None;
        self.queue.released_directly(id);
        let actions = self.queue.take_actions();
        self.apply(actions);
    }

    pub(crate) fn release_lost(&mut self, name: RequestId, fence: Fence) {
        self.queue.released(self.now(), name, fence);
        let actions = self.queue.take_actions();
        assert_eq!(actions.release, Some(name), "released once its section has ended");
        assert!(actions.start.is_none() && actions.acquire.is_none());
        self.apply(actions);
    }

    pub(crate) fn lose(&mut self) {
        let Some(lease) = &self.lease else { return };
        let id = lease.id;
        if let Some(section) = self.running() {
            self.lost.push(section);
            self.lease = None;
        }
        self.queue.lost(id);
        let actions = self.queue.take_actions();
        assert!(actions.start.is_none());
        self.apply(actions);
        assert!(self.lease.is_none(), "a lease that was lost with nobody inside is ended");
    }

    pub(crate) fn contended(&mut self) {
        self.pending_contended |= self.requests.is_some();
        if let Some(lease) = &mut self.lease {
            lease.contended = true;
            lease.left.get_or_insert(MAX_HANDOFFS);
            self.contention_until = self.now + 1000;
        }
        let name =
            self.lease.as_ref().map(|lease| lease.id).or(self.requests.map(|requests| requests.0));
        let Some(name) = name else { return };
        self.queue.contended(self.now(), name);
        let actions = self.queue.take_actions();
        assert!(actions.start.is_none() && actions.acquire.is_none());
        self.apply(actions);
        let idle = self.lease.as_ref().is_some_and(|lease| lease.running.is_none());
        assert!(!idle, "kept although others wait");
    }

    pub(crate) fn renewed(&mut self, left: u64) {
        let valid_until = at(self.now + left);
        let Some(lease) = &mut self.lease else { return };
        lease.valid_until = valid_until;
        self.queue.renewed(lease.id, valid_until);
    }

    pub(crate) fn release_idle(&mut self) {
        self.queue.release_idle();
        let actions = self.queue.take_actions();
        self.apply(actions);
    }
}
