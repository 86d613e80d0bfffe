//! A line that callers and the I/O thread share.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::local::in_line::{AcquireOutcome, JoinError, PendingGrant, WaitForTurn};
use crate::local::lease::{Callback, Lease, LeaseBackend, LeaseRef};
use crate::local::moves::{AcquireAction, Actions, LongSection, StartSection, TickReport};
use crate::local::post::QueueContext;
use crate::local::queue::LocalQueue;
use crate::local::seat::{GrantSender, Nudge, seat};
use crate::local::table::Shard;
use crate::local::tenure::RunningSection;
use crate::local::waiting::{AcquireParams, WaiterId};
use crate::protocol::claim::{Confirmation, Failure, Loss, Request};
use crate::types::fence::Fence;
use crate::types::owner_info::{Holder, OwnerInfo};
use crate::types::request_id::Nonce;
use crate::types::sync::{Mutex, MutexGuard};
use crate::types::time::Timestamp;
use crate::types::{process_info as identity, time};
use crate::wire::call::INSPECTED;
use crate::wire::reply::{Grant, Inspection, Waiter};

type Slot = GrantSender<AcquireOutcome>;

/// When a section that others of this process wait for is worth a hint.
const LONG_SECTION: Duration = Duration::from_secs(1);

/// The queue of one key in this process.
pub struct KeyQueue {
    me: Weak<Self>,
    key: Arc<str>,
    shard: Weak<Shard>,
    office: Arc<QueueContext>,
    state: Mutex<KeyQueueState>,
}

/// What came of [`KeyQueue::take_back`].
pub enum Reclaim {
    /// Nothing is left untaken.
    NotNeeded,
    /// It need not be taken up before then.
    CheckAt(Timestamp),
    /// A turn was taken back.
    Reclaimed,
}

struct KeyQueueState {
    line: LocalQueue<Slot>,
    /// When to look whether a long section of this process is waited for.
    look_at: Option<Timestamp>,
    /// The alarms that were asked for and have not rung, by their instants and numbers.
    alarms: Vec<(Timestamp, u64)>,
    /// The hold of the section that runs.
    lease: Option<Arc<Lease>>,
    /// Where its share was laid; the request may not have taken it up yet.
    laid: Option<Nudge<AcquireOutcome>>,
    /// It was vacant and is forgotten: whoever still finds it looks again.
    closed: bool,
}

impl KeyQueue {
    pub(crate) fn new(key: Arc<str>, shard: &Arc<Shard>, office: Arc<QueueContext>) -> Arc<Self> {
        let line = LocalQueue::new(office.bound);
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            key,
            shard: Arc::downgrade(shard),
            office,
            state: Mutex::new(KeyQueueState {
                line,
                look_at: None,
                alarms: Vec::new(),
                lease: None,
                laid: None,
                closed: false,
            }),
        })
    }

    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// Enters a hold that is kept here with nobody inside.
    pub(crate) fn take(&self, params: AcquireParams) -> Option<LeaseRef> {
        let mut state = self.state();
        let moves = state.line.take(params.since, params)?;
        if let Some(nonce) = moves.restart {
            self.office.post.handed_on(nonce, params.since);
        }
        Some(self.begin(&mut state, &moves.serve?))
    }

    /// Joins the line, unless this queue is forgotten, or the request is to try once and it is not the next here.
    pub(crate) fn join(&self, params: AcquireParams) -> Result<WaitForTurn, JoinError> {
        let mut state = self.state();
        if state.closed {
            return Err(JoinError::Closed);
        }
        if !params.queue && !state.line.is_open() {
            return Err(JoinError::WouldWait);
        }
        let (slot, answer) = seat();
        state.supply(true);
        let near = state.line.is_brisk() && !state.line.is_open();
        let is_held_here = !state.line.is_open();
        let (number, moves) = state.line.join(params.since, params, slot);
        if let Some(lease) = &state.lease {
            lease.contend();
        }
        if is_held_here {
            self.look_later(&mut state, params.since);
        }
        self.settle(state, moves);
        let queue = self.me.upgrade();
        Ok(WaitForTurn { answer, number, queue, near })
    }

    /// The server granted what was asked. Whose turn it is hears when the delivery is made.
    #[must_use]
    pub fn granted(
        &self,
        now: Timestamp,
        nonce: Nonce,
        grant: Grant,
        valid_until: Timestamp,
    ) -> Option<PendingGrant> {
        let mut state = self.state();
        let moves = state.line.granted(now, nonce, grant, valid_until);
        let next: Vec<_> = state.line.soon().map(GrantSender::bell).collect();
        self.arrange(state, moves).map(|delivery| PendingGrant { next, ..delivery })
    }

    /// What was asked ended without a hold.
    pub fn failed(&self, now: Timestamp, nonce: Nonce, failure: Failure) {
        let mut state = self.state();
        let (slot, moves) = state.line.failed(now, nonce);
        self.settle(state, moves);
        if let Some(slot) = slot {
            let _ = slot.send(Err(failure));
        }
    }

    pub fn extended(&self, nonce: Nonce, valid_until: Timestamp) {
        let mut state = self.state();
        state.line.extended(nonce, valid_until);
        if let Some(lease) = state.lease_of(nonce) {
            lease.extend(valid_until);
        }
    }

    /// The hold is over; that of the section which runs under it, if one does.
    pub fn lost(&self, nonce: Nonce, loss: Loss) -> Option<Arc<Lease>> {
        let mut state = self.state();
        let moves = state.line.lost(nonce);
        let lease = state.lease_of(nonce).cloned();
        self.settle(state, moves);
        if let Some(lease) = &lease {
            lease.lose(loss);
        }
        lease
    }

    /// Takes back the turn of a request that has not come for it in time, as one whose future is kept and not polled: it goes
    /// to the next. Whether that was so; or when to look again, if its time is not over.
    pub fn take_back(&self, now: Timestamp, nonce: Nonce) -> Reclaim {
        let mut state = self.state();
        let Some(until) = state.line.claimed_until(nonce).filter(|_| state.laid.is_some()) else {
            return Reclaim::NotNeeded;
        };
        if until > now {
            return Reclaim::CheckAt(until);
        }
        let laid = state.laid.take();
        drop(state);
        match laid.and_then(|laid| laid.take_back(Err(Failure::NotTakenUp))) {
            // Dropped here, with the queue unlocked: that ends its section.
            Some(_share) => Reclaim::Reclaimed,
            None => Reclaim::NotNeeded,
        }
    }

    /// The server grants the key to no request before then.
    pub fn nothing_before(&self, nonce: Nonce, until: Timestamp) {
        let mut state = self.state();
        let moves = state.line.nothing_before(nonce, until);
        self.settle(state, moves);
    }

    /// The server refused to renew the hold.
    pub fn refused(&self, nonce: Nonce, why: Arc<str>) {
        let state = self.state();
        if let Some(lease) = state.lease_of(nonce) {
            lease.refuse(why);
        }
    }

    /// Another process waits for the hold.
    pub fn waited_for(&self, now: Timestamp, nonce: Nonce) {
        let mut state = self.state();
        let moves = state.line.waited_for(now, nonce);
        if let Some(lease) = state.lease_of(nonce) {
            lease.contend();
        }
        self.settle(state, moves);
    }

    /// Releases what is kept with nobody inside.
    pub fn give_up_idle(&self) {
        let mut state = self.state();
        let moves = state.line.settle();
        self.settle(state, moves);
    }

    /// Ends everything: the I/O thread ends.
    pub fn close(&self, loss: Loss) {
        let mut state = self.state();
        let refused = state.line.clear();
        state.closed = true;
        let lease = state.lease.take();
        drop(state);
        drop(refused);
        self.forget();
        if let Some(lease) = lease {
            lease.lose(loss);
        }
    }

    /// Does what is due; the waits that are worth a warning.
    pub fn tick(&self, now: Timestamp, why_not: impl FnOnce(Nonce) -> Failure) -> TickReport {
        let mut state = self.state();
        state.alarms.retain(|&(at, _)| at > now);
        let held_here = self.look_inside(&mut state, now);
        let rung = state.line.tick(now, why_not, |inside| self.holder(inside));
        self.settle(state, rung.moves);
        let gave_up = rung.expired.len();
        for (slot, failure) in rung.expired {
            let _ = slot.send(Err(failure));
        }
        TickReport { long: rung.long, held_here, gave_up }
    }

    /// How many calls wait here.
    pub fn waiting(&self) -> usize {
        self.state().line.waiting()
    }

    /// Checks every second, while a request waits, whether it waits for one long section of this process.
    fn look_inside(&self, state: &mut KeyQueueState, now: Timestamp) -> Option<LongSection> {
        state.look_at.take_if(|at| *at <= now)?;
        let held = state.line.held_here(now, LONG_SECTION);
        self.look_later(state, now);
        held
    }

    fn look_later(&self, state: &mut KeyQueueState, now: Timestamp) {
        if state.look_at.is_none() && state.line.waiting() > 0 {
            let at = now.plus(LONG_SECTION);
            state.look_at = Some(at);
            state.alarms.push((at, self.office.post.wake_at(at, Weak::clone(&self.me))));
        }
    }

    /// Adds what only this process knows: which of its sections runs under the hold that the server knows, and who waits
    /// to get it from there.
    pub(crate) fn show(&self, found: &mut Inspection) {
        let state = self.state();
        let (inside, waiting) = state.line.seen();
        if let (Some(inside), Some(holder)) = (inside, &mut found.holder)
            && inside.nonce == holder.nonce
        {
            *holder = self.holder(inside);
        }
        for params in waiting {
            found.waiting += 1;
            if found.waiters.len() < INSPECTED as usize {
                // It has no name yet: the server was not asked for it.
                let nonce = Nonce::from_bits(0);
                found.waiters.push(Waiter { nonce, who: self.owner_info(params) });
            }
        }
    }

    pub(crate) fn leave(&self, number: WaiterId) {
        let mut state = self.state();
        let moves = state.line.leave(number);
        self.settle(state, moves);
    }

    /// Does what an event brought.
    fn settle(&self, state: MutexGuard<'_, KeyQueueState>, moves: Actions<Slot>) {
        if let Some(delivery) = self.arrange(state, moves) {
            delivery.make();
        }
    }

    /// The same, but whose turn it is has yet to hear. What goes to the I/O thread goes under the lock, so that it arrives in
    /// the order of the events.
    fn arrange(
        &self,
        mut state: MutexGuard<'_, KeyQueueState>,
        moves: Actions<Slot>,
    ) -> Option<PendingGrant> {
        if let Some(at) = moves.alarm {
            let alarm = self.office.post.wake_at(at, Weak::clone(&self.me));
            state.alarms.push((at, alarm));
        }
        if let Some(nonce) = moves.restart {
            self.office.post.handed_on(nonce, time::now());
        }
        if let Some(nonce) = moves.end {
            self.office.post.end(nonce);
        }
        let mut refused = None;
        if let (Some(ask), Some(me)) = (moves.ask, self.me.upgrade())
            && !self.office.post.ask(self.request(&ask), ask.replaces, me)
        {
            refused = Some(state.line.clear());
        }
        let served = moves.serve.map(|serve| {
            let share = self.begin(&mut state, &serve);
            state.laid = Some(serve.slot.bell());
            PendingGrant { share, slot: serve.slot, next: Vec::new() }
        });
        let vacant = state.line.is_vacant() && !state.closed;
        state.closed |= vacant;
        if vacant {
            // They would keep its memory until they ring.
            let alarms = std::mem::take(&mut state.alarms);
            for (at, alarm) in alarms {
                self.office.post.disarm(at, alarm);
            }
        }
        drop(state);
        drop(refused);
        if vacant {
            self.forget();
        }
        served
    }

    fn begin<S>(&self, state: &mut KeyQueueState, serve: &StartSection<S>) -> LeaseRef {
        let keeper = self.me.upgrade().expect("a queue that is asked is there");
        let key = Arc::clone(&self.key);
        let (lease, share) =
            Lease::granted(key, serve.fence, serve.nonce, serve.valid_until, keeper);
        if state.line.is_contended() {
            lease.begin_contended();
        }
        state.lease = Some(lease);
        share
    }

    fn request(&self, ask: &AcquireAction) -> Request {
        let AcquireAction { nonce, params, behind, block, expects_free, .. } = *ask;
        let request = params.request(&self.key, nonce, &self.office.process);
        Request { behind, expects_free, block, ..request }
    }

    fn owner_info(&self, params: &AcquireParams) -> OwnerInfo {
        params.owner_info(&self.office.process)
    }

    fn holder(&self, inside: &RunningSection) -> Holder {
        let &RunningSection { nonce, fence, ref params, since } = inside;
        let held_unix_ms = Some(self.office.process.unix_ms(since));
        Holder { nonce, fence, who: self.owner_info(params), held_unix_ms }
    }

    fn forget(&self) {
        if let Some(shard) = self.shard.upgrade() {
            shard.forget(self);
        }
    }

    fn state(&self) -> MutexGuard<'_, KeyQueueState> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.supply(false);
        state
    }
}

impl KeyQueueState {
    fn supply(&mut self, comes: bool) {
        if self.line.lacks_name(comes) {
            self.line.supply(identity::nonce());
        }
    }

    fn lease_of(&self, nonce: Nonce) -> Option<&Arc<Lease>> {
        self.lease.as_ref().filter(|lease| lease.nonce() == nonce && !lease.is_over())
    }

    /// Lets go of the hold whose section has ended; it refers to its queue, and would keep it for ever.
    fn drop_lease(&mut self, fence: Fence) {
        if self.lease.take_if(|lease| lease.fence() == fence).is_some() {
            self.laid = None;
        }
    }
}

impl LeaseBackend for KeyQueue {
    fn end(&self, nonce: Nonce, fence: Fence) {
        let mut state = self.state();
        state.drop_lease(fence);
        let moves = state.line.released(time::now(), nonce, fence);
        self.settle(state, moves);
    }

    fn end_confirmed(&self, nonce: Nonce, fence: Fence) -> oneshot::Receiver<Confirmation> {
        let mut state = self.state();
        state.drop_lease(fence);
        let confirmed = self.office.post.end_confirmed(nonce);
        let moves = state.line.given_up(nonce);
        self.settle(state, moves);
        confirmed
    }

    fn lengthen(&self, nonce: Nonce, ttl: Duration) {
        self.state().line.lengthened(nonce, ttl);
        self.office.post.lengthen(nonce, ttl);
    }

    fn extend(&self, nonce: Nonce, ttl: Duration) -> oneshot::Receiver<Timestamp> {
        self.state().line.lengthened(nonce, ttl);
        self.office.post.extend(nonce, ttl)
    }

    fn call(&self, callback: Callback) {
        self.office.post.call(callback);
    }
}
