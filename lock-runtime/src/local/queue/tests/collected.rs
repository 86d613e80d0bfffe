//! A queue that collects the actions of its events.

use std::mem;
use std::ops::{Deref, DerefMut};

use crate::local::queue::{AcquireParams, Actions, LocalQueue, RunningSection, TickReport};
use crate::local::waiters::WaiterId;
use crate::protocol::request::Failure;
use crate::types::fence::Fence;
use crate::types::owner_info::HolderInfo;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::reply::Grant;

#[derive(Debug)]
pub(in crate::local) struct CollectedQueue<S> {
    queue: LocalQueue<S>,
    actions: Actions<S>,
}

impl<S> Deref for CollectedQueue<S> {
    type Target = LocalQueue<S>;

    fn deref(&self) -> &LocalQueue<S> {
        &self.queue
    }
}

impl<S> DerefMut for CollectedQueue<S> {
    fn deref_mut(&mut self) -> &mut LocalQueue<S> {
        &mut self.queue
    }
}

impl<S> CollectedQueue<S> {
    pub(in crate::local) fn new(queue: LocalQueue<S>) -> Self {
        Self { queue, actions: Actions::none() }
    }

    /// The actions since the last call.
    pub(in crate::local) fn take_actions(&mut self) -> Actions<S> {
        self.queue.arm(&mut self.actions);
        mem::replace(&mut self.actions, Actions::none())
    }

    pub(in crate::local) fn take_idle(&mut self, now: Timestamp, params: AcquireParams) -> bool {
        self.queue.take_idle(now, params, &mut self.actions)
    }

    pub(in crate::local) fn join(
        &mut self,
        now: Timestamp,
        params: AcquireParams,
        sender: S,
    ) -> WaiterId {
        self.queue.join(now, params, sender, &mut self.actions)
    }

    pub(in crate::local) fn cancel(&mut self, id: WaiterId) {
        self.queue.cancel(id, &mut self.actions);
    }

    pub(in crate::local) fn granted(
        &mut self,
        now: Timestamp,
        id: RequestId,
        grant: Grant,
        valid_until: Timestamp,
    ) {
        self.queue.granted(now, id, grant, valid_until, &mut self.actions);
    }

    pub(in crate::local) fn failed(&mut self, now: Timestamp, id: RequestId, failure: Failure) {
        self.queue.failed(now, id, failure, &mut self.actions);
    }

    pub(in crate::local) fn released(&mut self, now: Timestamp, id: RequestId, fence: Fence) {
        self.queue.released(now, id, fence, &mut self.actions);
    }

    pub(in crate::local) fn released_directly(&mut self, id: RequestId) {
        self.queue.released_directly(id, &mut self.actions);
    }

    pub(in crate::local) fn lost(&mut self, id: RequestId) {
        self.queue.lost(id, &mut self.actions);
    }

    pub(in crate::local) fn contended(&mut self, now: Timestamp, id: RequestId) {
        self.queue.contended(now, id, &mut self.actions);
    }

    pub(in crate::local) fn release_idle(&mut self) {
        self.queue.release_idle(&mut self.actions);
    }

    pub(in crate::local) fn tick(
        &mut self,
        now: Timestamp,
        blocked_by: impl FnOnce(RequestId) -> Failure,
        holder_of: impl FnOnce(RequestId, &RunningSection) -> HolderInfo,
    ) -> TickReport {
        self.queue.tick(now, blocked_by, holder_of, &mut self.actions)
    }
}
