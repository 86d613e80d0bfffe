//! The server: the in-memory server of the library, with a clock that drifts and jumps, and with
//! outages.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use checker::Nanos;
use distlock_runtime::Fence;
use distlock_runtime::verification::{
    AcquireReply, Command, CommandError, FenceRange, MAX_LISTED_WAITERS, Mark, MemoryStore,
    Notification, Publish, Reply, SMALL_FENCE_RANGE, Slot,
};

use super::cluster::space;
use super::failover::mark;
use super::released::ReleasedRequests;
use crate::plan::Part;

/// The server.
pub(super) struct Server {
    memory: MemoryStore,
    mark: Mark,
    /// The drift of its clock, in parts per million.
    ppm: i64,
    /// By how many microseconds its clock was set.
    set_by_us: i64,
    forgot_scripts: bool,
    /// Until when it is frozen or down.
    pub(super) away_until: Nanos,
    /// Whether it is down, with all connections closed.
    pub(super) down: bool,
    /// Whether another server has taken its place for all processes. It is down for good.
    pub(super) demoted: bool,
    unable_until: Nanos,
    full_until: Nanos,
    past: Past,
    /// The slots whose tokens its predecessor had opened, as far as it has not heard of that.
    lost_openings: BTreeSet<Slot>,
    replica: Replica,
    /// The requests that must not be granted any more; of all nodes of a cluster.
    pub(super) released: Rc<RefCell<ReleasedRequests>>,
}

/// What a process brings when it connects.
#[derive(Clone, Copy)]
pub(super) struct Handshake {
    /// The highest token that it has seen.
    pub(super) min_fence: Fence,
    /// The longest lease that it knows of.
    pub(super) bound: Duration,
    /// How long it has a failover waited out.
    pub(super) grace: Duration,
    pub(super) connected_before: bool,
}

/// What the replica of a server has.
#[derive(Default)]
struct Replica {
    /// Since when there is one.
    since: Nanos,
    /// It has everything until then, and acknowledges nothing later. It is promoted after that.
    stopped_at: Option<Nanos>,
    /// A replica that is promoted has everything until then.
    copied_at: Nanos,
    /// The tokens of each grant, by the first one, and when it was made.
    grants: BTreeMap<u64, (FenceRange, Nanos)>,
}

impl Replica {
    fn note_grant(&mut self, now: Nanos, fences: FenceRange) {
        self.grants.entry(fences.first.get()).or_insert((fences, now));
    }
}

/// What is known about lost data.
#[derive(Clone, Copy, Default)]
struct Past {
    /// Its data was lost.
    emptied: bool,
    /// It was lost, and the first process to connect could not know.
    undetected_data_loss: bool,
}

/// Its clock at the start. Tokens derive from it, and small ones would be implausible.
const EPOCH_US: u64 = 1_700_000_000_000_000;

impl Server {
    /// The primary at the start.
    pub(super) fn first(ppm: i64) -> Self {
        let mut server = Self::new(ppm);
        server.promote(mark(0));
        server
    }

    /// A node of a cluster at the start.
    pub(super) fn node(ppm: i64, node: usize) -> Self {
        let mut server = Self { memory: MemoryStore::node(space()), ..Self::new(ppm) };
        server.promote(mark(node));
        server
    }

    /// Has everything of a slot migrated.
    pub(super) fn migrate(&mut self, slot: Slot, to: &mut Self) {
        // What its predecessor did in the slot leaves no trace if the slot goes on before any
        // process that was there has come back.
        self.past.undetected_data_loss |= self.misses_opening(slot);
        self.lost_openings.remove(&slot);
        self.memory.migrate(slot, &mut to.memory);
    }

    /// Whether its predecessor had opened the tokens of a slot, and it has not heard of that.
    fn misses_opening(&self, slot: Slot) -> bool {
        let drawn_by = self.memory.drawn_by(slot);
        self.lost_openings.contains(&slot) && drawn_by.is_some_and(|mark| mark != self.mark)
    }

    /// This replica of a node becomes the primary. Its node has only some of the slots.
    pub(super) fn take_over(&mut self, old: &Self, has: &[(Slot, bool)]) {
        self.released = Rc::clone(&old.released);
        for &(slot, is_own) in has {
            if !is_own {
                self.memory.migrate(slot, &mut MemoryStore::node(space()));
            } else if old.memory.has_tokens(slot) && !self.memory.has_tokens(slot) {
                // Only processes that have used the slot notice that.
                self.past.undetected_data_loss = true;
            } else if old.memory.drawn_by(slot) != self.memory.drawn_by(slot)
                || old.misses_opening(slot)
            {
                self.lost_openings.insert(slot);
            }
        }
    }

    fn new(ppm: i64) -> Self {
        Self {
            memory: MemoryStore::default(),
            mark: Mark::default(),
            ppm,
            set_by_us: 0,
            forgot_scripts: false,
            away_until: 0,
            down: false,
            demoted: false,
            unable_until: 0,
            full_until: 0,
            past: Past::default(),
            lost_openings: BTreeSet::new(),
            replica: Replica::default(),
            released: Rc::default(),
        }
    }

    /// A replica that has all data of now. It does not know the scripts, nor what their cache
    /// knows.
    pub(super) fn copy(&self) -> Self {
        let mut memory = self.memory.clone();
        memory.forget_scripts();
        let past = Past { undetected_data_loss: false, ..self.past };
        let replica = Replica { grants: self.replica.grants.clone(), ..Replica::default() };
        Self { memory, set_by_us: self.set_by_us, past, replica, ..Self::new(self.ppm) }
    }

    /// This replica becomes the primary.
    pub(super) fn promote(&mut self, mark: u32) {
        self.mark = mark.into();
        self.memory.promote(mark);
    }

    /// From now on it has a replica.
    pub(super) fn has_replica_at(&mut self, at: Nanos) {
        self.replica.since = at;
    }

    /// What it does from now on does not reach the replica.
    pub(super) fn stop_copying(&mut self, now: Nanos) {
        self.replica.stopped_at.get_or_insert(now);
        self.replica.copied_at = now;
    }

    /// When the replica has what was written then; `None` never.
    pub(super) fn copied_at(&self, written: Nanos) -> Option<Nanos> {
        let is_missing = self.replica.stopped_at.is_some_and(|at| written >= at);
        (!is_missing).then(|| written.max(self.replica.since))
    }

    /// The tokens of all grants, and whether the replica has them.
    pub(super) fn grants(&self) -> impl Iterator<Item = (FenceRange, bool)> {
        let Replica { stopped_at, copied_at, ref grants, .. } = self.replica;
        grants.values().map(move |&(fences, at)| (fences, stopped_at.is_none() || at <= copied_at))
    }

    pub(super) fn set_clock_as(&mut self, other: &Self) {
        self.set_by_us = other.set_by_us;
    }

    fn now_us(&self, now: Nanos) -> u64 {
        let run = i128::from(now) * (1_000_000 + i128::from(self.ppm)) / 1_000_000_000;
        let shown = i128::from(EPOCH_US) + run + i128::from(self.set_by_us);
        u64::try_from(shown).expect("the clock is in range")
    }

    /// A client connects and subscribes.
    pub(super) fn open(
        &mut self,
        now: Nanos,
        Handshake { min_fence, bound, grace, connected_before }: Handshake,
        publish: &mut Publish<'_>,
    ) -> Duration {
        let fresh = !connected_before && min_fence.get() == 0 && self.memory.max_lease().is_zero();
        self.past.undetected_data_loss |= fresh && self.past.emptied && !self.memory.has_counter();
        self.forgot_scripts = false;
        let now_us = self.now_us(now);
        self.memory.welcome(now_us, min_fence, bound, grace, connected_before, publish)
    }

    /// Executes calls in order.
    pub(super) fn call(
        &mut self,
        now: Nanos,
        calls: &[Command],
        bound: Duration,
        publish: &mut Publish<'_>,
    ) -> Vec<Result<Reply, CommandError>> {
        if self.forgot_scripts {
            // The backend sends the scripts with its next batch, together with the bound that the
            // process knows.
            self.forgot_scripts = bound.is_zero();
            self.memory.load_scripts(bound);
            let missing = |call: &Command| match call {
                Command::CountReplicas => Ok(Reply::OnlineReplicas(1)),
                _ => Err(CommandError::ScriptMissing),
            };
            return calls.iter().map(missing).collect();
        }
        let join_all = calls.iter().filter(|call| likely_free(call)).count() > 1;
        calls.iter().map(|call| self.call_one(now, call, join_all, publish)).collect()
    }

    fn call_one(
        &mut self,
        now: Nanos,
        call: &Command,
        join_all: bool,
        publish: &mut Publish<'_>,
    ) -> Result<Reply, CommandError> {
        let takes = matches!(call, Command::Acquire(_) | Command::AcquireAll(_));
        if self.is_unable(now) || (takes && now < self.full_until) {
            return Err(CommandError::TryAgain("the server is busy".to_owned()));
        }
        let now_us = self.now_us(now);
        if join_all && likely_free(call) && !self.is_free(now_us, call, publish) {
            return Err(CommandError::NotBatchable);
        }
        let (released, replica) = (&self.released, &mut self.replica);
        let mut publish_and_note = |inbox: &str, notice: Option<Notification>| {
            if let Some(Notification::Granted(id, fences)) = notice {
                released.borrow_mut().grant(id);
                replica.note_grant(now, fences);
            }
            publish(inbox, notice)
        };
        let reply = self.memory.call(now_us, call, &mut publish_and_note)?;
        self.released.borrow_mut().note(call, &reply);
        match reply {
            Reply::Acquire(AcquireReply::Granted(grant)) => {
                self.replica.note_grant(now, grant.fences);
            }
            Reply::AcquiredAll(Some(fences)) => self.replica.note_grant(now, fences),
            _ => {}
        }
        Ok(reply)
    }

    fn is_free(&mut self, now_us: u64, call: &Command, publish: &mut Publish<'_>) -> bool {
        let Command::Acquire(ask) = call else { return false };
        let look = Command::Inspect { key: ask.request.key.clone(), limit: MAX_LISTED_WAITERS };
        match self.memory.call(now_us, &look, publish) {
            Ok(Reply::Inspection(found)) => found.holder.is_none() && found.waiting == 0,
            _ => false,
        }
    }

    /// Whether it lost its data without any process knowing.
    pub(super) const fn has_undetected_data_loss(&self) -> bool {
        self.past.undetected_data_loss
    }

    pub(super) fn is_empty(&self, now: Nanos) -> bool {
        self.memory.is_empty(self.now_us(now))
    }

    pub(super) fn flush(&mut self) {
        self.memory.flush();
        self.past.emptied = true;
    }

    /// Its process dies, and with it everything that is not data.
    pub(super) fn die(&mut self, until: Nanos) {
        self.down = true;
        self.away_until = self.away_until.max(until);
        self.memory.forget_scripts();
    }

    pub(super) fn forget_scripts(&mut self) {
        self.forgot_scripts = true;
        self.memory.forget_scripts();
    }

    pub(super) const fn is_unable(&self, now: Nanos) -> bool {
        now < self.unable_until
    }

    pub(super) fn refuse_all(&mut self, until: Nanos) {
        self.unable_until = self.unable_until.max(until);
    }

    pub(super) fn refuse_new(&mut self, until: Nanos) {
        self.full_until = self.full_until.max(until);
    }

    pub(super) fn delete(&mut self, key: &str, part: Part) {
        match part {
            Part::Hold => self.memory.delete_hold(key),
            Part::Queue => self.memory.delete_queue(key),
            Part::Fence => self.memory.delete_counter(),
        }
    }

    pub(super) fn jump(&mut self, millis: i64) {
        self.set_by_us += millis * 1_000;
    }
}

fn likely_free(call: &Command) -> bool {
    matches!(call, Command::Acquire(ask) if ask.likely_free && ask.fence_count <= SMALL_FENCE_RANGE)
}
