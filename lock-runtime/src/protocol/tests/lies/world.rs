use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::{at, request};
use super::steps::{Said, Step, Wish};
use crate::Fence;
use crate::fence::FenceBlock;
use crate::protocol::{CallError, CallId, Machine, Output, Request, Signal, Timing};
use crate::store::Twin;
use crate::time::Timestamp;
use crate::wire::random::{claimant, spoken};
use crate::wire::{
    AcquireReply, Answer, Call, Decode, Nonce, Notice, Probe, Renewal, RenewalReply, Reply, Target,
    WAITER_LEASE, parse_notice,
};

type Checked = Result<(), TestCaseError>;

/// A machine, the server it talks to, and what is known of both from outside.
pub(super) struct World {
    machine: Machine,
    twin: Twin,
    now: Timestamp,
    up: bool,
    /// The calls that wait for a reply, with the instant of their sending.
    calls: Vec<(CallId, Call, Timestamp)>,
    requests: BTreeMap<Nonce, Known>,
    names: Vec<Nonce>,
    /// Requests that are granted together, by the first.
    groups: BTreeMap<Nonce, Vec<Nonce>>,
    floor: Fence,
    /// What was granted by the latest input: to whom, under which tokens, until when at most.
    grants: Vec<(Nonce, FenceBlock, Timestamp)>,
    pushed: Vec<Notice>,
}

/// What is known of a request.
struct Known {
    ttl: Duration,
    floor: Fence,
    stage: Stage,
    /// The latest call about it.
    sent: Timestamp,
    /// Until when it may hold the lock, by all that was ever granted.
    until: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Wanted,
    Held,
    Over,
}

/// A hundredth of the ttl, at least 2 ms: for the clocks.
fn margin(ttl: Duration) -> Duration {
    Duration::from_millis(2).max(ttl / 100)
}

/// When a hold ends for its owner that the server keeps for `server_ttl` from then.
fn ends(sent: Timestamp, server_ttl: Duration) -> Timestamp {
    // The server keeps it longer than was asked, by as much as the margin of what was asked.
    let asked =
        server_ttl.saturating_sub(Duration::from_millis(2)).min(server_ttl.mul_f64(1.0 / 1.01));
    let rounding = Duration::from_micros(1);
    sent.plus(asked.saturating_sub(margin(asked)) + rounding)
}

impl World {
    pub(super) fn new() -> Self {
        let inbox = "inbox".to_owned();
        let mut twin = Twin::default();
        twin.open(0, Fence::ZERO, Duration::ZERO);
        Self {
            machine: Machine::new(at(0.0), Timing::default(), inbox, Duration::from_secs(30)),
            twin,
            now: at(0.0),
            up: false,
            calls: Vec::new(),
            requests: BTreeMap::new(),
            names: Vec::new(),
            groups: BTreeMap::new(),
            floor: Fence::ZERO,
            grants: Vec::new(),
            pushed: Vec::new(),
        }
    }

    pub(super) fn step(&mut self, step: &Step) -> Checked {
        self.grants.clear();
        self.act(step);
        self.after()?;
        for notice in std::mem::take(&mut self.pushed) {
            self.grants.clear();
            self.notice(notice);
            self.after()?;
        }
        Ok(())
    }

    fn act(&mut self, step: &Step) {
        let now = self.now;
        match step {
            Step::Request(wish) => {
                let request = self.new_request(wish, 0);
                self.machine.request(now, request);
            }
            Step::RequestAll(wish, count) => {
                let wish = Wish { block: 1, queue: false, ..wish.clone() };
                let requests: Vec<_> =
                    (0..*count).map(|key| self.new_request(&wish, key)).collect();
                let group: Vec<_> = requests.iter().map(|request| request.nonce).collect();
                self.groups.insert(group[0], group);
                self.machine.request_all(now, requests);
            }
            Step::Replace(old, wish) => {
                let Some(old) = self.pick(*old, Stage::Wanted) else { return };
                let request = self.new_request(wish, 0);
                self.over(old);
                self.machine.replace(now, old, request);
            }
            Step::End(which) => {
                let Some(nonce) = self.any(*which) else { return };
                self.over(nonce);
                self.machine.end(now, nonce);
            }
            Step::EndAll => self.end_all(),
            Step::Lengthen(which, ttl) => {
                let Some(nonce) = self.pick(*which, Stage::Held) else { return };
                self.machine.lengthen(now, nonce, Duration::from_millis((*ttl).into()));
            }
            Step::HandedOn(which) => {
                let Some(nonce) = self.any(*which) else { return };
                self.machine.handed_on(now, nonce);
            }
            Step::Watch(which) => {
                let Some(nonce) = self.any(*which) else { return };
                self.machine.watch(now, nonce);
            }
            Step::Unwatch(which) => {
                let Some(nonce) = self.any(*which) else { return };
                self.machine.unwatch(nonce);
            }
            Step::Reply(which, said) => self.reply(*which, said),
            Step::ReplyAgain(which, answer) => self.reply_again(*which, answer),
            Step::Granted(which, first, size) => {
                let Some(nonce) = self.any(*which) else { return };
                let first = self.floor.get().saturating_sub(20) + u64::from(*first);
                self.message(&format!("granted {nonce} {first} {size}"));
            }
            Step::Message(text) => self.message(text),
            Step::Connect if !self.up => {
                self.up = true;
                self.machine.connected(now);
            }
            Step::Connect => {}
            Step::Disconnect => self.disconnect(),
            Step::ConnectFailed(hopeless) => {
                if !self.up {
                    self.machine.connect_failed(now, "no".to_owned(), *hopeless);
                }
            }
            Step::Later(ms) => self.now = now.plus(Duration::from_millis((*ms).into())),
        }
    }

    fn disconnect(&mut self) {
        self.up = false;
        self.calls.clear();
        self.machine.disconnected(self.now, "reset".to_owned());
    }

    fn end_all(&mut self) {
        self.names.clone().into_iter().for_each(|nonce| self.over(nonce));
        self.machine.end_all(self.now);
    }

    fn new_request(&mut self, wish: &Wish, key: u8) -> Request {
        let ms = |ms: u16| Duration::from_millis(ms.into());
        let serial = self.names.len() as u128 + 1;
        let nonce = Nonce::from_bits(serial << 123 | serial);
        let ttl = ms(wish.ttl);
        let known = Known {
            ttl,
            floor: self.machine.floor(),
            stage: Stage::Wanted,
            sent: Timestamp::ZERO,
            until: Timestamp::ZERO,
        };
        self.requests.insert(nonce, known);
        self.names.push(nonce);
        Request {
            key: Arc::from(format!("key {key}")),
            nonce,
            since: self.now,
            ttl,
            deadline: wish.wait.map(|wait| self.now.plus(ms(wait))),
            queue: wish.queue,
            renew: wish.renew,
            max_hold: wish.max_hold.map(ms),
            block: wish.block,
            ..request(serial)
        }
    }

    fn any(&self, which: Index) -> Option<Nonce> {
        (!self.names.is_empty()).then(|| *which.get(&self.names))
    }

    fn pick(&self, which: Index, stage: Stage) -> Option<Nonce> {
        let such = self.requests.iter().filter(|(_, known)| known.stage == stage);
        let such: Vec<Nonce> = such.map(|(&nonce, _)| nonce).collect();
        (!such.is_empty()).then(|| *which.get(&such))
    }

    fn over(&mut self, nonce: Nonce) {
        if let Some(known) = self.requests.get_mut(&nonce) {
            known.stage = Stage::Over;
        }
    }

    fn reply(&mut self, which: Index, said: &Said) {
        if self.calls.is_empty() {
            return;
        }
        let (id, call, sent) = self.calls.remove(which.index(self.calls.len()));
        let reply = match said {
            Said::Truth => Ok(self.truth(&call)),
            Said::Changed(mutation) => {
                let truth = self.truth(&call);
                garbled(call.decode(mutation.apply(spoken(&call, &truth))))
            }
            Said::Astray(which) if !self.calls.is_empty() => {
                let (_, other, _) = which.get(&self.calls).clone();
                let truth = self.truth(&other);
                garbled(call.decode(spoken(&other, &truth)))
            }
            Said::Astray(_) => Err(CallError::Garbled("nothing".to_owned())),
            Said::Answer(answer) => garbled(call.decode(answer.clone())),
            Said::Granted(above) => {
                let first = (self.floor.get() + u64::from(*above)).saturating_sub(20);
                garbled(call.decode(Answer::Int(first.try_into().expect("small"))))
            }
            Said::Error(which) => Err(error(*which)),
        };
        self.learn(&call, sent, &reply);
        self.machine.reply(self.now, id, reply);
    }

    fn reply_again(&mut self, which: Index, answer: &Answer) {
        let id = which.index(1000) as CallId;
        if self.calls.iter().all(|&(open, ..)| open != id) {
            let reply = Reply::Acquire(AcquireReply::Granted(crate::wire::Grant {
                fences: FenceBlock::new(Fence::new(self.floor.get() + 1), 1),
                waited_for: *answer == Answer::Other,
            }));
            self.machine.reply(self.now, id, Ok(reply));
        }
    }

    /// What a server does and says that does as it is told.
    fn truth(&mut self, call: &Call) -> Reply {
        let pushed = &mut self.pushed;
        let mut publish = |_: &str, notice| {
            pushed.push(notice);
            true
        };
        self.twin.call(self.now.as_nanos() / 1000, call, &mut publish)
    }

    fn message(&mut self, text: &str) {
        if let Some(notice) = parse_notice(text) {
            self.notice(notice);
        }
    }

    fn notice(&mut self, notice: Notice) {
        if let Notice::Granted(nonce, fences) = notice {
            if let Some(known) = self.requests.get(&nonce) {
                let until = ends(known.sent, WAITER_LEASE);
                let own = self.now.plus(known.ttl.saturating_sub(margin(known.ttl)));
                self.grant(nonce, fences, until.min(own));
            } else {
                self.floor = self.floor.max(fences.last());
            }
        }
        self.machine.notice(self.now, notice);
    }

    /// Remembers what this reply gives to whom.
    fn learn(&mut self, call: &Call, sent: Timestamp, reply: &Result<Reply, CallError>) {
        match (call, reply) {
            (Call::Acquire(ask), Ok(Reply::Acquire(AcquireReply::Granted(grant)))) => {
                self.grant(ask.give.nonce, grant.fences, ends(sent, ask.ttl));
            }
            (Call::AcquireAll(asks), Ok(Reply::AcquiredAll(Some(fences)))) => {
                let mut rest = *fences;
                for ask in asks {
                    let fence = rest.take().expect("as many as were asked for");
                    self.grant(ask.give.nonce, FenceBlock::new(fence, 1), ends(sent, ask.ttl));
                }
            }
            (Call::Renew(entries), Ok(Reply::Renewed(replies))) => {
                for (entry, reply) in entries.iter().zip(replies) {
                    self.renewed(entry, *reply, sent);
                }
            }
            _ => {}
        }
    }

    fn renewed(&mut self, entry: &Renewal, reply: RenewalReply, sent: Timestamp) {
        if let Renewal::Hold { nonce, ttl, .. } = entry
            && matches!(reply, RenewalReply::Renewed | RenewalReply::RenewedAndWaitedFor)
            && let Some(known) = self.requests.get_mut(nonce)
        {
            known.until = known.until.max(ends(sent, *ttl));
        }
    }

    fn grant(&mut self, nonce: Nonce, fences: FenceBlock, until: Timestamp) {
        self.floor = self.floor.max(fences.last());
        self.grants.push((nonce, fences, until));
        if let Some(known) = self.requests.get_mut(&nonce) {
            known.until = known.until.max(until);
        }
    }

    /// Lets time do what is due and looks at all that comes of it.
    fn after(&mut self) -> Checked {
        self.outputs()?;
        self.machine.tick(self.now);
        self.outputs()?;
        let due = self.machine.next_tick();
        prop_assert!(due.is_none_or(|due| due > self.now), "time stands still");
        prop_assert!(self.machine.floor() >= self.floor, "a token was forgotten");
        Ok(())
    }

    fn outputs(&mut self) -> Checked {
        loop {
            while let Some(output) = self.machine.poll_output() {
                self.output(output)?;
            }
            let Some(signal) = self.machine.poll_signal() else { return Ok(()) };
            self.signal(&signal);
        }
    }

    fn output(&mut self, output: Output) -> Checked {
        match output {
            Output::Send(id, call) => {
                prop_assert!(self.up, "sent without a connection: {call:?}");
                self.sent(&call);
                self.calls.push((id, call, self.now));
            }
            Output::Granted { nonce, grant, valid_until } => {
                self.granted(nonce, grant.fences, valid_until)?;
            }
            Output::Extended(nonce, until) => {
                let known = &self.requests[&nonce];
                prop_assert!(until <= known.until, "{nonce:?} holds longer than was granted");
            }
            Output::Failed(nonce, _) => {
                prop_assert_eq!(self.requests[&nonce].stage, Stage::Wanted, "told twice");
                self.over(nonce);
            }
            Output::Lost(nonce, _) => {
                prop_assert!(self.requests[&nonce].stage == Stage::Held, "lost without a hold");
                self.over(nonce);
            }
            Output::Reconnect => {
                self.up = false;
                self.calls.clear();
            }
            Output::WaitedFor(_) | Output::Ended(..) | Output::StillWaiting { .. } => {}
        }
        Ok(())
    }

    fn sent(&mut self, call: &Call) {
        let nonces: Vec<Nonce> = match call {
            Call::Acquire(ask) => vec![ask.give.nonce],
            Call::AcquireAll(asks) => asks.iter().map(|ask| ask.give.nonce).collect(),
            Call::Renew(entries) => entries.iter().map(nonce_of).collect(),
            _ => Vec::new(),
        };
        for nonce in nonces {
            if let Some(known) = self.requests.get_mut(&nonce) {
                known.sent = self.now;
            }
        }
    }

    fn granted(&mut self, nonce: Nonce, fences: FenceBlock, until: Timestamp) -> Checked {
        let given = self.grants.iter().find(|&&(to, ..)| to == nonce);
        prop_assert!(given.is_some(), "{nonce:?} holds what nobody granted");
        let &(_, granted, latest) = given.expect("just looked");
        let known = self.requests.get_mut(&nonce).expect("only what was asked for is granted");
        prop_assert_eq!(fences, granted, "under other tokens");
        prop_assert!(fences.first() > known.floor, "under a token that is not new");
        prop_assert!(until <= latest, "{nonce:?} holds longer than was granted");
        prop_assert_eq!(known.stage, Stage::Wanted, "granted to one that does not wait");
        known.stage = Stage::Held;
        Ok(())
    }

    fn signal(&mut self, signal: &Signal) {
        match *signal {
            Signal::Probe(id) => {
                let probe = Probe {
                    id,
                    chain: vec![Nonce::from_bits(7)],
                    target: Target::Key,
                    key: "key 0".to_owned(),
                    waited: Duration::ZERO,
                    who: claimant(),
                };
                self.machine.probe(self.now, probe);
            }
            Signal::NotAtOnce(first) => self.let_go(first),
            Signal::Deadlock(..) => {}
        }
    }

    /// Of a group that was not granted together, whoever was told of a hold nevertheless gives it up.
    fn let_go(&mut self, first: Nonce) {
        for nonce in self.groups.remove(&first).into_iter().flatten() {
            if self.requests[&nonce].stage == Stage::Held {
                self.machine.end(self.now, nonce);
            }
            self.over(nonce);
        }
    }

    /// Everybody lets go, and the server does as it is told from here on: then nothing is left.
    pub(super) fn wind_up(&mut self) -> Checked {
        self.grants.clear();
        self.end_all();
        self.after()?;
        for _ in 0..200 {
            if self.machine.is_idle() {
                return Ok(());
            }
            if !self.up {
                self.up = true;
                self.machine.connected(self.now);
            }
            while let Some((id, call, _)) = self.calls.pop() {
                let truth = self.truth(&call);
                self.machine.reply(self.now, id, Ok(truth));
            }
            self.pushed.clear();
            self.now = self.machine.next_tick().unwrap_or(self.now).max(self.now);
            self.after()?;
        }
        Err(TestCaseError::fail("something is left for good"))
    }
}

const fn nonce_of(entry: &Renewal) -> Nonce {
    match entry {
        Renewal::Hold { nonce, .. } | Renewal::Waiter { nonce, .. } => *nonce,
    }
}

fn garbled(reply: Result<Reply, String>) -> Result<Reply, CallError> {
    reply.map_err(CallError::Garbled)
}

fn error(which: u8) -> CallError {
    match which {
        0 => CallError::Refused("no".to_owned()),
        1 => CallError::Unloaded,
        2 => CallError::Alone,
        3 => CallError::NotNow("LOADING".to_owned()),
        4 => CallError::Garbled("?".to_owned()),
        _ => CallError::Broken,
    }
}
