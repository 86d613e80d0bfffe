//! The queues of a manager, one for each key, shared by their callers and the link.
//!
//! A [`LocalQueue`] decides for one key; its [`KeyQueue`] locks it, and does what it decides. Three
//! rules:
//!
//! - Messages to the link are sent with the queue locked, so that they arrive in the order of
//!   the events. A cancellation never overtakes its acquire.
//! - Callers are woken, and leases dropped, with the queue unlocked: both may run foreign code or
//!   come back to this queue.
//! - A queue that becomes vacant is closed and removed from its table for good. A caller that still
//!   has it asks the table again.
//!
//! A request that must not be handed a lease, or hand it on, has a queue of its own, which is in no
//! table: see [`AcquireParams::alone`].

#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::local::grant_channel::{
    AcquireOutcome, GrantReceiver, GrantSender, NotGranted, PendingGrant, Unclaimed, grant_channel,
};
use crate::local::lease::{Answer, Callback, Lease, LeaseBackend, LeaseRef};
use crate::local::queue::{
    AcquireAction, AcquireParams, Actions, LocalQueue, LongSection, RunningSection, SHORT_SECTION,
    TickReport,
};
use crate::local::waiters::WaiterId;
use crate::protocol::request::{Failure, Loss, ReleaseOutcome, RequestParams};
use crate::types::environment::{Mutex, MutexGuard, new_request_id};
use crate::types::fence::Fence;
use crate::types::owner_info::{HolderInfo, OwnerInfo, ProcessInfo};
use crate::types::replicas::{Confirm, Replicas};
use crate::types::request_id::RequestId;
use crate::types::time::{self, Nanos, Timestamp};
use crate::user_code::metrics::{LeaseMetrics, LockLabels, WaitMetrics};
use crate::wire::keyspace::MAX_LISTED_WAITERS;
use crate::wire::reply::{Grant, LockState, WaiterInfo};

type Sender = GrantSender<AcquireOutcome>;

/// A section this long is logged if other callers of this process wait for it.
const LONG_SECTION: Duration = Duration::from_secs(1);
/// Callers of different keys rarely contend for one mutex.
const SHARDS: usize = 16;

/// What a queue asks of the link that its key belongs to.
pub trait IoHandle: Send + Sync {
    /// Sends a request, which may take over the position of a cancelled one. Returns false if the
    /// manager was shut down.
    fn acquire(
        &self,
        request: RequestParams,
        replaces: Option<RequestId>,
        queue: Arc<KeyQueue>,
    ) -> bool;

    /// Sends requests of different keys, to be granted together or not at all. The same result.
    fn acquire_all(&self, requests: Vec<(RequestParams, Arc<KeyQueue>)>) -> bool;

    /// Releases a lease, or cancels a request.
    fn release(&self, key: &str, id: RequestId);

    /// Releases a lease. The answer is whether it was valid until then.
    fn release_and_confirm(&self, key: &str, id: RequestId) -> Answer<ReleaseOutcome>;

    /// As [`LeaseBackend::keep_until`].
    fn keep_until(&self, key: &str, id: RequestId, until: Timestamp);

    /// As [`LeaseBackend::ensure_ttl`].
    fn ensure_ttl(&self, key: &str, id: RequestId, ttl: Duration);

    /// As [`LeaseBackend::renew_now`].
    fn renew_now(&self, key: &str, id: RequestId, ttl: Duration) -> Answer<Timestamp>;

    /// As [`LeaseBackend::run_callback`].
    fn run_callback(&self, callback: Callback);

    /// Whether it hears of other processes that wait for a lease only after
    /// [`Self::reset_max_hold`].
    fn listens_late(&self) -> bool {
        false
    }

    /// Restarts the `max_hold` of a lease at `at`.
    fn reset_max_hold(&self, key: &str, id: RequestId, at: Timestamp);

    /// Has [`KeyQueue::tick`] called at `at`. Returns the number of the timer.
    fn set_timer(&self, at: Timestamp, queue: Weak<KeyQueue>) -> u64;

    fn cancel_timer(&self, at: Timestamp, timer: u64);

    /// Sends what was asked for this key so far. Called with no queue locked, after anything was
    /// asked.
    fn run(&self, key: &str);
}

/// How many calls of a manager wait, and how many sections run. Nothing is decided by it.
#[derive(Debug, Default)]
pub struct CallCounts {
    pub waiting: AtomicUsize,
    pub holds: AtomicUsize,
}

/// What the queues of a manager share.
pub struct QueueContext {
    /// How often a lease is handed off while another process waits.
    pub max_handoffs: u32,
    pub process: Arc<ProcessInfo>,
    /// What confirms the leases.
    pub replicas: Replicas,
    /// Whether metrics have the rendered key as a label.
    pub metrics_by_key: bool,
    /// Of the manager.
    pub counts: Arc<CallCounts>,
    pub io: Arc<dyn IoHandle>,
}

/// Has a queue for each key that this process holds or waits for.
pub struct QueueTable {
    shards: [Arc<Shard>; SHARDS],
    context: Arc<QueueContext>,
}

#[derive(Default)]
struct Shard(Mutex<HashSet<ByKey>>);

/// A queue in the table, found by its key.
struct ByKey(Arc<KeyQueue>);

impl Borrow<str> for ByKey {
    fn borrow(&self) -> &str {
        self.0.key()
    }
}

impl Hash for ByKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}

impl PartialEq for ByKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for ByKey {}

impl QueueTable {
    pub fn new(context: QueueContext) -> Self {
        let shards = std::array::from_fn(|_| Arc::default());
        Self { shards, context: Arc::new(context) }
    }

    /// Starts a section under a lease of this key that lingers, if its terms allow that.
    pub fn take_idle(&self, key: &str, params: AcquireParams) -> Option<LeaseRef> {
        self.shard(key).find(key)?.take_idle(params)
    }

    pub fn join(&self, key: &str, params: AcquireParams) -> WaitForTurn {
        loop {
            let queue = if params.alone {
                KeyQueue::queue_of_one(&key.into(), &self.context)
            } else {
                self.queue(key)
            };
            match queue.join(params) {
                Some(wait) => return wait,
                None => self.shard(key).remove(&queue),
            }
        }
    }

    /// Asks for several keys in one command. The server grants all or none.
    pub fn join_all(&self, keys: &[&str], params: AcquireParams) -> Vec<WaitForTurn> {
        let params = params.alone();
        let queues: Vec<_> =
            keys.iter().map(|&key| KeyQueue::queue_of_one(&key.into(), &self.context)).collect();
        let joined = queues.iter().map(|queue| queue.join_without_sending(params));
        let (waits, requests): (_, Vec<_>) = joined.unzip();
        let requests = requests.into_iter().zip(queues.iter().cloned()).collect();
        if !self.context.io.acquire_all(requests) {
            for queue in &queues {
                queue.close(Loss::Shutdown);
            }
        }
        waits
    }

    /// As [`KeyQueue::add_local_view`].
    pub fn add_local_view(&self, key: &str, found: &mut LockState) {
        if let Some(queue) = self.shard(key).find(key) {
            queue.add_local_view(found);
        }
    }

    fn queue(&self, key: &str) -> Arc<KeyQueue> {
        let shard = self.shard(key);
        let mut queues = shard.queues();
        if let Some(ByKey(queue)) = queues.get(key) {
            return Arc::clone(queue);
        }
        let queue = KeyQueue::new(key.into(), Arc::downgrade(shard), Arc::clone(&self.context));
        queues.insert(ByKey(Arc::clone(&queue)));
        queue
    }

    fn shard(&self, key: &str) -> &Arc<Shard> {
        // Need not resist chosen keys: in one shard they only contend for its mutex.
        let sum =
            key.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        &self.shards[sum % SHARDS]
    }
}

impl Shard {
    fn queues(&self) -> MutexGuard<'_, HashSet<ByKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &str) -> Option<Arc<KeyQueue>> {
        self.queues().get(key).map(|ByKey(queue)| Arc::clone(queue))
    }

    /// Drops this queue, which is vacant or closed.
    fn remove(&self, queue: &KeyQueue) {
        let mut queues = self.queues();
        // Its key may have another queue by now.
        let key = &**queue.key();
        if queues.get(key).is_some_and(|ByKey(found)| std::ptr::eq(&raw const **found, queue)) {
            queues.remove(key);
        }
    }
}

/// The queue of one key.
pub struct KeyQueue {
    me: Weak<Self>,
    key: Arc<str>,
    shard: Weak<Shard>,
    context: Arc<QueueContext>,
    state: Mutex<KeyQueueState>,
}

struct KeyQueueState {
    queue: LocalQueue<Sender>,
    /// When to check for a section that runs long while callers wait.
    section_check_at: Option<Timestamp>,
    /// The timers that were set and have not fired.
    timers: Vec<(Timestamp, u64)>,
    /// The lease of the section that runs.
    lease: Option<Arc<Lease>>,
    /// Where that lease was sent. Its caller may not have received it yet.
    unclaimed: Option<Unclaimed<AcquireOutcome>>,
    /// Whether it was removed from its table.
    closed: bool,
}

/// The result of [`KeyQueue::reclaim`].
pub enum Reclaim {
    /// There is no unclaimed grant.
    NotNeeded,
    /// The caller may claim its grant until then.
    CheckAt(Timestamp),
    Reclaimed,
}

/// A future of the outcome of a queued request. Dropped before it is ready, it cancels the request.
pub struct WaitForTurn {
    receiver: GrantReceiver<AcquireOutcome>,
    waiter_id: WaiterId,
    queue: Arc<KeyQueue>,
    /// Whether the sections of the key were short when it joined.
    sections_are_short: bool,
    /// Whether it has returned the outcome.
    is_over: bool,
    metrics: WaitMetrics,
}

impl WaitForTurn {
    pub fn key(&self) -> &Arc<str> {
        &self.queue.key
    }

    /// What confirms its lease.
    pub fn replicas(&self) -> Replicas {
        self.queue.context.replicas
    }

    /// Whether the answer comes from the server, and not from a section of this process.
    pub fn is_asked(&self) -> bool {
        self.receiver.is_asked()
    }

    /// For how long a thread that waits stays awake before it sleeps. If it does, it is woken when
    /// its turn is the next, and then stays awake again.
    pub fn spin_time(&self) -> Duration {
        if self.sections_are_short && !self.is_asked() {
            self.receiver.request_notice();
            SHORT_SECTION
        } else {
            Duration::ZERO
        }
    }
}

impl Future for WaitForTurn {
    /// `None`: the manager was shut down.
    type Output = Option<AcquireOutcome>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = Pin::new(&mut self.receiver).poll(context);
        self.is_over = outcome.is_ready();
        outcome
    }
}

impl Drop for WaitForTurn {
    fn drop(&mut self) {
        self.queue.context.counts.waiting.fetch_sub(1, Ordering::Relaxed);
        if !self.is_over {
            // First, so that its waker is not woken with the queue locked.
            self.receiver.close();
            self.queue.cancel(self.waiter_id);
        }
    }
}

impl KeyQueue {
    fn new(key: Arc<str>, shard: Weak<Shard>, context: Arc<QueueContext>) -> Arc<Self> {
        let queue = LocalQueue::new(context.max_handoffs, new_request_id)
            .listening_late(context.io.listens_late());
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            key,
            shard,
            context,
            state: Mutex::new(KeyQueueState {
                queue,
                section_check_at: None,
                timers: Vec::new(),
                lease: None,
                unclaimed: None,
                closed: false,
            }),
        })
    }

    /// A queue that no other caller joins.
    fn queue_of_one(key: &Arc<str>, context: &Arc<QueueContext>) -> Arc<Self> {
        Self::new(Arc::clone(key), Weak::new(), Arc::clone(context))
    }

    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// Starts a section under a lease that lingers.
    pub(super) fn take_idle(&self, params: AcquireParams) -> Option<LeaseRef> {
        let (mut state, mut actions) = (self.state(), Actions::none());
        if !state.queue.take_idle(params.since, params, &mut actions) {
            return None;
        }
        let reset = actions.reset_max_hold;
        if let Some(id) = reset {
            self.context.io.reset_max_hold(&self.key, id, params.since);
        }
        let lease_ref = self.create_lease(&mut state);
        drop(state);
        if reset.is_some() {
            self.context.io.run(&self.key);
        }
        lease_ref
    }

    /// `None` if the queue was removed from its table.
    fn join(self: &Arc<Self>, params: AcquireParams) -> Option<WaitForTurn> {
        let mut state = self.state();
        if state.closed {
            return None;
        }
        let is_next = state.queue.is_open();
        if !params.queue && !is_next {
            // It must not wait here, and whether it would have to is for the server to say.
            drop(state);
            let queue = Self::queue_of_one(&self.key, &self.context);
            return queue.join(params.alone());
        }
        let mut actions = Actions::none();
        let mut wait = self.add_waiter(&mut state, params, &mut actions);
        if let Some(lease) = &state.lease {
            lease.mark_contended();
        }
        if !is_next {
            self.schedule_section_check(&mut state, params.since);
        }
        self.apply_and_deliver(state, actions);
        wait.metrics.begin(self.labels(&params));
        Some(wait)
    }

    /// The first caller joins. The caller of this function sends its request.
    fn join_without_sending(
        self: &Arc<Self>,
        params: AcquireParams,
    ) -> (WaitForTurn, RequestParams) {
        let mut actions = Actions::none();
        let mut state = self.state();
        let mut wait = self.add_waiter(&mut state, params, &mut actions);
        // It has no waker yet.
        let _ = state.queue.first_sender().and_then(GrantSender::ask);
        drop(state);
        wait.metrics.begin(self.labels(&params));
        (wait, self.request(&actions.acquire.expect("the first waiter of a queue has a request")))
    }

    fn add_waiter(
        self: &Arc<Self>,
        state: &mut KeyQueueState,
        params: AcquireParams,
        actions: &mut Actions<Sender>,
    ) -> WaitForTurn {
        let (sender, receiver) = grant_channel();
        let waiter_id = state.queue.join(params.since, params, sender, actions);
        let sections_are_short = state.queue.has_short_sections();
        self.context.counts.waiting.fetch_add(1, Ordering::Relaxed);
        let queue = Arc::clone(self);
        let metrics = WaitMetrics::new();
        WaitForTurn { receiver, waiter_id, queue, sections_are_short, is_over: false, metrics }
    }

    /// The server granted a request. The caller delivers the result.
    #[must_use]
    pub fn granted(
        &self,
        now: Timestamp,
        id: RequestId,
        grant: Grant,
        valid_until: Timestamp,
    ) -> Option<PendingGrant> {
        let (mut state, mut actions) = (self.state(), Actions::none());
        state.queue.granted(now, id, grant, valid_until, &mut actions);
        self.apply(state, actions)
    }

    /// A request ended without a grant.
    pub fn failed(&self, now: Timestamp, id: RequestId, failure: Failure) {
        let (mut state, mut actions) = (self.state(), Actions::none());
        state.queue.failed(now, id, failure, &mut actions);
        self.apply_and_deliver(state, actions);
    }

    /// The server confirmed a renewal. If the code that runs under the lease has seen its deadline
    /// pass before, the lease is lost, and returned with the reason.
    pub fn renewed(&self, id: RequestId, valid_until: Timestamp) -> Option<(Arc<Lease>, Loss)> {
        let mut state = self.state();
        let lease = state.lease_by_id(id).filter(|lease| !lease.set_valid_until(valid_until));
        let unreported = lease.filter(|lease| lease.reported_loss().is_none());
        if let Some(loss) = unreported.and_then(|lease| lease.loss()) {
            drop(state);
            return Some((self.lost(id, loss.clone())?, loss));
        }
        state.queue.renewed(id, valid_until);
        None
    }

    /// A lease was lost. Returns that of the section which runs under it, if one does.
    pub fn lost(&self, id: RequestId, loss: Loss) -> Option<Arc<Lease>> {
        let (mut state, mut actions) = (self.state(), Actions::none());
        state.queue.lost(id, &mut actions);
        let lease = state.lease_by_id(id).cloned();
        self.apply_and_deliver(state, actions);
        if let Some(lease) = &lease {
            lease.mark_lost(loss);
        }
        lease
    }

    /// Takes back a grant that its caller has not received in time, because its future is kept and
    /// not polled. The next waiter gets the lock.
    pub fn reclaim(&self, now: Timestamp, id: RequestId) -> Reclaim {
        let mut state = self.state();
        let deadline = state.queue.claim_deadline(id);
        let Some((deadline, params)) = deadline.filter(|_| state.unclaimed.is_some()) else {
            return Reclaim::NotNeeded;
        };
        if deadline > now {
            return Reclaim::CheckAt(deadline);
        }
        let unclaimed = state.unclaimed.take();
        drop(state);
        let instead = Err(Box::new(NotGranted::Unclaimed(params)));
        match unclaimed.and_then(|unclaimed| unclaimed.reclaim(instead)) {
            // Dropping it, with the queue unlocked, ends its section.
            Some(_lease_ref) => Reclaim::Reclaimed,
            None => Reclaim::NotNeeded,
        }
    }

    /// Describes the section that runs under this lease.
    pub fn running_owner(&self, id: RequestId) -> Option<OwnerInfo> {
        let state = self.state();
        let running = state.queue.running().filter(|_| state.queue.lease_id() == Some(id))?;
        Some(self.owner_info(&running.params))
    }

    /// The server grants the key to nobody before `until`.
    pub fn no_grant_before(&self, id: RequestId, until: Timestamp) {
        let mut state = self.state();
        state.queue.no_grant_before(id, until);
        self.apply_and_deliver(state, Actions::none());
    }

    /// The server refused to renew a lease.
    pub fn refused(&self, id: RequestId, why: Arc<str>) {
        let state = self.state();
        if let Some(lease) = state.lease_by_id(id) {
            lease.record_refusal(why);
        }
    }

    /// Another process waits for a lease or request of this queue.
    pub fn contended(&self, now: Timestamp, id: RequestId) {
        let (mut state, mut actions) = (self.state(), Actions::none());
        state.queue.contended(now, id, &mut actions);
        if let Some(lease) = state.lease_by_id(id) {
            lease.mark_contended();
        }
        self.apply_and_deliver(state, actions);
    }

    /// Releases a lease that lingers.
    pub fn release_idle(&self) {
        let (mut state, mut actions) = (self.state(), Actions::none());
        state.queue.release_idle(&mut actions);
        self.apply_and_deliver(state, actions);
    }

    /// Ends all waits and the running section: the link stops.
    pub fn close(&self, loss: Loss) {
        let mut state = self.state();
        let waiters = state.queue.clear();
        state.closed = true;
        let lease = state.lease.take();
        drop(state);
        drop(waiters);
        self.remove_from_table();
        if let Some(lease) = lease {
            lease.mark_lost(loss);
        }
    }

    /// Does what is due at `now`. `blocked_by` says why the server has not granted a request.
    pub fn tick(
        &self,
        now: Timestamp,
        blocked_by: impl FnOnce(RequestId) -> Failure,
    ) -> TickReport {
        let (mut state, mut actions) = (self.state(), Actions::none());
        state.timers.retain(|&(at, _)| at > now);
        let long_section = self.check_long_section(&mut state, now);
        let report =
            state.queue.tick(now, blocked_by, |id, running| self.holder(id, running), &mut actions);
        self.apply_and_deliver(state, actions);
        TickReport { long_section, ..report }
    }

    pub fn waiter_count(&self) -> usize {
        self.state().queue.waiter_count()
    }

    fn check_long_section(&self, state: &mut KeyQueueState, now: Timestamp) -> Option<LongSection> {
        state.section_check_at.take_if(|at| *at <= now)?;
        let section = state.queue.long_section(now, LONG_SECTION);
        self.schedule_section_check(state, now);
        section
    }

    fn schedule_section_check(&self, state: &mut KeyQueueState, now: Timestamp) {
        if state.section_check_at.is_none() && state.queue.waiter_count() > 0 {
            let at = now.plus(LONG_SECTION);
            state.section_check_at = Some(at);
            self.set_timer(state, at);
        }
    }

    /// Adds to an inspection what the server does not know: which section of this process runs
    /// under the lease, and which callers of this process wait for it.
    pub(super) fn add_local_view(&self, found: &mut LockState) {
        let state = self.state();
        if let (Some(running), Some(holder)) = (state.queue.running(), &mut found.holder)
            && state.queue.lease_id() == Some(holder.id)
        {
            *holder = self.holder(holder.id, running);
        }
        for params in state.queue.unknown_waiters() {
            found.waiting += 1;
            if found.waiters.len() < MAX_LISTED_WAITERS as usize {
                // It was not sent to the server, and has no id.
                let id = RequestId::from_bits(0);
                found.waiters.push(WaiterInfo { id, owner: self.owner_info(params) });
            }
        }
    }

    fn cancel(&self, waiter_id: WaiterId) {
        let (mut state, mut actions) = (self.state(), Actions::none());
        state.queue.cancel(waiter_id, &mut actions);
        self.apply_and_deliver(state, actions);
    }

    fn apply_and_deliver(&self, state: MutexGuard<'_, KeyQueueState>, actions: Actions<Sender>) {
        if let Some(pending) = self.apply(state, actions) {
            pending.deliver();
        }
    }

    /// Does what an event has led to, and unlocks the queue.
    fn apply(
        &self,
        mut state: MutexGuard<'_, KeyQueueState>,
        mut actions: Actions<Sender>,
    ) -> Option<PendingGrant> {
        state.queue.arm(&mut actions);
        let mut asked = actions.wake_at.is_some()
            || actions.reset_max_hold.is_some()
            || actions.release.is_some()
            || actions.acquire.is_some();
        if let Some(at) = actions.wake_at {
            self.set_timer(&mut state, at);
        }
        if let Some(id) = actions.reset_max_hold {
            self.context.io.reset_max_hold(&self.key, id, time::now());
        }
        if let Some(id) = actions.release {
            self.context.io.release(&self.key, id);
        }
        let (mut dropped, mut woken) = (None, None);
        if let (Some(acquire), Some(me)) = (actions.acquire, self.me.upgrade()) {
            if self.context.io.acquire(self.request(&acquire), acquire.replaces, me) {
                woken = state.queue.first_sender().and_then(GrantSender::ask);
            } else {
                dropped = Some(state.queue.clear());
            }
        }
        let granted = actions.start.and_then(|sender| {
            let lease_ref = self.create_lease(&mut state)?;
            state.unclaimed = Some(sender.unclaimed());
            if state.queue.has_short_sections() {
                woken = woken.take().or_else(|| state.queue.first_sender()?.give_notice());
            }
            Some(PendingGrant::new(lease_ref, sender))
        });
        let vacant = state.queue.is_vacant() && !state.closed;
        state.closed |= vacant;
        asked |= vacant && !state.timers.is_empty();
        if vacant {
            // Each would keep the memory of this queue until it fires.
            for (at, timer) in std::mem::take(&mut state.timers) {
                self.context.io.cancel_timer(at, timer);
            }
        }
        drop(state);
        drop(dropped);
        woken.into_iter().for_each(Waker::wake);
        if vacant {
            self.remove_from_table();
        }
        for (sender, failure) in actions.failed {
            let _ = sender.send(Err(Box::new(NotGranted::Failed(failure))));
        }
        if asked {
            self.context.io.run(&self.key);
        }
        granted
    }

    fn set_timer(&self, state: &mut KeyQueueState, at: Timestamp) {
        let timer = self.context.io.set_timer(at, Weak::clone(&self.me));
        state.timers.push((at, timer));
    }

    /// The lease of the section that has just started.
    fn create_lease(&self, state: &mut KeyQueueState) -> Option<LeaseRef> {
        let (id, &RunningSection { fence, params, since }) =
            (state.queue.lease_id()?, state.queue.running()?);
        let valid_until = state.queue.valid_until()?;
        let key = Arc::clone(&self.key);
        let min_hold = Duration::from_millis(params.terms.min_hold_ms.into());
        let keep_until = (!min_hold.is_zero()).then(|| since.plus(min_hold));
        let me = self.me.upgrade()?;
        let metrics = LeaseMetrics::new(
            self.labels(&params),
            params.since,
            since,
            state.queue.was_handed_off(),
        );
        let (lease, lease_ref) =
            Lease::recorded(key, fence, id, valid_until, keep_until, me, metrics);
        self.context.counts.holds.fetch_add(1, Ordering::Relaxed);
        lease.raise_ttl(params.terms.ttl.get());
        if state.queue.is_contended() {
            lease.start_contended();
        }
        state.lease = Some(lease);
        Some(lease_ref)
    }

    fn request(&self, acquire: &AcquireAction) -> RequestParams {
        let &AcquireAction { id, params, queued_locally, likely_free, fence_count, .. } = acquire;
        RequestParams {
            key: Arc::clone(&self.key),
            id,
            since: params.since,
            ttl: params.terms.ttl.get(),
            deadline: params.deadline,
            queue: params.queue,
            renew: params.terms.renew,
            max_hold: params.terms.max_hold.map(Nanos::get),
            queued_locally,
            likely_free,
            fence_count,
            confirm: self.confirm(&params),
            owner: self.owner_info(&params),
        }
    }

    fn labels(&self, params: &AcquireParams) -> LockLabels {
        let key = self.context.metrics_by_key.then_some(&*self.key);
        LockLabels::of(params.call_site, params.label, key)
    }

    fn confirm(&self, params: &AcquireParams) -> Option<Confirm> {
        let within = Duration::from_millis(params.confirm_ms.into());
        Confirm::new(self.context.replicas, within)
    }

    fn owner_info(&self, params: &AcquireParams) -> OwnerInfo {
        let process = &self.context.process;
        let label = params.label.or(process.label.as_deref());
        process.owner_info(params.terms.ttl.get(), params.call_site, label, params.since)
    }

    fn holder(&self, id: RequestId, running: &RunningSection) -> HolderInfo {
        let &RunningSection { fence, ref params, since } = running;
        let held_unix_ms = Some(time::unix_ms(since));
        HolderInfo { id, fence, owner: self.owner_info(params), held_unix_ms }
    }

    fn remove_from_table(&self) {
        if let Some(shard) = self.shard.upgrade() {
            shard.remove(self);
        }
    }

    fn state(&self) -> MutexGuard<'_, KeyQueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyQueueState {
    fn lease_by_id(&self, id: RequestId) -> Option<&Arc<Lease>> {
        self.lease.as_ref().filter(|lease| lease.request_id() == id && !lease.is_released())
    }

    /// Drops the lease of a section that has ended. The lease refers to the queue: the two would
    /// keep each other.
    fn drop_lease(&mut self, fence: Fence) {
        if self.lease.take_if(|lease| lease.fence() == fence).is_some() {
            self.unclaimed = None;
        }
    }
}

impl LeaseBackend for KeyQueue {
    fn release(&self, id: RequestId, fence: Fence) {
        self.context.counts.holds.fetch_sub(1, Ordering::Relaxed);
        let (mut state, mut actions) = (self.state(), Actions::none());
        state.drop_lease(fence);
        state.queue.released(time::now(), id, fence, &mut actions);
        self.apply_and_deliver(state, actions);
    }

    fn release_and_confirm(&self, id: RequestId, fence: Fence) -> Answer<ReleaseOutcome> {
        self.context.counts.holds.fetch_sub(1, Ordering::Relaxed);
        let (mut state, mut actions) = (self.state(), Actions::none());
        state.drop_lease(fence);
        let confirmation = self.context.io.release_and_confirm(&self.key, id);
        state.queue.released_directly(id, &mut actions);
        self.apply_and_deliver(state, actions);
        self.context.io.run(&self.key);
        confirmation
    }

    fn keep_until(&self, id: RequestId, until: Timestamp) {
        self.context.io.keep_until(&self.key, id, until);
    }

    fn ensure_ttl(&self, id: RequestId, ttl: Duration) {
        self.state().queue.ttl_raised(id, ttl);
        self.context.io.ensure_ttl(&self.key, id, ttl);
    }

    fn renew_now(&self, id: RequestId, ttl: Duration) -> Answer<Timestamp> {
        self.state().queue.ttl_raised(id, ttl);
        self.context.io.renew_now(&self.key, id, ttl)
    }

    fn run_callback(&self, callback: Callback) {
        self.context.io.run_callback(callback);
    }

    fn replicas(&self) -> Replicas {
        self.context.replicas
    }
}
