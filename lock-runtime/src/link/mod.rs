//! One connection to one server, driven by those who wait for it. In a cluster there is one for
//! each node: see [`fleet`].
//!
//! A [`Link`] is the state of the protocol, what is in flight and the buffers of the connection,
//! behind one mutex. No thread waits, writes to a queue or runs code of users while it holds that
//! mutex.
//!
//! - *Asking.* A caller passes its request to the [`router`] and encodes what results
//!   ([`Link::stage`]). If the link is idle it writes to the socket itself ([`Link::run`]); if not,
//!   the reader writes.
//! - *Reading.* One party at a time waits for the socket: a blocked thread or a task that waits for
//!   its own answer ([`wait`]), else the [`keeper`] thread. Who that is, is a policy of its own:
//!   [`role`].
//! - *Effects.* What replies and timers do to callers is carried out with the link unlocked, in
//!   order, by one thread at a time ([`Link::run`]).
//! - *Time.* The keeper does what is due: renewals, heartbeats, time-outs, reconnects.
//!
//! Locks are taken in this order: a local queue, then the link, which takes no other.

pub(crate) mod deadlock;
pub(crate) mod effect;
pub(crate) mod exit;
pub(crate) mod fleet;
pub(crate) mod handle;
pub(crate) mod keeper;
pub(crate) mod links;
#[cfg(all(distlock_verification, feature = "__shuttle"))]
pub(crate) mod modelled;
pub(crate) mod observe;
pub(crate) mod role;
pub(crate) mod router;
#[cfg(distlock_verification)]
pub(crate) mod simulated;
pub(crate) mod state;
pub(crate) mod threads;
pub(crate) mod wait;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::task::Waker;

use tokio::sync::oneshot;

use crate::backend::ConnectError;
use crate::backend::socket::{Interest, Signal, Stream};
use crate::link::effect::{AnswerElsewhere, Effect, LookAnswer};
use crate::link::keeper::KeeperPlan;
use crate::link::role::{Claim, Left, PartyId, PartyKind};
use crate::link::router::{LogTopic, Router};
use crate::link::state::{LinkState, LinkStatus, SOME_EFFECTS};
use crate::local::key_queue::{KeyQueue, Reclaim};
use crate::local::lease::Callback;
use crate::local::queue::TickReport;
use crate::protocol::request::{CommandId, Failure, Loss, Redirect};
use crate::types::environment::atomic::{AtomicBool, AtomicU8, Ordering};
use crate::types::environment::{ForkGuard, Mutex, MutexGuard, thread};
use crate::types::request_id::RequestId;
use crate::types::time::{self, Timestamp};
use crate::user_code::{self, Delegated};
use crate::wire::command::Command;
use crate::wire::keyspace::Mark;

const OPEN: u8 = 0;
/// A shutdown is complete.
const CLOSED: u8 = 1;
/// A bug, which nobody is to wait behind.
const PANICKED: u8 = 2;

/// So often a task yields its thread to one that carries out what is done for it.
const MAX_YIELDS: u32 = 1_000;

pub(crate) struct Link {
    /// A fork has neither the keeper nor the right to use the socket.
    fork_guard: ForkGuard,
    status: AtomicU8,
    state: Mutex<LinkState>,
    /// Whether the role of the reader is the keeper's, which it asks without the mutex.
    keeper_reads: AtomicBool,
    /// Ends the sleep of the keeper.
    keeper_signal: Arc<Signal>,
    /// Ends an attempt to connect.
    stop: Signal,
    /// Code of users for the helper threads of the keeper.
    delegated: Arc<Delegated>,
    /// The links of the same cluster.
    others: OnceLock<Weak<dyn OtherLinks>>,
}

/// The links of a cluster, as one of them needs them.
pub(crate) trait OtherLinks: Send + Sync {
    /// As [`Link::stage`], with the link that has this key at present.
    fn stage(&self, key: &str, ask: &mut dyn FnMut(&mut Router, Timestamp));

    /// As [`Link::run`], with that link.
    fn run(&self, key: &str);

    /// The node of this link has refused a command because another one has the slot.
    fn redirected(&self, from: &Link, redirect: Redirect);

    /// Sends a command about a slot that is being moved to the node at this address. The answer is
    /// for this link.
    fn send_asking(&self, from: &Link, id: CommandId, command: Command, address: &str);

    /// Another node may have the slots of this one by now.
    fn look_again(&self);

    /// The node of a link is connected.
    fn node_connected(&self);
}

/// What a party that waits does next.
pub(crate) enum WaitPlan {
    /// Wait for the socket, and make a pass when it is ready or the time is over.
    Read { stream: Arc<Stream>, interest: Interest, until: Option<Timestamp> },
    /// Let others run, then ask again.
    Yield,
    /// Wait to be woken. `look_again`: a task reads, which may stall.
    Park { look_again: bool },
}

impl Link {
    /// Asks for something, and sends it or leaves it to the reader. `None` if the link cannot be
    /// used any more. Not with a queue locked: it may carry out effects.
    pub(crate) fn submit<R>(&self, ask: impl FnOnce(&mut Router, Timestamp) -> R) -> Option<R> {
        if self.is_forked() {
            return None;
        }
        self.locked_then_effects(|state, now| {
            let answer = state.ask(now, ask);
            state.flush_unless_batched(now);
            answer
        })
    }

    /// Asks for something that the next [`Self::run`] sends. May be called with a queue locked.
    pub(crate) fn stage<R>(&self, ask: impl FnOnce(&mut Router, Timestamp) -> R) -> Option<R> {
        if self.is_forked() {
            return None;
        }
        self.locked(|state, now| state.ask(now, ask))
    }

    /// After [`Self::stage`]: sends what is not left to the reader, carries out effects, and wakes
    /// the keeper if it is needed.
    pub(crate) fn run(&self) {
        if self.is_forked() {
            return;
        }
        self.locked_then_effects(LinkState::flush_unless_batched);
    }

    /// Whether this process is a fork of the one that the link belongs to.
    pub(crate) fn is_forked(&self) -> bool {
        self.fork_guard.is_forked()
    }

    pub(crate) fn has_panicked(&self) -> bool {
        self.status.load(Ordering::Acquire) == PANICKED
    }

    pub(crate) fn is_open(&self) -> bool {
        self.status.load(Ordering::Acquire) == OPEN
    }

    /// Why the server has not granted a request.
    fn blocked_by(&self, key: &str, id: RequestId) -> Failure {
        self.stage_about(key, |router, _| router.blocked_by(id)).unwrap_or(Failure::NoReply)
    }

    /// This is one of the links of a cluster.
    pub(crate) fn belong_to(&self, others: Weak<dyn OtherLinks>) {
        self.others.get_or_init(|| others);
    }

    /// Passes something on to another link, with both locked. Only one thread at a time does that,
    /// and no other has two links locked.
    pub(crate) fn pass_on(
        &self,
        to: &Self,
        pass: impl FnOnce(&mut Router, &mut Router, Timestamp),
    ) {
        self.locked_then_effects(|mine, _| {
            to.locked(|its, now| {
                pass(mine.router(), its.router(), now);
                its.settle(now);
                mine.settle(now);
                // Those who wait for what was passed on wait for the socket of this link.
                its.keeper.wanted |= its.role.ask_keeper();
            });
        });
        to.locked_then_effects(LinkState::flush);
    }

    /// `None` if the link cannot be used any more.
    pub(crate) fn status(&self) -> Option<LinkStatus> {
        if self.is_forked() { None } else { self.locked(|state, now| state.status(now)) }
    }

    /// The mark of the server, while it is connected.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.locked(|state, _| state.mark()).flatten()
    }

    /// For the link of no server: there is none to connect to.
    pub(crate) fn connect_failed(&self, error: &ConnectError) {
        self.locked_then_effects(|state, now| state.connect_failed(now, error));
    }

    /// As [`Router::send_asking`]. Gives the answer back if there is no connection.
    pub(crate) fn send_asking(
        &self,
        command: Command,
        answer: AnswerElsewhere,
    ) -> Result<(), AnswerElsewhere> {
        let mut answer = Some(answer);
        self.locked_then_effects(|state, now| {
            if state.mark().is_some()
                && let Some(answer) = answer.take()
            {
                state.ask(now, |router, _| router.send_asking(command, answer));
                state.flush_unless_batched(now);
            }
        });
        answer.map_or(Ok(()), Err)
    }

    /// Reads what deadlock detection has stored, or stores something for it. The keeper reads the
    /// answer if nobody else does.
    pub(crate) fn look(&self, command: Command, sender: oneshot::Sender<LookAnswer>) {
        if self.is_forked() {
            return;
        }
        self.locked_then_effects(|state, now| {
            if state.mark().is_some() {
                state.ask(now, |router, _| router.look(command, sender));
                state.flush_unless_batched(now);
                state.keeper.wanted |= state.role.ask_keeper();
            }
        });
    }

    /// Runs code of users on another thread than that of the caller that carries out the effect.
    pub(crate) fn run_callback(&self, callback: Callback) {
        user_code::delegated(&self.delegated, || user_code::call(callback));
        self.keeper_signal.notify();
    }

    /// Wakes the keeper if something is due before it wakes up by itself. May be called with a
    /// queue locked.
    pub(crate) fn remind_keeper(&self) {
        let has_to_wake = |state: &mut LinkState, _| {
            let due = state.due();
            state.keeper.has_to_wake(due)
        };
        if self.locked(has_to_wake) == Some(true) {
            self.keeper_signal.notify();
        }
    }

    pub(crate) fn should_log(&self, topic: LogTopic) -> bool {
        self.locked(|state, now| state.router().should_log(now, topic)).unwrap_or(false)
    }

    /// A party starts to wait. `None` if nobody has to read.
    pub(crate) fn join(&self, kind: PartyKind) -> Option<PartyId> {
        let join =
            |state: &mut LinkState, _| (!state.answers_in_place()).then(|| state.role.join(kind));
        self.locked(join).flatten()
    }

    /// Waits until what was to be carried out by now is, if another thread does it.
    pub(crate) fn wait_for_effects(&self) {
        let rounds = |state: &mut LinkState, _| state.carrying_out.then_some(state.rounds);
        let Some(begun) = self.locked(rounds).flatten() else { return };
        // The round that is under way, and the one for what has come up meanwhile.
        let is_under_way = || self.locked(rounds).flatten().is_some_and(|now| now < begun + 2);
        // The code of a user that is being run may wait for this very task.
        for _ in 0..MAX_YIELDS {
            if !is_under_way() {
                break;
            }
            thread::yield_now();
        }
    }

    /// Whether the role of the reader is the keeper's.
    fn keeper_reads(&self) -> bool {
        self.keeper_reads.load(Ordering::Acquire)
    }

    /// What a waiting party does next.
    pub(crate) fn plan(
        &self,
        party: PartyId,
        kind: PartyKind,
        waker: Waker,
        may_yield: bool,
    ) -> WaitPlan {
        // What is left of these is dropped with the link unlocked.
        let (mut waker, mut old) = (Some(waker), None);
        let plan = self.locked_then_effects(|state, now| {
            let Some(stream) = state.stream() else { return WaitPlan::Park { look_again: false } };
            let (claim, own) = state.role.claim(now, party, kind);
            old = own;
            match claim {
                Claim::Reads => {
                    if may_yield && state.has_unsent() && state.role.expects_others(now) {
                        return WaitPlan::Yield;
                    }
                    if kind == PartyKind::Task || !state.role.expects_others(now) {
                        state.flush(now);
                    }
                    let until = state.batch_ends_at(now);
                    let interest = state.interest();
                    WaitPlan::Read { stream, interest, until }
                }
                claim => {
                    old = waker.take().and_then(|waker| state.role.stand_by(party, waker));
                    state.keeper.wanted |= claim == Claim::KeeperReads;
                    WaitPlan::Park { look_again: state.role.is_with_task() }
                }
            }
        });
        drop((old, waker));
        plan.unwrap_or(WaitPlan::Park { look_again: false })
    }

    /// This party waits and cannot wait for sockets.
    pub(crate) fn cannot_read(&self, party: PartyId, kind: PartyKind) {
        self.locked_then_effects(|state, _| {
            state.keeper.wanted |= state.role.cannot_read(party, kind);
        });
    }

    /// A party takes in what has arrived, up to a limit. Returns whether more may be left.
    pub(crate) fn pass(&self) -> bool {
        let more_left = self.locked_then_effects(|state, now| {
            state.role.passed(now);
            let more_left = state.receive(now);
            state.tick(now);
            state.settle(now);
            state.note_woken(now);
            state.flush_as_reader(now);
            more_left
        });
        more_left.unwrap_or(false)
    }

    /// A party has its answer, or was dropped.
    pub(crate) fn leave(&self, party: PartyId, kind: PartyKind) {
        let left = self.locked_then_effects(|state, now| {
            let (left, own) = state.role.leave(party, kind);
            let keeper_reads = matches!(left, Left::KeeperReads);
            state.keeper.wanted |= keeper_reads || state.keeper.sleeps_past(now);
            state.flush_unless_batched(now);
            (left, own)
        });
        if let Some((Left::Wake(waker), _)) = left {
            self.delegating(|| waker.wake());
        }
    }

    /// The socket for the reactor of a runtime, if one is kept.
    pub(crate) fn spare(&self) -> Option<Stream> {
        self.locked(|state, _| state.spare.take()).flatten()
    }

    /// Keeps a socket that [`Self::spare`] or a copy of it was.
    pub(crate) fn keep_spare(&self, stream: Stream) {
        // Dropped with the link unlocked if the connection is another one by now.
        let _old = self.locked(|state, _| state.spare.replace(stream)).flatten();
    }

    /// Wakes the keeper when something comes in another way than through a socket.
    fn bell(&self) -> Waker {
        Waker::from(Arc::clone(&self.keeper_signal))
    }

    /// The keeper's turn: does what is due. `None` once the link is closed.
    fn keeper_turn(&self, readable: bool) -> Option<KeeperPlan> {
        let plan = self.locked_then_effects(|state, now| state.keeper_turn(now, readable));
        plan.filter(|_| self.is_open())
    }

    /// As [`Self::locked`], and then carries out effects and wakes the keeper if it is needed. Not
    /// with a queue locked.
    fn locked_then_effects<R>(
        &self,
        act: impl FnOnce(&mut LinkState, Timestamp) -> R,
    ) -> Option<R> {
        let mut state = self.lock();
        let done = self.act(&mut state, act);
        self.carry_out_effects(state);
        done
    }

    /// Carries out effects and wakes the keeper if it is needed.
    fn finish(&self) {
        self.carry_out_effects(self.lock());
    }

    /// Whether a thread is carrying out effects.
    fn is_carrying_out(&self) -> bool {
        self.lock().carrying_out
    }

    /// One thread at a time carries effects out, so that they happen in order. Another one leaves
    /// its effects to it. After [`SOME_EFFECTS`] it leaves the rest to the keeper: a caller has its
    /// own work, and the keeper first does what is due.
    fn carry_out_effects<'a>(&'a self, mut state: MutexGuard<'a, LinkState>) {
        let (mut mine, mut carried_out) = (false, 0);
        while mine || !state.carrying_out {
            let enough = carried_out >= SOME_EFFECTS && self.is_open();
            state.keeper.wanted |= enough;
            let mut effects = if enough { Vec::new() } else { state.take_effects() };
            if effects.is_empty() {
                state.keep_capacity(effects);
                state.carrying_out = false;
                break;
            }
            mine = true;
            state.carrying_out = true;
            drop(state);
            carried_out += effects.len();
            let carry_out = || effects.drain(..).for_each(|effect| self.carry_out(effect));
            let done = catch_unwind(AssertUnwindSafe(|| self.delegating(carry_out)));
            state = self.lock();
            state.rounds += 1;
            state.keep_capacity(effects);
            if done.is_err() {
                self.panicked(&mut state);
            }
        }
        let due = state.due();
        let is_last = mine && !self.is_open();
        let wake = state.keeper.has_to_wake(due) || is_last;
        drop(state);
        if wake {
            self.keeper_signal.notify();
        }
    }

    /// Runs what concerns other callers. The keeper runs the code of users that comes up.
    fn delegating(&self, run: impl FnOnce()) {
        user_code::delegated(&self.delegated, run);
        if !self.delegated.is_empty() {
            self.keeper_signal.notify();
        }
    }

    fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Granted { queue, id, grant, valid_until } => {
                if let Some(grant) = queue.granted(time::now(), id, grant, valid_until) {
                    grant.deliver();
                }
            }
            Effect::Tick(queue) => {
                if let Some(queue) = queue.upgrade() {
                    self.tick(&queue);
                }
            }
            Effect::Reclaim(queue, id) => match queue.reclaim(time::now(), id) {
                Reclaim::NotNeeded => {}
                Reclaim::CheckAt(at) => {
                    let check = |router: &mut Router, now| router.check_claimed_at(now, id, at);
                    self.submit_about(queue.key(), check);
                }
                Reclaim::Reclaimed => observe::not_taken_up(queue.key()),
            },
            Effect::PutBack(queue, id) => {
                let owner = queue.running_owner(id);
                self.submit_about(queue.key(), |router, now| router.put_back(now, id, owner));
            }
            Effect::Drop(queue) => drop(queue),
            Effect::Probe(wait) => {
                let probe = wait.probe(time::now());
                self.submit(|router, now| router.send_probe(now, probe));
            }
            Effect::Redirected(redirect) => {
                self.with_others(|others| others.redirected(self, redirect));
            }
            Effect::SendAsking(id, command, address) => {
                self.with_others(|others| others.send_asking(self, id, command, &address));
            }
            Effect::LookAgain => self.with_others(|others| others.look_again()),
            Effect::NodeConnected => self.with_others(|others| others.node_connected()),
            Effect::Run(act) => act(),
        }
    }

    fn with_others(&self, act: impl FnOnce(&dyn OtherLinks)) {
        if let Some(others) = self.others.get().and_then(Weak::upgrade) {
            act(&*others);
        }
    }

    /// As [`Self::stage`], with the link that has this key at present.
    fn stage_about<R>(
        &self,
        key: &str,
        ask: impl FnOnce(&mut Router, Timestamp) -> R,
    ) -> Option<R> {
        if self.others.get().is_none() {
            return self.stage(ask);
        }
        let (mut ask, mut answer) = (Some(ask), None);
        self.with_others(|others| {
            others.stage(key, &mut |router, now| answer = ask.take().map(|ask| ask(router, now)));
        });
        answer
    }

    /// The same, and sends what has come up.
    fn submit_about(&self, key: &str, ask: impl FnOnce(&mut Router, Timestamp)) {
        self.stage_about(key, ask);
        match self.others.get() {
            Some(_) => self.with_others(|others| others.run(key)),
            None => self.run(),
        }
    }

    fn tick(&self, queue: &KeyQueue) {
        let TickReport { slow_waits, long_section, timed_out } =
            queue.tick(time::now(), |id| self.blocked_by(queue.key(), id));
        if timed_out > 0 {
            observe::timed_out(queue.key(), timed_out);
        }
        let key = || Arc::clone(queue.key());
        if let Some(held) = long_section
            && self.should_log(LogTopic::LongSection(key()))
        {
            observe::long_section(queue.key(), &held);
        }
        // One log line for all of them, with the longest wait.
        if let Some(longest) = slow_waits.into_iter().max_by_key(|long| long.waited)
            && self.should_log(LogTopic::SlowWait(key()))
        {
            let calls = queue.waiter_count();
            observe::still_waiting(queue.key(), calls, longest.waited, longest.busy.as_ref());
        }
    }

    /// Runs something with the link locked. `None` if the link cannot be used any more.
    fn locked<R>(&self, act: impl FnOnce(&mut LinkState, Timestamp) -> R) -> Option<R> {
        self.act(&mut self.lock(), act)
    }

    /// A panic is a bug, or the memory is used up. It ends the link.
    fn act<R>(
        &self,
        state: &mut LinkState,
        act: impl FnOnce(&mut LinkState, Timestamp) -> R,
    ) -> Option<R> {
        if !self.is_open() {
            return None;
        }
        let done = catch_unwind(AssertUnwindSafe(|| act(state, time::now()))).ok();
        self.keeper_reads.store(state.role.is_with_keeper(), Ordering::Release);
        if done.is_none() {
            // The keeper carries out what follows from it: here a queue may be locked.
            self.panicked(state);
        } else if state.is_closed() {
            self.end(state, CLOSED);
        }
        done
    }

    fn panicked(&self, state: &mut LinkState) {
        let lose_all = || state.router().lose_all(&Loss::Panicked);
        let _ = catch_unwind(AssertUnwindSafe(lose_all));
        self.end(state, PANICKED);
    }

    fn end(&self, state: &mut LinkState, status: u8) {
        self.status.store(status, Ordering::Release);
        state.close();
        self.stop.close();
        self.keeper_signal.notify();
    }

    fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a test: a bug.
    #[cfg(any(test, all(distlock_verification, feature = "__shuttle")))]
    pub(crate) fn panic(&self) {
        self.submit(|_, _| panic!("asked for by a test"));
    }
}
