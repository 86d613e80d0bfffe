pub(crate) mod heard;
pub(crate) mod said;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::backend::memory::twin::Twin;
use crate::protocol::claim::Request;
use crate::protocol::machine::{CallError, CallId, Machine};
use crate::protocol::tests::lies::steps::{AcquireParams, Step};
use crate::protocol::tests::{at, request};
use crate::protocol::timing::Timing;
use crate::types::fence::{Fence, FenceBlock};
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;
use crate::wire::call::{Call, Renewal};
use crate::wire::reply::{Decode, Notice, Reply};

type Checked = Result<(), TestCaseError>;

/// A machine, the server it talks to, and what is known of both from outside.
pub(crate) struct World {
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
    pub(crate) fn new() -> Self {
        let inbox = "inbox".to_owned();
        let mut twin = Twin::default();
        twin.open(0, Fence::ZERO, Duration::ZERO, false);
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

    pub(crate) fn step(&mut self, step: &Step) -> Checked {
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
                let wish = AcquireParams { block: 1, queue: false, ..wish.clone() };
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
                self.machine.connected(now, self.twin.bound());
            }
            Step::Connect => {}
            Step::Disconnect => self.disconnect(),
            Step::ConnectFailed(outlook) => {
                if !self.up {
                    self.machine.connect_failed(now, "no".to_owned(), *outlook);
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

    fn new_request(&mut self, wish: &AcquireParams, key: u8) -> Request {
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

    /// Everybody lets go, and the server does as it is told from here on: then nothing is left.
    pub(crate) fn wind_up(&mut self) -> Checked {
        self.grants.clear();
        self.end_all();
        self.after()?;
        for _ in 0..200 {
            if self.machine.is_idle() {
                return Ok(());
            }
            if !self.up {
                self.up = true;
                self.machine.connected(self.now, self.twin.bound());
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
        5 => CallError::Hindered("OOM".to_owned()),
        6 => CallError::Elsewhere("READONLY".to_owned()),
        _ => CallError::Broken,
    }
}
