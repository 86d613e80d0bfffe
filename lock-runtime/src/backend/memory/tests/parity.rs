//! A memory and a server side by side, with one clock that can be moved.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::{Connection, ConnectionLike as _, RedisResult, Value};
use testkit::{Cluster, RedisServer, eventually};

use crate::backend::memory::store::MemoryStore;
use crate::backend::memory::store::fence_counter::WaitKind;
use crate::backend::memory::tests::compare::{Numbers, PubSubMessage};
use crate::backend::redis::errors::is_about_slot;
use crate::backend::redis::value::tests::error_of;
use crate::protocol::request::CommandError;
use crate::types::fence::{Fence, FenceRange};
use crate::wire::command::{Command, OpenTokens};
use crate::wire::keyspace::{Keyspace, Mark};
use crate::wire::reply::{AcquireReply, LockState, RawReply, Reply, parse_notification};
use crate::wire::script::Script;
use crate::wire::slot::Slot;

/// Inboxes with a subscriber.
pub(crate) const LIVE: [&str; 2] = ["lock:inbox:first", "lock:inbox:second"];
/// An inbox that nobody listens to.
pub(crate) const DEAD: &str = "lock:inbox:dead";
/// Where both counters start; in the past, so that a counter seeded from the clock is above it.
pub(crate) const START: u64 = 1_700_000_000_000_000;

const MARKER: &str = "end of this call";

/// Every key of the server gets older by so many milliseconds: TTLs, waiters' leases, tombstones,
/// what is registered under sections, the quarantine.
const AGE: &str = "
local ms = tonumber(ARGV[1])
local function earlier(us) return string.format('%.0f', math.max(0, tonumber(us) - ms * 1000)) end
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 and left <= ms then
    redis.call('DEL', key)
  elseif left >= 0 then
    redis.call('PEXPIRE', key, left - ms)
  end
  if redis.call('TYPE', key).ok == 'hash' and key ~= KEYS[1] then
    for _, id in ipairs(redis.call('HKEYS', key)) do
      local entry = redis.call('HGET', key, id)
      local times = string.find(key, '^lock:blocked:') and '^%d+ %d+' or '^%d+'
      local old = string.match(entry, times) or string.match(entry, '^%d+')
      redis.call('HSET', key, id, string.gsub(old, '%d+', earlier) .. string.sub(entry, #old + \
      1))
    end
  elseif string.find(key, ':queue$') then
    for _, id in ipairs(redis.call('ZRANGE', key, '-inf', '(0', 'BYSCORE')) do
      redis.call('ZADD', key, '-' .. earlier(-redis.call('ZSCORE', key, id)), id)
    end
  end
end
local waits = redis.call('HGET', KEYS[1], 'w') or ''
local who, since, rest = string.match(waits, '^(%S+ %S+ )(%d+)(.*)$')
if who then redis.call('HSET', KEYS[1], 'w', who .. earlier(since) .. rest) end";

/// One number on each side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair<T> {
    pub(crate) server: T,
    pub(crate) memory: T,
}

/// Both sides, asked the same.
pub(crate) struct Both {
    running: Running,
    connection: Connection,
    inboxes: Connection,
    pub(crate) memory: MemoryStore,
    pub(crate) space: Keyspace,
    /// The slot of all keys that are used on a node of a cluster.
    slot: Slot,
    pub(crate) mark: Mark,
    start: Instant,
    start_us: u64,
    advanced: Duration,
    numbers: Numbers,
    /// The highest token a client has seen.
    pub(crate) seen: Pair<Fence>,
    /// Messages to waiters and holders, all of them, as the server sent them.
    pub(crate) messages: Vec<PubSubMessage>,
}

/// Ends with this value.
enum Running {
    Server(RedisServer),
    /// The id is that of the other node.
    Node {
        all: Cluster,
        index: usize,
        other: String,
    },
}

impl Running {
    fn server(&self) -> &RedisServer {
        match self {
            Self::Server(server) => server,
            Self::Node { all, index, .. } => all.node(*index),
        }
    }
}

impl Both {
    pub(crate) fn new() -> Self {
        let server = Running::Server(RedisServer::start().expect("a redis-server"));
        Self::with(server, MemoryStore::default(), Keyspace::new("lock:"), "")
    }

    /// A node of a cluster that has all slots. All keys are in the slot of this tag.
    pub(crate) fn node(tag: &str) -> Self {
        let server = RedisServer::builder().arg("cluster-enabled", "yes").start();
        let server = server.expect("a redis-server");
        server.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        eventually(Duration::from_secs(10), "the node serves its slots", || {
            let said = server.command(&["CLUSTER", "INFO"]);
            redis::from_redis_value::<String>(said).unwrap().contains("cluster_state:ok")
        });
        Self::of_node(Running::Server(server), tag)
    }

    /// A node that has the slot of this tag, and another one that it can be migrated to.
    pub(crate) fn one_of_two_nodes(tag: &str) -> Self {
        let all = Cluster::bare(2).expect("two nodes");
        let index = all.owner_of(all.slot_of(tag));
        let other = redis::from_redis_value(all.node(1 - index).command(&["CLUSTER", "MYID"]));
        Self::of_node(Running::Node { all, index, other: other.expect("an id") }, tag)
    }

    fn of_node(running: Running, tag: &str) -> Self {
        // Its mark is one of these tests.
        running.server().command(&["ACL", "SETUSER", "default", "-info"]);
        let space = Keyspace::new("lock:").sharded();
        Self::with(running, MemoryStore::node(space.clone()), space, tag)
    }

    fn with(running: Running, memory: MemoryStore, space: Keyspace, tag: &str) -> Self {
        let server = running.server();
        let mut inboxes = server.connection();
        let slot = space.slot(tag);
        let (subscribe, channels) = if space.is_sharded() {
            let in_slot = |inbox| space.inbox_in(slot, space.process_of(inbox));
            ("SSUBSCRIBE", LIVE.map(in_slot))
        } else {
            ("SUBSCRIBE", LIVE.map(str::to_owned))
        };
        // Left behind without unsubscribing: dropping the guard would do that.
        for command in [
            redis::cmd(subscribe).arg(&channels).get_packed_command(),
            redis::cmd("SUBSCRIBE").arg(MARKER).get_packed_command(),
        ] {
            inboxes.send_packed_command(&command).expect("a connection");
        }
        for _ in 0..=LIVE.len() {
            inboxes.recv_response().expect("a confirmation");
        }
        inboxes.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        let mut both = Self {
            connection: server.connection(),
            inboxes,
            running,
            memory,
            space,
            slot,
            mark: Mark::default(),
            start: Instant::now(),
            start_us: 0,
            advanced: Duration::ZERO,
            numbers: Numbers::default(),
            seen: Pair { server: Fence::ZERO, memory: Fence::ZERO },
            messages: Vec::new(),
        };
        for script in Script::ALL {
            both.raw(&["SCRIPT", "LOAD", script.text_for(&both.space.clone())]);
        }
        both.reset();
        both
    }

    /// The name of the counter.
    pub(crate) fn tokens(&self) -> String {
        if self.space.is_sharded() { self.space.tokens_in(self.slot) } else { self.space.tokens() }
    }

    pub(crate) const fn has_neighbour(&self) -> bool {
        matches!(self.running, Running::Node { .. })
    }

    /// Forgets everything and starts both counters at [`START`].
    pub(crate) fn reset(&mut self) {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        self.start = Instant::now();
        self.start_us = u64::try_from(since_1970.as_micros()).expect("fits for 500,000 years");
        self.advanced = Duration::ZERO;
        self.numbers = Numbers::default();
        self.seen = Pair { server: Fence::ZERO, memory: Fence::ZERO };
        self.messages.clear();
        self.flush();
        self.set_counter(START);
    }

    /// Sets the server's counter; the memory's has to be missing.
    fn set_counter(&mut self, number: u64) {
        let mark = String::from_utf8(self.mark.text().to_vec()).expect("digits");
        self.raw(&["HSET", &self.tokens(), &mark, &number.to_string()]);
        let fresh = self.opening(Fence::ZERO, Duration::ZERO, Some(Duration::ZERO), false, &[]);
        assert_eq!(self.memory.open_slot(number, &fresh), None);
    }

    /// How long this has been running in real time.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn now_us(&self) -> u64 {
        let passed = self.start.elapsed() + self.advanced;
        self.start_us + u64::try_from(passed.as_micros()).expect("fits")
    }

    /// The first token of the hold of a key; zero without one.
    pub(crate) fn held_fences(&mut self, key: &str) -> Pair<Fence> {
        let look = Command::Inspect { key: key.into(), limit: 0 };
        let seen = self.memory.call(self.now_us(), &look, &mut |_, _| false);
        let memory = match seen {
            Ok(Reply::Inspection(LockState { holder: Some(holder), .. })) => holder.fence,
            _ => Fence::ZERO,
        };
        Pair { server: self.numbers.on_server(memory), memory }
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.advanced += by;
        let mut age = redis::cmd("EVAL");
        age.arg(AGE).arg(1).arg(self.tokens()).arg(millis(by));
        age.exec(&mut self.connection).expect("the ageing script");
    }

    pub(crate) fn flush(&mut self) {
        self.raw(&["FLUSHALL"]);
        self.memory.flush();
    }

    /// Another server with the same data is the master from now on. It was no replica before.
    pub(crate) fn promote(&mut self, mark: u32) {
        self.mark = mark.into();
        self.memory.move_to(mark);
    }

    pub(crate) fn put_not_a_lock(&mut self, key: &str) {
        let name = self.space.hold(key);
        self.raw(&["DEL", &name]);
        self.raw(&["RPUSH", &name, "not a lock"]);
        self.memory.put_not_a_lock(key);
    }

    pub(crate) fn put_other_client_lock(&mut self, key: &str, ttl: Duration) {
        let name = self.space.hold(key);
        self.raw(&["SET", &name, "another client's token", "PX", &millis(ttl).to_string()]);
        let now_us = self.now_us();
        self.memory.put_other_client_lock(now_us, key, ttl);
    }

    /// A command of the server's only.
    pub(crate) fn raw(&mut self, words: &[&str]) -> Value {
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query(&mut self.connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Both sides' `open`, with a floor that may be far above or zero on both alike.
    pub(crate) fn open(
        &mut self,
        min_fence: Pair<Fence>,
        longest: Duration,
        lost: bool,
    ) -> Result<Option<WaitKind>, String> {
        self.open_with_grace(min_fence, longest, Duration::ZERO, lost)
    }

    pub(crate) fn open_with_grace(
        &mut self,
        min_fence: Pair<Fence>,
        lease: Duration,
        failover_grace: Duration,
        lost: bool,
    ) -> Result<Option<WaitKind>, String> {
        self.open_beside(min_fence, lease, failover_grace, lost, &[])
    }

    /// The same, with these other masters.
    pub(crate) fn open_beside(
        &mut self,
        min_fence: Pair<Fence>,
        lease: Duration,
        failover_grace: impl Into<Option<Duration>>,
        lost: bool,
        living: &[Mark],
    ) -> Result<Option<WaitKind>, String> {
        let failover_grace = failover_grace.into();
        let opening = |floor| self.opening(floor, lease, failover_grace, lost, living);
        let Pair { server, memory } = min_fence;
        let mut open = redis::cmd("EVALSHA");
        open.arg(Script::Open.sha(&self.space)).arg(1).arg(self.tokens());
        open.arg(&self.mark.text()).arg(server.get()).arg(millis(lease));
        match failover_grace {
            Some(grace) => open.arg(millis(grace)),
            None => open.arg("-"),
        };
        open.arg(u8::from(lost));
        for mark in living {
            open.arg(&mark.text());
        }
        let memory = opening(memory);
        if self.space.is_sharded() {
            let mut bytes = Vec::new();
            Command::Open(opening(server)).encode(&self.space, self.mark, &mut bytes);
            assert_eq!(open.get_packed_command(), bytes);
        }
        let now_us = self.now_us();
        let server: String = open.query(&mut self.connection).map_err(|error| error.to_string())?;
        let server = match server.as_str() {
            "p" => Some(WaitKind::Failover),
            "l" => Some(WaitKind::Loss),
            _ => None,
        };
        let memory = self.memory.open_slot(now_us, &memory);
        if server == memory { Ok(server) } else { Err(format!("open: {server:?} and {memory:?}")) }
    }

    fn opening(
        &self,
        floor: Fence,
        max_lease: Duration,
        grace: Option<Duration>,
        is_lost: bool,
        living: &[Mark],
    ) -> OpenTokens {
        OpenTokens { slot: self.slot, floor, max_lease, grace, is_lost, living: living.into() }
    }

    /// The answer both give, in the server's numbers; an error where they differ.
    pub(crate) fn call(&mut self, call: &Pair<Command>) -> Result<Pair<Reply>, String> {
        let answer = self.ask(&call.server);
        self.compare(call, answer)
    }

    /// The slot is being migrated to the other node from now on.
    pub(crate) fn open_slot(&mut self) {
        let Running::Node { other, .. } = &self.running else { panic!("there is one node") };
        let (other, slot) = (other.clone(), self.slot.number().to_string());
        self.raw(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &other]);
    }

    pub(crate) fn close_slot(&mut self) {
        let slot = self.slot.number().to_string();
        self.raw(&["CLUSTER", "SETSLOT", &slot, "STABLE"]);
    }

    /// The same while the slot is being migrated; `None` if the server refuses it for that reason.
    pub(crate) fn call_in_open_slot(
        &mut self,
        call: &Pair<Command>,
    ) -> Result<Option<Pair<Reply>>, String> {
        self.open_slot();
        let answer = self.ask(&call.server);
        self.close_slot();
        match answer {
            Err(error) if is_about_slot(&error_of(&error)) => Ok(None),
            answer => self.compare(call, answer).map(Some),
        }
    }

    fn compare(
        &mut self,
        call: &Pair<Command>,
        answer: RedisResult<RawReply>,
    ) -> Result<Pair<Reply>, String> {
        let now_us = self.now_us();
        let answer = answer.map_err(|error| error.to_string())?;
        let server = call.server.decode(&answer)?;
        let mut notified = Vec::new();
        let memory = self.memory.call(now_us, &call.memory, &mut |channel, notice| {
            let inbox = inbox_of(&self.space, channel);
            let live = LIVE.contains(&inbox.as_str());
            let Some(notice) = notice else { return live };
            if live {
                notified.push(PubSubMessage { inbox, notice });
            }
            // Not counted, as if each were subscribed to a replica.
            false
        });
        let memory = memory.map_err(|error| error.why())?;
        let sent = self.sent();
        self.numbers.reply(&server, &memory)?;
        self.numbers.messages(&sent, &notified)?;
        self.learn(&server, &memory, &sent, &notified);
        self.messages.extend(sent);
        Ok(Pair { server, memory })
    }

    /// Both sides refuse this because the tokens are to be opened first.
    pub(crate) fn is_unopened(&mut self, call: &Command) -> bool {
        let error = self.ask(call).expect_err("the server grants nothing");
        let now_us = self.now_us();
        let memory = self.memory.call(now_us, call, &mut |_, _| true);
        error.code() == Some("UNOPENED") && memory == Err(CommandError::Unopened)
    }

    /// What the server says to a call, undecoded.
    pub(crate) fn ask(&mut self, call: &Command) -> RedisResult<RawReply> {
        let mut bytes = Vec::new();
        assert!(call.encode(&self.space, self.mark, &mut bytes), "no script call");
        self.invoke(&bytes)
    }

    /// What the server says to a command, undecoded.
    pub(crate) fn invoke(&mut self, command: &[u8]) -> RedisResult<RawReply> {
        self.connection.req_packed_command(command)?.extract_error().map(answer)
    }

    /// The messages since the last time; a message to ourselves marks their end.
    pub(crate) fn sent(&mut self) -> Vec<PubSubMessage> {
        self.raw(&["PUBLISH", MARKER, ""]);
        let mut sent = Vec::new();
        loop {
            let message = self.inboxes.recv_response().expect("the marker, at least");
            let [_kind, channel, payload]: [String; 3] =
                redis::from_redis_value(message).expect("a message");
            if channel == MARKER {
                return sent;
            }
            let notice = parse_notification(&payload).expect("a notice");
            let inbox = inbox_of(&self.space, &channel);
            sent.push(PubSubMessage { inbox, notice });
        }
    }

    fn learn(
        &mut self,
        server: &Reply,
        memory: &Reply,
        sent: &[PubSubMessage],
        notified: &[PubSubMessage],
    ) {
        for (seen, reply, messages) in
            [(&mut self.seen.server, server, sent), (&mut self.seen.memory, memory, notified)]
        {
            let granted = match reply {
                Reply::Acquire(AcquireReply::Granted(grant)) => Some(grant.fences),
                Reply::AcquiredAll(fences) => *fences,
                _ => None,
            };
            let notified = messages.iter().filter_map(|message| Some(message.granted()?.1));
            *seen = notified.chain(granted).map(FenceRange::last).fold(*seen, Ord::max);
        }
    }
}

/// The inbox of the process that receives from this channel.
fn inbox_of(space: &Keyspace, channel: &str) -> String {
    if !space.is_sharded() {
        return channel.to_owned();
    }
    let process = channel.split_once("}:").expect("a channel of a slot").1;
    assert!(space.slot_of_inbox(channel).is_some());
    space.inbox(process)
}

fn answer(value: Value) -> RawReply {
    match value {
        Value::Int(number) => RawReply::Int(number),
        Value::BulkString(text) => RawReply::Text(String::from_utf8(text).expect("text")),
        Value::SimpleString(text) => RawReply::Text(text),
        Value::Array(items) => RawReply::List(items.into_iter().map(answer).collect()),
        _ => RawReply::Other,
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).expect("fits")
}
