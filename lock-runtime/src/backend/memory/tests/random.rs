//! Random sequences of calls, with time passing in between.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

use crate::backend::memory::tests::commands::{owner_info, request_id};
use crate::backend::memory::tests::parity::{Both, LIVE, Pair};
use crate::backend::memory::tests::steps::{
    Asking, Entry, Floor, HOLDER, NONCES, Queue, Span, Step, UNIT, Who, any_step,
};
use crate::types::fence::Fence;
use crate::types::owner_info::HolderInfo;
use crate::wire::command::{Acquire, Command, Enqueue, Probe, Renewal, RequestRef, WaitTarget};
use crate::wire::keyspace::{DataLossGrace, WAITER_LEASE};
use crate::wire::reply::{AcquireReply, BlockedBy, LockState, RenewalReply, Reply};

/// The nearest end of a span is a quarter of a unit away: a sequence that took longer proves
/// nothing.
const LIMIT: Duration = Duration::from_millis(250);

const CASES: u32 = 256;
const STEPS: usize = 60;

/// What happened, over all sequences: shows that they went where they should.
type Reached = BTreeMap<&'static str, u32>;

/// One sequence on its way through both sides.
struct Run<'a> {
    both: &'a mut Both,
    tickets: HashMap<(u8, u8), Pair<u64>>,
    /// The first token of the hold of each key.
    held: [Pair<Fence>; 2],
    /// Whether the slot is being migrated during the next call.
    is_open: bool,
    reached: &'a mut Reached,
}

impl Run<'_> {
    fn all(&mut self, steps: &[Step]) -> Result<(), String> {
        self.both.reset();
        for (number, step) in steps.iter().enumerate() {
            let outcome = self.step(step);
            if self.both.elapsed() > LIMIT {
                return Ok(());
            }
            outcome.map_err(|difference| format!("step {number}, {step:?}: {difference}"))?;
        }
        self.count("whole sequence");
        self.count_by("grant pushed", self.both.grants().count());
        self.count_by("holder asked", self.both.asked().len());
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Pass { units } => self.both.advance(UNIT * *units),
            Step::Flush => self.both.flush(),
            Step::PutForeign { key } => self.both.put_not_a_lock(&name(*key)),
            Step::PutLockOfOthers { key, ttl } => {
                self.both.put_other_client_lock(&name(*key), ttl.duration());
            }
            Step::Open { min_fence, longest, lost } => {
                let min_fence = self.min_fence(*min_fence);
                self.both.open(min_fence, longest.duration(), *lost)?;
            }
            // Its keys are in many slots.
            Step::Probe(_) if self.both.space.is_sharded() => {}
            Step::Probe(askings) => {
                for asking in askings {
                    let call = Command::Probe(probe(asking));
                    let replies = self.both.call(&Pair { server: call.clone(), memory: call })?;
                    self.count(kind(&replies.server));
                }
            }
            Step::OpenSlot => self.is_open = self.both.has_neighbour(),
            step => {
                let step = &self.resolve(step.clone());
                self.held = [0, 1].map(|key| self.both.held_fences(&name(key)));
                let server = self.call(step, |pair| pair.server, |pair| pair.server);
                let memory = self.call(step, |pair| pair.memory, |pair| pair.memory);
                let calls = Pair { server, memory };
                if std::mem::take(&mut self.is_open) {
                    match self.both.call_in_open_slot(&calls)? {
                        None => self.count("refused in an open slot"),
                        Some(replies) => {
                            self.count(in_open_slot(&calls.server));
                            self.learn(step, &replies);
                        }
                    }
                } else {
                    let replies = self.both.call(&calls)?;
                    self.learn(step, &replies);
                }
            }
        }
        Ok(())
    }

    /// Puts the number of the request that holds the key in the place of [`HOLDER`].
    fn resolve(&mut self, mut step: Step) -> Step {
        match &mut step {
            Step::Acquire { owner, .. }
            | Step::Release { owner, .. }
            | Step::Cancel { owner, .. } => {
                owner.id = self.number(owner.key, owner.id);
            }
            Step::AcquireAll(asks, _) => {
                for owner in asks {
                    owner.id = self.number(owner.key, owner.id);
                }
            }
            Step::Renew(entries) => {
                for entry in entries {
                    let (Entry::Hold { key, id, .. } | Entry::Waiter { key, id }) = entry;
                    *id = self.number(*key, *id);
                }
            }
            _ => {}
        }
        step
    }

    fn number(&mut self, key: u8, number: u8) -> u8 {
        let now_us = self.both.now_us();
        let look = Command::Inspect { key: name(key).into(), limit: 0 };
        let seen = self.both.memory.call(now_us, &look, &mut |_, _| false);
        let Ok(Reply::Inspection(LockState { holder: Some(holder), .. })) = seen else {
            return number % NONCES;
        };
        if number == HOLDER { holder.id.jitter() } else { number }
    }

    /// The call of this step, with the numbers of one side.
    fn call(&self, step: &Step, fence: SideOf<Fence>, ticket: SideOf<u64>) -> Command {
        let request = |owner: &Who| RequestRef {
            key: name(owner.key).into(),
            id: request_id(owner.id),
            min_fence: fence(self.min_fence(owner.min_fence)),
            data_loss_grace: DataLossGrace {
                max_lease: owner.longest.duration(),
                waits: owner.waits,
            },
        };
        let known_fence = |key: u8, is_known: bool| {
            if is_known { fence(self.held[usize::from(key)]) } else { Fence::ZERO }
        };
        match step {
            Step::Acquire { owner, ttl, fence_count, queue } => Command::Acquire(Acquire {
                request: request(owner),
                ttl: ttl.duration(),
                owner: owner_info(request_id(owner.id)),
                inbox: queue.map_or(LIVE[0], |queue| queue.inbox).into(),
                fence_count: *fence_count,
                likely_free: false,
                enqueue: queue.map(|queue| self.enqueue(*owner, queue, ticket)),
            }),
            Step::AcquireAll(asks, ttl) => {
                let ask = |owner: &Who| Acquire {
                    likely_free: false,
                    request: request(owner),
                    ttl: ttl.duration(),
                    owner: owner_info(request_id(owner.id)),
                    inbox: LIVE[0].into(),
                    fence_count: 1,
                    enqueue: None,
                };
                Command::AcquireAll(asks.iter().map(ask).collect())
            }
            Step::Release { owner, keep } => {
                let keep = keep.map_or(Duration::ZERO, Span::duration);
                Command::Release { request: request(owner), contended: false, keep }
            }
            Step::ForceRelease { key, knows_fence, tombstone } => Command::ForceRelease {
                key: name(*key).into(),
                fence: known_fence(*key, *knows_fence),
                tombstone: tombstone.map_or(Duration::ZERO, Span::duration),
            },
            Step::Cancel { owner, knows_fence, tombstone, keep } => {
                let held = known_fence(owner.key, *knows_fence);
                let [tombstone, keep] =
                    [tombstone, keep].map(|span| span.map_or(Duration::ZERO, Span::duration));
                Command::Cancel { request: request(owner), fence: held, tombstone, keep }
            }
            Step::Renew(entries) => {
                let held = self.held.map(fence);
                Command::Renew(entries.iter().map(|&entry| renewal(entry, held)).collect())
            }
            Step::Inspect { key, limit } => {
                Command::Inspect { key: name(*key).into(), limit: *limit }
            }
            other => unreachable!("{other:?} is no call"),
        }
    }

    fn enqueue(&self, owner: Who, queue: Queue, ticket: SideOf<u64>) -> Enqueue {
        let known = self.tickets.get(&(owner.key, owner.id)).filter(|_| queue.with_ticket);
        Enqueue { ticket: known.copied().map(ticket), lease: lease(owner.id) }
    }

    fn min_fence(&self, min_fence: Floor) -> Pair<Fence> {
        let seen = self.both.seen;
        Pair { server: min_fence.of(seen.server), memory: min_fence.of(seen.memory) }
    }

    fn learn(&mut self, step: &Step, replies: &Pair<Reply>) {
        self.count(kind(&replies.server));
        let (Step::Acquire { owner, .. }, Some(server), Some(memory)) =
            (step, ticket(&replies.server), ticket(&replies.memory))
        else {
            return;
        };
        self.tickets.insert((owner.key, owner.id), Pair { server, memory });
    }

    fn count(&mut self, what: &'static str) {
        self.count_by(what, 1);
    }

    fn count_by(&mut self, what: &'static str, times: usize) {
        *self.reached.entry(what).or_default() += u32::try_from(times).expect("few");
    }
}

type SideOf<T> = fn(Pair<T>) -> T;

fn name(key: u8) -> String {
    format!("{{tag}} key {key}")
}

/// Some requests come from a process with a crowd of waiters.
fn lease(id: u8) -> Duration {
    if id.is_multiple_of(2) { WAITER_LEASE } else { WAITER_LEASE * 4 }
}

fn renewal(entry: Entry, held: [Fence; 2]) -> Renewal {
    match entry {
        Entry::Hold { key, id: owner, ttl, knows_fence } => Renewal::Hold {
            key: name(key).into(),
            id: request_id(owner),
            fence: if knows_fence { held[usize::from(key)] } else { Fence::ZERO },
            ttl: ttl.duration(),
        },
        Entry::Waiter { key, id: owner } => {
            Renewal::Waiter { key: name(key).into(), id: request_id(owner), lease: lease(owner) }
        }
    }
}

fn probe(asking: &Asking) -> Probe {
    let id = request_id(asking.number + 100);
    Probe {
        id,
        chain: asking.chain.iter().copied().map(request_id).collect(),
        target: asking
            .section
            .map_or(WaitTarget::Key, |section| WaitTarget::Section(request_id(section))),
        key: name(asking.key),
        waited: UNIT * asking.waited,
        owner: owner_info(id),
    }
}

fn ticket(reply: &Reply) -> Option<u64> {
    match reply {
        Reply::Acquire(AcquireReply::Busy(busy)) => busy.ticket,
        _ => None,
    }
}

fn kind(reply: &Reply) -> &'static str {
    match reply {
        Reply::Acquire(AcquireReply::Granted(grant)) if grant.contended => "granted with waiters",
        Reply::Acquire(AcquireReply::Granted(_)) => "granted",
        Reply::Acquire(AcquireReply::Cancelled) => "cancelled",
        Reply::Acquire(AcquireReply::Busy(busy)) => match busy.blocked_by {
            BlockedBy::Holder(_) => "held",
            BlockedBy::KeyConflict => "foreign key",
            BlockedBy::DataLoss => "data loss",
            BlockedBy::Failover => "failover",
        },
        Reply::AcquiredAll(Some(fences)) if fences.size > 1 => "acquired several",
        Reply::AcquiredAll(Some(_)) => "acquired all",
        Reply::AcquiredAll(None) => "not all at once",
        Reply::Released(true) => "ended",
        Reply::Released(false) => "not held",
        Reply::Renewed(answers) if answers.contains(&RenewalReply::Renewed) => "renewed",
        Reply::Renewed(answers) if answers.contains(&RenewalReply::RenewedContended) => {
            "renewed with waiters"
        }
        Reply::Renewed(answers) if answers.iter().any(is_waiting) => "waiter renewed",
        Reply::Renewed(_) => "nothing renewed",
        Reply::Acknowledged(_) => "acknowledged",
        Reply::OnlineReplicas(_) => "replicas counted",
        Reply::Reclaimed(_) => "reclaimed",
        Reply::Registered => "registered",
        Reply::Holder(_) => "holder read",
        Reply::Blocked(_) => "section read",
        Reply::Subscribed => "subscribed",
        Reply::Opened => "opened",
        Reply::MaxLeaseRaised => "raised",
        Reply::Inspection(seen) if seen.holder.as_ref().is_some_and(HolderInfo::is_kept) => {
            "inspected while kept"
        }
        Reply::Inspection(seen) if seen.waiting > 0 => "inspected with waiters",
        Reply::Inspection(_) => "inspected",
        Reply::Page(_) => "scanned",
        Reply::Probed(seen) => match seen.cycle.len() {
            0 => "no cycle found",
            1 => "own section found",
            2 => "cycle found",
            _ => "long cycle found",
        },
    }
}

fn in_open_slot(call: &Command) -> &'static str {
    match call {
        Command::Acquire(_) => "acquired in an open slot",
        Command::Release { .. } => "released in an open slot",
        Command::Cancel { .. } => "cancelled in an open slot",
        Command::Renew(_) => "renewed in an open slot",
        _ => "asked in an open slot",
    }
}

fn is_waiting(answer: &RenewalReply) -> bool {
    matches!(answer, RenewalReply::Waiting(_))
}

#[test]
fn the_memory_server_answers_random_sequences_as_redis_does() {
    let reached = compare(Both::new());
    for what in WHAT.iter().chain(&PROBES) {
        assert!(reached.contains_key(what), "never reached: {what}, only {reached:?}");
    }
}

#[test]
fn the_memory_node_answers_random_sequences_as_a_node_of_a_cluster_does() {
    let reached = compare(Both::node("tag"));
    for what in WHAT {
        assert!(reached.contains_key(what), "never reached: {what}, only {reached:?}");
    }
}

/// A script must do all of a call or nothing, although it cannot make a key that it has deleted.
#[test]
fn a_node_does_all_of_a_call_or_nothing_while_its_slot_is_migrated() {
    let reached = compare(Both::one_of_two_nodes("tag"));
    for what in [
        "refused in an open slot",
        "acquired in an open slot",
        "released in an open slot",
        "cancelled in an open slot",
        "renewed in an open slot",
    ] {
        assert!(reached.contains_key(what), "never reached: {what}, only {reached:?}");
    }
}

fn compare(both: Both) -> Reached {
    let shared = RefCell::new((both, Reached::new()));
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let outcome =
        TestRunner::new(config).run(&prop::collection::vec(any_step(), 1..=STEPS), |steps| {
            let (both, reached) = &mut *shared.borrow_mut();
            let none = Pair { server: Fence::ZERO, memory: Fence::ZERO };
            let tickets = HashMap::new();
            let mut run = Run { both, tickets, held: [none; 2], is_open: false, reached };
            run.all(&steps).map_err(TestCaseError::fail)
        });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(difference, steps)) => panic!("{difference}\nsteps: {steps:#?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    shared.into_inner().1
}

const WHAT: [&str; 18] = [
    "whole sequence",
    "grant pushed",
    "holder asked",
    "granted",
    "granted with waiters",
    "cancelled",
    "held",
    "foreign key",
    "data loss",
    "ended",
    "not held",
    "renewed",
    "renewed with waiters",
    "waiter renewed",
    "inspected with waiters",
    "inspected while kept",
    "acquired several",
    "not all at once",
];

const PROBES: [&str; 4] =
    ["no cycle found", "own section found", "cycle found", "long cycle found"];
