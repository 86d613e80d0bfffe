pub(crate) mod heard;
pub(crate) mod said;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::backend::memory::store::MemoryStore;
use crate::protocol::Protocol;
use crate::protocol::request::{CommandError, CommandId, RequestParams};
use crate::protocol::tests::byzantine::steps::{RequestDraft, Step};
use crate::protocol::tests::{at, request};
use crate::protocol::timing::Timing;
use crate::types::fence::{Fence, FenceRange};
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Command, Renewal};
use crate::wire::reply::{Notification, Reply};

type Checked = Result<(), TestCaseError>;

/// A machine, the server it talks to, and what is known of both from outside.
pub(crate) struct World {
    protocol: Protocol,
    memory: MemoryStore,
    now: Timestamp,
    up: bool,
    /// The calls that wait for a reply, with the instant of their sending.
    calls: Vec<(CommandId, Command, Timestamp)>,
    requests: BTreeMap<RequestId, Known>,
    names: Vec<RequestId>,
    /// Requests that are granted together, by the first.
    groups: BTreeMap<RequestId, Vec<RequestId>>,
    min_fence: Fence,
    /// What was granted by the latest input: to whom, under which tokens, until when at most.
    grants: Vec<(RequestId, FenceRange, Timestamp)>,
    granted_by_push: Vec<Notification>,
}

/// What is known of a request.
struct Known {
    ttl: Duration,
    min_fence: Fence,
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
fn clock_margin(ttl: Duration) -> Duration {
    Duration::from_millis(2).max(ttl / 100)
}

/// When a hold ends for its owner that the server keeps for `server_ttl` from then.
fn ends(sent: Timestamp, server_ttl: Duration) -> Timestamp {
    // The server keeps it longer than was asked, by as much as the margin of what was asked.
    let may_be_on_server =
        server_ttl.saturating_sub(Duration::from_millis(2)).min(server_ttl.mul_f64(1.0 / 1.01));
    let rounding = Duration::from_micros(1);
    sent.plus(may_be_on_server.saturating_sub(clock_margin(may_be_on_server)) + rounding)
}

impl World {
    pub(crate) fn new() -> Self {
        let inbox = "inbox".to_owned();
        let mut memory = MemoryStore::default();
        memory.welcome(0, Fence::ZERO, Duration::ZERO, Duration::ZERO, false, &mut |_, _| true);
        Self {
            protocol: Protocol::new(at(0.0), Timing::default(), inbox, Duration::from_secs(30)),
            memory,
            now: at(0.0),
            up: false,
            calls: Vec::new(),
            requests: BTreeMap::new(),
            names: Vec::new(),
            groups: BTreeMap::new(),
            min_fence: Fence::ZERO,
            grants: Vec::new(),
            granted_by_push: Vec::new(),
        }
    }

    pub(crate) fn step(&mut self, step: &Step) -> Checked {
        self.grants.clear();
        self.act(step);
        self.after()?;
        for notice in std::mem::take(&mut self.granted_by_push) {
            self.grants.clear();
            self.notice(notice);
            self.after()?;
        }
        Ok(())
    }

    fn act(&mut self, step: &Step) {
        let now = self.now;
        match step {
            Step::Request(draft) => {
                let request = self.new_request(draft, 0);
                self.protocol.acquire(now, request);
            }
            Step::RequestAll(draft, count) => {
                let draft = RequestDraft { fence_count: 1, queue: false, ..draft.clone() };
                let requests: Vec<_> =
                    (0..*count).map(|key| self.new_request(&draft, key)).collect();
                let group: Vec<_> = requests.iter().map(|request| request.id).collect();
                self.groups.insert(group[0], group);
                self.protocol.acquire_all(now, requests);
            }
            Step::Replace(old, draft) => {
                let Some(old) = self.pick(*old, Stage::Wanted) else { return };
                let request = self.new_request(draft, 0);
                self.over(old);
                self.protocol.replace(now, old, request);
            }
            Step::End(which) => {
                let Some(id) = self.any(*which) else { return };
                self.over(id);
                self.protocol.release(now, id);
            }
            Step::EndAll => self.release_all(),
            Step::Lengthen(which, ttl) => {
                let Some(id) = self.pick(*which, Stage::Held) else { return };
                self.protocol.raise_ttl(now, id, Duration::from_millis((*ttl).into()));
            }
            Step::HandedOn(which) => {
                let Some(id) = self.any(*which) else { return };
                self.protocol.record_handoff(now, id);
            }
            Step::Watch(which) => {
                let Some(id) = self.any(*which) else { return };
                self.protocol.start_probing(now, id);
            }
            Step::Unwatch(which) => {
                let Some(id) = self.any(*which) else { return };
                self.protocol.stop_probing(id);
            }
            Step::Reply(which, said) => self.reply(*which, said),
            Step::ReplyAgain(which, answer) => self.reply_again(*which, answer),
            Step::Granted(which, first, size) => {
                let Some(id) = self.any(*which) else { return };
                let first = self.min_fence.get().saturating_sub(20) + u64::from(*first);
                self.message(&format!("granted {id} {first} {size}"));
            }
            Step::Message(text) => self.message(text),
            Step::Connect if !self.up => {
                self.up = true;
                self.protocol.connected(now, self.memory.max_lease());
            }
            Step::Connect => {}
            Step::Disconnect => self.disconnect(),
            Step::ConnectFailed(kind) => {
                if !self.up {
                    self.protocol.connect_failed(now, "no".to_owned(), *kind);
                }
            }
            Step::Later(ms) => self.now = now.plus(Duration::from_millis((*ms).into())),
        }
    }

    fn disconnect(&mut self) {
        self.up = false;
        self.calls.clear();
        self.protocol.disconnected(self.now, "reset".to_owned());
    }

    fn release_all(&mut self) {
        self.names.clone().into_iter().for_each(|id| self.over(id));
        self.protocol.release_all(self.now);
    }

    fn new_request(&mut self, draft: &RequestDraft, key: u8) -> RequestParams {
        let ms = |ms: u16| Duration::from_millis(ms.into());
        let serial = self.names.len() as u128 + 1;
        let id = RequestId::from_bits(serial << 123 | serial);
        let ttl = ms(draft.ttl);
        let known = Known {
            ttl,
            min_fence: self.protocol.min_fence(),
            stage: Stage::Wanted,
            sent: Timestamp::ZERO,
            until: Timestamp::ZERO,
        };
        self.requests.insert(id, known);
        self.names.push(id);
        RequestParams {
            key: Arc::from(format!("key {key}")),
            id,
            since: self.now,
            ttl,
            deadline: draft.wait.map(|wait| self.now.plus(ms(wait))),
            queue: draft.queue,
            renew: draft.renew,
            max_hold: draft.max_hold.map(ms),
            fence_count: draft.fence_count,
            ..request(serial)
        }
    }

    fn any(&self, which: Index) -> Option<RequestId> {
        (!self.names.is_empty()).then(|| *which.get(&self.names))
    }

    fn pick(&self, which: Index, stage: Stage) -> Option<RequestId> {
        let such = self.requests.iter().filter(|(_, known)| known.stage == stage);
        let such: Vec<RequestId> = such.map(|(&id, _)| id).collect();
        (!such.is_empty()).then(|| *which.get(&such))
    }

    fn over(&mut self, id: RequestId) {
        if let Some(known) = self.requests.get_mut(&id) {
            known.stage = Stage::Over;
        }
    }

    /// All requests are released, and the server is correct from here on: then nothing is left.
    pub(crate) fn wind_up(&mut self) -> Checked {
        self.grants.clear();
        self.release_all();
        self.after()?;
        for _ in 0..200 {
            if self.protocol.is_idle() {
                return Ok(());
            }
            if !self.up {
                self.up = true;
                self.protocol.connected(self.now, self.memory.max_lease());
            }
            while let Some((id, call, _)) = self.calls.pop() {
                let truth = self.truth(&call);
                self.protocol.reply(self.now, id, Ok(truth));
            }
            self.granted_by_push.clear();
            self.now = self.protocol.next_tick().unwrap_or(self.now).max(self.now);
            self.after()?;
        }
        Err(TestCaseError::fail("something is left for good"))
    }
}

const fn nonce_of(entry: &Renewal) -> RequestId {
    match entry {
        Renewal::Hold { id, .. } | Renewal::Waiter { id, .. } => *id,
    }
}
fn garbled(reply: Result<Reply, String>) -> Result<Reply, CommandError> {
    reply.map_err(CommandError::InvalidReply)
}

fn error(which: u8) -> CommandError {
    match which {
        0 => CommandError::Refused("no".to_owned()),
        1 => CommandError::ScriptMissing,
        2 => CommandError::NotBatchable,
        3 => CommandError::TryAgain("LOADING".to_owned()),
        4 => CommandError::InvalidReply("?".to_owned()),
        5 => CommandError::Unhealthy("OOM".to_owned()),
        6 => CommandError::NotPrimary("READONLY".to_owned()),
        _ => CommandError::ConnectionLost,
    }
}
