//! A connection to a Redis server once it is prepared: commands in, replies and notifications out.
//!
//! No call blocks. [`RedisPipe::send`] takes commands, [`RedisPipe::flush`] encodes what has
//! collected and writes what the socket takes, [`RedisPipe::receive`] reads what has arrived.
//!
//! Acquires and releases of unrelated locks that are sent at the same time go as one script call,
//! which costs the server a fraction of separate calls. Releases go first, so that an acquire of
//! the same key finds it free; acquires go last.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::Incoming;
use crate::backend::redis::command::{
    LeaseStore, Pipeline, RAISE_COMMANDS, ReplyReader, load_scripts, notice, plain,
};
use crate::backend::redis::errors::is_about_slot;
use crate::backend::redis::handshake::Prepared;
use crate::backend::redis::preflight::field;
use crate::backend::redis::resp::ReceiveBuffer;
use crate::backend::redis::sentinel::Confirmation;
use crate::backend::redis::transport::Transport;
use crate::backend::redis::value::{PushKind, Value, WireError};
use crate::backend::socket::Stream;
use crate::protocol::request::CommandError;
use crate::types::pause::GrantPause;
use crate::types::time::{Timestamp, millis};
use crate::wire::command::{Command, MAX_BATCH};
use crate::wire::keyspace::{Mark, SMALL_FENCE_RANGE};
use crate::wire::reply::{Notification, RawReply, Reply};
use crate::wire::script::ScriptCall;
use crate::wire::slot::Slot;

type Outcome = Result<Reply, CommandError>;
type Commands<T> = Vec<(T, Command)>;

/// `T` names who gets the reply to a command.
pub(crate) struct RedisPipe<T> {
    transport: Transport,
    reader: ReplyReader,
    /// The inbox of this process.
    inbox: String,
    mark: Mark,
    lease_store: Arc<LeaseStore>,
    /// The longest lease: a server that lost its scripts gets it again with them.
    max_lease: Duration,
    online_replicas: u32,
    /// Of the server.
    address: String,
    /// Whether it granted nothing at first.
    pause: Option<GrantPause>,
    /// Of the server as the primary, by its Sentinels.
    confirmation: Option<Arc<Confirmation>>,
    /// Commands that the next flush encodes: those that have come together go together.
    collected: Commands<T>,
    /// Encoded commands. The first `written` bytes are sent.
    unsent: Vec<u8>,
    written: usize,
    /// The socket did not take everything.
    blocked: bool,
    received: ReceiveBuffer,
    /// What was encoded and is not answered, in order.
    unanswered: VecDeque<Sent<T>>,
    incoming: VecDeque<Incoming<T>>,
}

/// What replies of the server are for.
enum Sent<T> {
    One(T, Command),
    /// The commands of [`LeaseStore::raise`], with the answers to the first ones. An error of one
    /// says as much as one of all.
    Raise(T, Command, Vec<Value>),
    /// Acquires, or releases, that went as one script call.
    Several(Commands<T>),
    Subscribe(T, Subscription),
    /// INFO, in which a node shows whether it is the same master as before.
    Identity,
    /// Nobody waits for it.
    Ignored,
}

/// A subscription that was sent with [`CONFIRM`] behind it. A server answers it by a push, or by an
/// error before the answer to the other command.
struct Subscription {
    slot: Slot,
    pushed: bool,
    refused: Option<Value>,
}

/// A command whose answer says that those before it are answered.
const CONFIRM: &str = "PING";

impl<T> RedisPipe<T> {
    pub(crate) fn new(
        transport: Transport,
        received: ReceiveBuffer,
        reader: ReplyReader,
        inbox: String,
        lease_store: Arc<LeaseStore>,
        Prepared { mark, max_lease, online_replicas, address, pause, .. }: &Prepared,
        confirmation: Option<Arc<Confirmation>>,
    ) -> Self {
        Self {
            transport,
            reader,
            inbox,
            mark: *mark,
            lease_store,
            max_lease: *max_lease,
            online_replicas: *online_replicas,
            address: address.clone(),
            pause: pause.clone(),
            confirmation,
            collected: Vec::new(),
            unsent: Vec::new(),
            written: 0,
            blocked: false,
            received,
            unanswered: VecDeque::new(),
            incoming: VecDeque::new(),
        }
    }

    /// The first commands of the connection, whose answers nobody waits for, and notifications
    /// that came before them.
    pub(crate) fn begin(&mut self, commands: &Pipeline, heard: Vec<Notification>) {
        self.send_unasked(commands);
        for notification in heard {
            self.notified(notification);
        }
    }

    pub(crate) fn stream(&self) -> &Arc<Stream> {
        self.transport.stream()
    }

    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn pause(&self) -> Option<&GrantPause> {
        self.pause.as_ref()
    }

    pub(crate) fn max_lease(&self) -> Duration {
        self.max_lease
    }

    /// How many replicas were online when it was opened.
    pub(crate) fn online_replicas(&self) -> u32 {
        self.online_replicas
    }

    /// Whether its Sentinels do not confirm that the server is the primary.
    pub(crate) fn is_in_doubt(&self, now: Timestamp) -> bool {
        self.confirmation.as_ref().is_some_and(|confirmation| confirmation.is_old(now))
    }

    /// Whether commands wait to be written.
    pub(crate) fn has_unsent(&self) -> bool {
        let is_encoded = self.written < self.unsent.len() || self.transport.wants_write();
        is_encoded || !self.collected.is_empty()
    }

    /// Whether the socket did not take everything.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// How many replies are outstanding.
    pub(crate) fn in_flight(&self) -> usize {
        self.unanswered.len()
    }

    /// Those that wait for a reply which will not come.
    pub(crate) fn into_unanswered(self) -> impl Iterator<Item = T> {
        let of_sent = |sent| match sent {
            Sent::One(to, _) | Sent::Raise(to, ..) | Sent::Subscribe(to, _) => vec![to],
            Sent::Several(several) => several.into_iter().map(|(to, _)| to).collect(),
            Sent::Identity | Sent::Ignored => Vec::new(),
        };
        let collected = self.collected.into_iter().map(|(to, _)| to);
        self.unanswered.into_iter().flat_map(of_sent).chain(collected)
    }

    /// Takes commands, which the next [`Self::flush`] writes.
    pub(crate) fn send(&mut self, batch: &mut Commands<T>) {
        self.collected.append(batch);
    }

    fn encode_collected(&mut self) {
        // A WAIT stays behind all that came before it.
        let is_wait = |(_, command): &(T, Command)| matches!(command, Command::Wait { .. });
        while let Some(at) = self.collected.iter().position(is_wait) {
            let behind = self.collected.split_off(at + 1);
            let wait = self.collected.pop();
            self.encode_batch();
            if let Some((to, wait)) = wait {
                self.send_one(to, wait);
            }
            self.collected = behind;
        }
        self.encode_batch();
    }

    fn encode_batch(&mut self) {
        if self.collected.len() < 2 {
            if let Some((to, command)) = self.collected.pop() {
                self.send_one(to, command);
            }
            return;
        }
        let batch = std::mem::take(&mut self.collected);
        let batch = self.send_alone(batch);
        let is_release = |command: &Command| {
            matches!(command, Command::Release { contended: false, keep: Duration::ZERO, .. })
        };
        let (releases, batch) = several(batch, is_release);
        let (acquires, others) = likely_free(batch);
        self.send_together(releases);
        for (to, command) in others {
            self.send_one(to, command);
        }
        self.send_together(acquires);
    }

    /// On a cluster, where a script call is about one slot, sends those of slots that have no two
    /// commands of one kind. Returns the others.
    fn send_alone(&mut self, batch: Commands<T>) -> Commands<T> {
        let space = &self.reader.space;
        if !space.is_sharded() {
            return batch;
        }
        let kind = |command: &Command| (command.slot(space), command.script());
        let mut kinds: Vec<_> = batch.iter().map(|(_, command)| kind(command)).collect();
        kinds.sort_unstable();
        let alike = kinds.windows(2).filter(|pair| pair[0] == pair[1]);
        let shared: Vec<_> = alike.map(|pair| pair[0].0).collect();
        let is_shared = |command: &Command| {
            !shared.is_empty() && shared.binary_search(&command.slot(space)).is_ok()
        };
        let (others, alone) = batch.into_iter().partition(|(_, command)| is_shared(command));
        let alone: Commands<T> = alone;
        for (to, command) in alone {
            self.send_one(to, command);
        }
        others
    }

    fn send_one(&mut self, to: T, command: Command) {
        match command {
            Command::RaiseMaxLease(max_lease) => {
                self.max_lease = self.max_lease.max(max_lease);
                let mut commands = Pipeline::default();
                self.lease_store.raise(max_lease, &mut commands);
                self.unsent.extend_from_slice(&commands.bytes);
                return self.unanswered.push_back(Sent::Raise(to, command, Vec::new()));
            }
            Command::Wait { replicas, limit } => {
                let mut wait = ScriptCall::of_server("WAIT", 2, &mut self.unsent);
                wait.number(replicas.into());
                wait.number(millis(limit));
                drop(wait);
                return self.unanswered.push_back(Sent::One(to, command));
            }
            Command::CountReplicas => {
                ScriptCall::of_server("INFO", 1, &mut self.unsent).word(&[b"replication"]);
                return self.unanswered.push_back(Sent::One(to, command));
            }
            Command::Subscribe(slot) => return self.subscribe(to, slot),
            Command::Asking(_) => {
                drop(ScriptCall::of_server("ASKING", 0, &mut self.unsent));
                self.unanswered.push_back(Sent::Ignored);
            }
            Command::Release { contended: true, ref request, .. } => {
                // Redis writes to its clients in the order in which they last had nothing to be
                // sent, the latest first. With the reply to some other command due, the
                // notification of the next holder goes out before the reply to the release. Every
                // user of locks may run this one.
                let tokens = self.reader.space.tokens_parts(self.reader.space.shard(&request.key));
                ScriptCall::of_server("EXISTS", 1, &mut self.unsent).word(&tokens);
                self.unanswered.push_back(Sent::Ignored);
            }
            _ => {}
        }
        if command.encode(&self.reader.space, self.mark, &mut self.unsent) {
            self.unanswered.push_back(Sent::One(to, command));
        }
    }

    fn subscribe(&mut self, to: T, slot: Slot) {
        let space = &self.reader.space;
        let channel = space.inbox_in(slot, space.process_of(&self.inbox));
        for command in ["SSUBSCRIBE", CONFIRM] {
            ScriptCall::of_server(command, 1, &mut self.unsent).word(&[channel.as_bytes()]);
        }
        let subscription = Subscription { slot, pushed: false, refused: None };
        self.unanswered.push_back(Sent::Subscribe(to, subscription));
    }

    fn send_together(&mut self, commands: Commands<T>) {
        if !self.reader.space.is_sharded() {
            return self.send_alike(commands);
        }
        let mut by_slot = BTreeMap::<_, Commands<T>>::new();
        for (to, command) in commands {
            let slot = command.slot(&self.reader.space);
            by_slot.entry(slot).or_default().push((to, command));
        }
        for commands in by_slot.into_values() {
            self.send_alike(commands);
        }
    }

    /// Sends commands, those of one cluster slot where it has any.
    fn send_alike(&mut self, mut commands: Commands<T>) {
        while !commands.is_empty() {
            let (mut some, others) = alike(commands);
            commands = others;
            if let [_] = some[..]
                && let Some((to, command)) = some.pop()
            {
                self.send_one(to, command);
                continue;
            }
            let calls = some.iter().map(|(_, one)| one);
            Command::encode_batch(calls, &self.reader.space, self.mark, &mut self.unsent);
            self.unanswered.push_back(Sent::Several(some));
        }
    }

    /// Writes as much as the socket takes.
    pub(crate) fn flush(&mut self) -> Result<(), WireError> {
        self.encode_collected();
        while self.has_unsent() {
            let written = self.transport.write(&self.unsent[self.written..])?;
            self.written += written;
            if written == 0 {
                break;
            }
        }
        if self.written == self.unsent.len() {
            self.unsent.clear();
            self.written = 0;
        }
        self.blocked = self.has_unsent();
        Ok(())
    }

    /// Takes in what has arrived, up to a limit. Returns whether more may be left.
    pub(crate) fn receive(&mut self) -> Result<bool, WireError> {
        let received = &mut self.received;
        let read = self.transport.read(|bytes| received.extend(bytes));
        while let Some(value) = self.received.next()? {
            self.answer(value)?;
        }
        // What arrived before the end counts.
        Ok(read?)
    }

    /// The next reply or notification that was taken in.
    pub(crate) fn next(&mut self) -> Option<Incoming<T>> {
        self.incoming.pop_front()
    }

    /// Takes in one value that the server has sent.
    pub(crate) fn answer(&mut self, value: Value) -> Result<(), WireError> {
        if let Value::Push { kind, data } = value {
            self.pushed(kind, &data);
            return Ok(());
        }
        let Some(sent) = self.unanswered.pop_front() else {
            return Err(WireError::Unexpected("a reply to no command"));
        };
        match sent {
            Sent::One(to, command) => {
                let outcome = self.reader.read(&command, value);
                self.replied(to, outcome);
            }
            Sent::Subscribe(to, subscription) => self.subscribed(to, subscription, value)?,
            Sent::Raise(to, command, mut answers) => {
                answers.push(value);
                if answers.len() < RAISE_COMMANDS {
                    self.unanswered.push_front(Sent::Raise(to, command, answers));
                    return Ok(());
                }
                let failed = answers.iter().position(|answer| self.is_refusal(answer));
                let outcome = self
                    .reader
                    .read(&command, answers.swap_remove(failed.unwrap_or(answers.len() - 1)));
                self.replied(to, outcome);
            }
            Sent::Several(commands) => self.answer_several(commands, value),
            Sent::Identity => self.check_identity(value)?,
            Sent::Ignored => {}
        }
        Ok(())
    }

    /// Whether a part of [`LeaseStore::raise`] was refused. In a cluster one node has the data of
    /// the longest lease.
    fn is_refusal(&self, answer: &Value) -> bool {
        let Value::ServerError(error) = answer else { return false };
        !self.reader.space.is_sharded() || !is_about_slot(error)
    }

    fn subscribed(
        &mut self,
        to: T,
        subscription: Subscription,
        value: Value,
    ) -> Result<(), WireError> {
        let Subscription { slot, pushed, refused } = subscription;
        let outcome = match (refused, value) {
            _ if pushed => Ok(Reply::Subscribed),
            (Some(refused), _) => self.reader.read(&Command::Subscribe(slot), refused),
            (None, refused @ Value::ServerError(_)) => {
                let refused = Some(refused);
                let subscription = Subscription { slot, pushed, refused };
                self.unanswered.push_front(Sent::Subscribe(to, subscription));
                return Ok(());
            }
            (None, _) => {
                let subscription = Subscription { slot, pushed, refused: None };
                self.unanswered.push_front(Sent::Subscribe(to, subscription));
                return Err(WireError::Unexpected("a subscription is not answered"));
            }
        };
        self.replied(to, outcome);
        Ok(())
    }

    /// No push is the reply to a command.
    fn pushed(&mut self, kind: PushKind, data: &[Value]) {
        match kind {
            PushKind::Message | PushKind::SMessage => {
                if let Some(notification) = notice(data) {
                    self.notified(notification);
                }
            }
            PushKind::SSubscribe => {
                let slot = self.slot_of(data);
                if let Some(Sent::Subscribe(_, sent)) = self.unanswered.front_mut() {
                    sent.pushed |= Some(sent.slot) == slot;
                }
            }
            PushKind::SUnsubscribe => {
                if let Some(slot) = self.slot_of(data) {
                    self.notified(Notification::Unsubscribed(slot));
                    self.ask_identity();
                }
            }
            _ => {}
        }
    }

    /// A node that becomes a replica keeps its connections. When it is a master again it has a new
    /// mark, which each connection has to learn.
    fn ask_identity(&mut self) {
        if !self.unanswered.iter().any(|sent| matches!(sent, Sent::Identity)) {
            ScriptCall::of_server("INFO", 1, &mut self.unsent).word(&[b"replication"]);
            self.unanswered.push_back(Sent::Identity);
        }
    }

    fn check_identity(&self, answer: Value) -> Result<(), WireError> {
        let (RawReply::Text(info), true) = (plain(answer), self.mark != Mark::default()) else {
            return Ok(());
        };
        let is_other = Mark::from_replid(&info).is_some_and(|mark| mark != self.mark);
        if is_other || field(&info, "role") == Some("slave") {
            return Err(WireError::Unexpected("the server is not the same primary any more"));
        }
        Ok(())
    }

    /// The slot of the channel that a push is about.
    fn slot_of(&self, data: &[Value]) -> Option<Slot> {
        let Some(Value::BulkString(channel)) = data.first() else { return None };
        self.reader.space.slot_of_inbox(std::str::from_utf8(channel).ok()?)
    }

    fn notified(&mut self, notification: Notification) {
        if let Notification::MaxLease(heard) = notification {
            self.max_lease = self.max_lease.max(heard);
        }
        self.incoming.push_back(Incoming::Notification(notification));
    }

    fn replied(&mut self, to: T, outcome: Outcome) {
        if matches!(outcome, Err(CommandError::ScriptMissing)) {
            self.load_scripts();
        }
        self.incoming.push_back(Incoming::Reply(to, outcome));
    }

    /// Loads all scripts again. A failure shows in the commands that are sent again.
    fn load_scripts(&mut self) {
        let mut commands = load_scripts(&self.reader.space);
        self.lease_store.load(self.max_lease, &mut commands);
        self.send_unasked(&commands);
    }

    /// Sends commands whose answers nobody waits for.
    fn send_unasked(&mut self, commands: &Pipeline) {
        self.unsent.extend_from_slice(&commands.bytes);
        self.unanswered.extend((0..commands.count).map(|_| Sent::Ignored));
    }

    /// Gives each of these commands its outcome; on an error, all of them the error.
    fn answer_several(&mut self, commands: Commands<T>, value: Value) {
        let calls: Vec<_> = commands.iter().map(|(_, command)| command).collect();
        match self.reader.read_batch(&calls, value) {
            Ok(replies) => {
                for ((to, _), reply) in commands.into_iter().zip(replies) {
                    let outcome = reply.ok_or(CommandError::NotBatchable);
                    self.incoming.push_back(Incoming::Reply(to, outcome));
                }
            }
            Err(error) => {
                if error == CommandError::ScriptMissing {
                    self.load_scripts();
                }
                let reply = |(to, _)| Incoming::Reply(to, Err(error.clone()));
                self.incoming.extend(commands.into_iter().map(reply));
            }
        }
    }
}

/// Splits off the first and those that go with it, as many as one script answers.
fn alike<T>(commands: Commands<T>) -> (Commands<T>, Commands<T>) {
    let (mut some, mut others): (Commands<T>, _) = (Vec::with_capacity(commands.len()), Vec::new());
    for (to, command) in commands {
        let goes = some
            .first()
            .is_none_or(|(_, first)| some.len() < MAX_BATCH && command.goes_with(first));
        if goes { &mut some } else { &mut others }.push((to, command));
    }
    (some, others)
}

/// Splits off such commands, if there are several: a single one is sent as it is.
fn several<T>(batch: Commands<T>, such: impl Fn(&Command) -> bool) -> (Commands<T>, Commands<T>) {
    if batch.iter().filter(|(_, command)| such(command)).count() < 2 {
        return (Vec::new(), batch);
    }
    batch.into_iter().partition(|(_, command)| such(command))
}

/// Splits off the acquires of keys that are presumably free: not beside a cancel, which no acquire
/// may overtake; only the first of each key; and none that wants a large range of tokens, which
/// must not carry the counter far ahead of the clock.
fn likely_free<T>(batch: Commands<T>) -> (Commands<T>, Commands<T>) {
    let is_likely = |command: &Command| match command {
        Command::Acquire(acquire) => {
            acquire.likely_free && acquire.fence_count <= SMALL_FENCE_RANGE
        }
        _ => false,
    };
    let few = batch.iter().filter(|(_, command)| is_likely(command)).count() < 2;
    if few || batch.iter().any(|(_, command)| matches!(command, Command::Cancel { .. })) {
        return (Vec::new(), batch);
    }
    let mut keys = HashSet::new();
    batch.into_iter().partition(|(_, command)| match command {
        Command::Acquire(acquire) if is_likely(command) => {
            keys.insert(Arc::clone(&acquire.request.key))
        }
        _ => false,
    })
}
