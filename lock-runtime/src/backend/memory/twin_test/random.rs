//! Random sequences of calls, with time passing in between.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

use crate::backend::memory::twin_test::asks::{nonce, owner_info};
use crate::backend::memory::twin_test::both::{Both, LIVE, Pair};
use crate::backend::memory::twin_test::steps::{
    Asking, Entry, Floor, HOLDER, NONCES, Queue, Span, Step, UNIT, Who, any_step,
};
use crate::types::fence::Fence;
use crate::wire::bound::Quarantine;
use crate::wire::call::{Acquire, Call, Enqueue, Give, Renewal, WAITER_LEASE};
use crate::wire::probe::{Probe, Target};
use crate::wire::reply::{AcquireReply, Inspection, Obstacle, RenewalReply, Reply};

/// The nearest end of a span is a quarter of a unit away: a sequence that took longer proves nothing.
const LIMIT: Duration = Duration::from_millis(250);

const CASES: u32 = 256;
const STEPS: usize = 60;

/// What happened, over all sequences: shows that they went where they should.
type Reached = BTreeMap<&'static str, u32>;

/// One sequence on its way through both sides.
struct Run<'a> {
    both: &'a mut Both,
    tickets: HashMap<(u8, u8), Pair<u64>>,
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
            Step::PutForeign { key } => self.both.put_foreign(&name(*key)),
            Step::PutLockOfOthers { key, ttl } => {
                self.both.put_lock_of_others(&name(*key), ttl.duration());
            }
            Step::Open { floor, longest, lost } => {
                let floor = self.floor(*floor);
                self.both.open(floor, longest.duration(), *lost)?;
            }
            Step::Probe(askings) => {
                for asking in askings {
                    let call = Call::Probe(probe(asking));
                    let replies = self.both.call(&Pair { server: call.clone(), twin: call })?;
                    self.count(kind(&replies.server));
                }
            }
            step => {
                let step = &self.resolve(step.clone());
                let server = self.call(step, |pair| pair.server, |pair| pair.server);
                let twin = self.call(step, |pair| pair.twin, |pair| pair.twin);
                let replies = self.both.call(&Pair { server, twin })?;
                self.learn(step, &replies);
            }
        }
        Ok(())
    }

    /// Puts the number of the request that holds the key in the place of [`HOLDER`].
    fn resolve(&mut self, mut step: Step) -> Step {
        match &mut step {
            Step::Acquire { who, .. } | Step::Release { who } | Step::Cancel { who, .. } => {
                who.nonce = self.number(who.key, who.nonce);
            }
            Step::AcquireAll(asks) => {
                for (who, _) in asks {
                    who.nonce = self.number(who.key, who.nonce);
                }
            }
            Step::Renew(entries) => {
                for entry in entries {
                    let (Entry::Hold { key, nonce, .. } | Entry::Waiter { key, nonce }) = entry;
                    *nonce = self.number(*key, *nonce);
                }
            }
            _ => {}
        }
        step
    }

    fn number(&mut self, key: u8, number: u8) -> u8 {
        let now_us = self.both.now_us();
        let look = Call::Inspect { key: name(key).into(), limit: 0 };
        let seen = self.both.twin.call(now_us, &look, &mut |_, _| false);
        let Reply::Inspection(Inspection { holder: Some(holder), .. }) = seen else {
            return number % NONCES;
        };
        if number == HOLDER { holder.nonce.jitter() } else { number }
    }

    /// The call of this step, with the numbers of one side.
    fn call(&self, step: &Step, fence: SideOf<Fence>, ticket: SideOf<u64>) -> Call {
        let give = |who: &Who| Give {
            key: name(who.key).into(),
            nonce: nonce(who.nonce),
            floor: fence(self.floor(who.floor)),
            quarantine: Quarantine { bound: who.longest.duration(), waits: who.waits },
        };
        match step {
            Step::Acquire { who, ttl, block, queue } => Call::Acquire(Acquire {
                give: give(who),
                ttl: ttl.duration(),
                who: owner_info(nonce(who.nonce)),
                inbox: queue.map_or(LIVE[0], |queue| queue.inbox).into(),
                block: *block,
                expects_free: false,
                enqueue: queue.map(|queue| self.enqueue(*who, queue, ticket)),
            }),
            Step::AcquireAll(asks) => {
                let ask = |(who, ttl): &(Who, Span)| Acquire {
                    expects_free: false,
                    give: give(who),
                    ttl: ttl.duration(),
                    who: owner_info(nonce(who.nonce)),
                    inbox: LIVE[0].into(),
                    block: 1,
                    enqueue: None,
                };
                Call::AcquireAll(asks.iter().map(ask).collect())
            }
            Step::Release { who } => Call::Release(give(who)),
            Step::Cancel { who, tombstone } => {
                let tombstone = tombstone.map_or(Duration::ZERO, Span::duration);
                Call::Cancel { give: give(who), tombstone }
            }
            Step::Renew(entries) => Call::Renew(entries.iter().copied().map(renewal).collect()),
            Step::Inspect { key, limit } => Call::Inspect { key: name(*key).into(), limit: *limit },
            other => unreachable!("{other:?} is no call"),
        }
    }

    fn enqueue(&self, who: Who, queue: Queue, ticket: SideOf<u64>) -> Enqueue {
        let known = self.tickets.get(&(who.key, who.nonce)).filter(|_| queue.with_ticket);
        Enqueue { ticket: known.copied().map(ticket), lease: lease(who.nonce) }
    }

    fn floor(&self, floor: Floor) -> Pair<Fence> {
        let seen = self.both.seen;
        Pair { server: floor.of(seen.server), twin: floor.of(seen.twin) }
    }

    fn learn(&mut self, step: &Step, replies: &Pair<Reply>) {
        self.count(kind(&replies.server));
        let (Step::Acquire { who, .. }, Some(server), Some(twin)) =
            (step, ticket(&replies.server), ticket(&replies.twin))
        else {
            return;
        };
        self.tickets.insert((who.key, who.nonce), Pair { server, twin });
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
    format!("key {key}")
}

/// Some requests come from a process with a crowd of waiters.
fn lease(nonce: u8) -> Duration {
    if nonce.is_multiple_of(2) { WAITER_LEASE } else { WAITER_LEASE * 4 }
}

fn renewal(entry: Entry) -> Renewal {
    match entry {
        Entry::Hold { key, nonce: who, ttl } => {
            Renewal::Hold { key: name(key).into(), nonce: nonce(who), ttl: ttl.duration() }
        }
        Entry::Waiter { key, nonce: who } => {
            Renewal::Waiter { key: name(key).into(), nonce: nonce(who), lease: lease(who) }
        }
    }
}

fn probe(asking: &Asking) -> Probe {
    let id = nonce(asking.number + 100);
    Probe {
        id,
        chain: asking.chain.iter().copied().map(nonce).collect(),
        target: asking.section.map_or(Target::Key, |section| Target::Section(nonce(section))),
        key: name(asking.key),
        waited: UNIT * asking.waited,
        who: owner_info(id),
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
        Reply::Acquire(AcquireReply::Granted(grant)) if grant.waited_for => "granted with waiters",
        Reply::Acquire(AcquireReply::Granted(_)) => "granted",
        Reply::Acquire(AcquireReply::Cancelled) => "cancelled",
        Reply::Acquire(AcquireReply::Busy(busy)) => match busy.obstacle {
            Obstacle::Holder(_) => "held",
            Obstacle::KeyConflict => "foreign key",
            Obstacle::DataLoss => "data loss",
        },
        Reply::AcquiredAll(Some(fences)) if fences.size() > 1 => "acquired several",
        Reply::AcquiredAll(Some(_)) => "acquired all",
        Reply::AcquiredAll(None) => "not all at once",
        Reply::Ended(true) => "ended",
        Reply::Ended(false) => "not held",
        Reply::Renewed(answers) if answers.contains(&RenewalReply::Renewed) => "renewed",
        Reply::Renewed(answers) if answers.contains(&RenewalReply::RenewedAndWaitedFor) => {
            "renewed with waiters"
        }
        Reply::Renewed(answers) if answers.iter().any(is_waiting) => "waiter renewed",
        Reply::Renewed(_) => "nothing renewed",
        Reply::Raised => "raised",
        Reply::Inspection(seen) if seen.waiting > 0 => "inspected with waiters",
        Reply::Inspection(_) => "inspected",
        Reply::Probed(seen) => match seen.cycle.len() {
            0 => "no cycle found",
            1 => "own section found",
            2 => "cycle found",
            _ => "long cycle found",
        },
    }
}

fn is_waiting(answer: &RenewalReply) -> bool {
    matches!(answer, RenewalReply::Waiting(_))
}

#[test]
fn the_twin_answers_random_sequences_as_the_server_does() {
    let shared = RefCell::new((Both::new(), Reached::new()));
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let outcome =
        TestRunner::new(config).run(&prop::collection::vec(any_step(), 1..=STEPS), |steps| {
            let (both, reached) = &mut *shared.borrow_mut();
            let mut run = Run { both, tickets: HashMap::new(), reached };
            run.all(&steps).map_err(TestCaseError::fail)
        });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(difference, steps)) => panic!("{difference}\nsteps: {steps:#?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    let (_, reached) = shared.into_inner();

    for what in [
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
        "acquired several",
        "not all at once",
        "no cycle found",
        "own section found",
        "cycle found",
        "long cycle found",
    ] {
        assert!(reached.contains_key(what), "never reached: {what}, only {reached:?}");
    }
}
