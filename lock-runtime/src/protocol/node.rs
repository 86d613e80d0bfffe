//! What differs on a node of a Redis Cluster.
//!
//! Each slot has its own counter of tokens and its own channels for notifications, and may move to
//! another node any time. There is one protocol for each node. When a slot has moved,
//! [`Protocol::take`] removes the requests of the slot here, and [`Protocol::adopt`] adds them to
//! the protocol of the other node, which goes on as on a new connection. A command in flight to the
//! old node may be executed there or not, so it counts as one of a lost connection.
//!
//! A process subscribes to the channel of a slot when it first has to queue there, or when it hands
//! a hold of the slot on to another caller of its own: most locks are free, and then nobody has to
//! be notified.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::protocol::Protocol;
use crate::protocol::commands::{CommandKind, InFlightCommand};
use crate::protocol::connection::{EndedRequest, LongestLease};
use crate::protocol::replicas::Wanted;
use crate::protocol::request::{CommandError, CommandId, Output, Redirect};
use crate::protocol::state::{Context, RequestState};
use crate::types::fence::Fence;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Command, OpenTokens, Renewal};
use crate::wire::keyspace::{Keyspace, Mark};
use crate::wire::reply::{BlockedBy, BusyReply, Reply};
use crate::wire::slot::Slot;

/// What the protocols of all nodes of a cluster share.
#[derive(Clone, Debug)]
pub struct NodeContext {
    /// Says which slot a key is in.
    pub space: Keyspace,
    /// The highest tokens that this process has seen.
    pub fences: Arc<SlotFences>,
    /// The masters of the cluster.
    pub living: Arc<LivingMarks>,
    /// The longest lease known.
    pub max_lease: LongestLease,
}

impl NodeContext {
    /// For a cluster of which nothing is known.
    #[must_use]
    pub fn new(space: Keyspace) -> Self {
        Self {
            space,
            fences: Arc::default(),
            living: Arc::default(),
            max_lease: LongestLease::default(),
        }
    }
}

/// The highest token that a process has seen of each slot of a cluster, on all of its connections.
#[derive(Debug)]
pub struct SlotFences(Box<[AtomicU64]>);

impl SlotFences {
    pub(crate) fn get(&self, slot: Slot) -> Fence {
        Fence::new(self.0[usize::from(slot.number())].load(Ordering::Relaxed))
    }

    pub(crate) fn raise(&self, slot: Slot, seen: Fence) {
        self.0[usize::from(slot.number())].fetch_max(seen.get(), Ordering::Relaxed);
    }
}

impl Default for SlotFences {
    fn default() -> Self {
        Self((0..Slot::COUNT).map(|_| AtomicU64::new(0)).collect())
    }
}

/// The marks of the masters of a cluster. Tokens that one of them has drawn are in a slot that was
/// migrated; other ones were drawn by a master that has failed.
#[derive(Debug, Default)]
pub struct LivingMarks(RwLock<Arc<[Mark]>>);

impl LivingMarks {
    /// As found last.
    #[must_use]
    pub fn get(&self) -> Arc<[Mark]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// These are the masters.
    pub fn set(&self, marks: Arc<[Mark]>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = marks;
    }
}

/// A node, and the connection to it.
#[derive(Debug)]
pub(crate) struct NodeState {
    context: NodeContext,
    /// A slot that it had when the link was opened.
    first_slot: Option<Slot>,
    /// Notifications about them arrive, or will as of what is sent next.
    subscribed: SlotSet,
    /// Renewals under way on connections of other nodes.
    asked: BTreeMap<CommandId, InFlightCommand>,
}

#[derive(Debug)]
struct SlotSet(Box<[u64; Slot::COUNT / 64]>);

impl SlotSet {
    fn new() -> Self {
        Self(Box::new([0; _]))
    }

    fn place(slot: Slot) -> (usize, u64) {
        (usize::from(slot.number() / 64), 1 << (slot.number() % 64))
    }

    fn contains(&self, slot: Slot) -> bool {
        let (word, bit) = Self::place(slot);
        self.0[word] & bit != 0
    }

    fn insert(&mut self, slot: Slot) {
        let (word, bit) = Self::place(slot);
        self.0[word] |= bit;
    }

    fn retain(&mut self, stays: impl Fn(Slot) -> bool) {
        for slot in (0..).map_while(Slot::new) {
            if self.contains(slot) && !stays(slot) {
                self.remove(slot);
            }
        }
    }

    fn remove(&mut self, slot: Slot) -> bool {
        let was_there = self.contains(slot);
        let (word, bit) = Self::place(slot);
        self.0[word] &= !bit;
        was_there
    }
}

/// Requests on their way from one node to another.
#[derive(Debug, Default)]
pub struct MovedRequests {
    requests: Vec<MovedRequest>,
    ended: Vec<EndedRequest>,
}

#[derive(Debug)]
struct MovedRequest {
    state: Box<RequestState>,
    wanted: Option<Wanted>,
}

impl MovedRequests {
    /// The requests, without those that have ended.
    pub fn ids(&self) -> impl Iterator<Item = RequestId> {
        self.requests.iter().map(|request| request.state.id)
    }
}

impl Protocol {
    /// Whether the server is a node of a cluster.
    #[must_use]
    pub const fn is_node(&self) -> bool {
        self.node.is_some()
    }

    /// The same for a node of a cluster.
    #[must_use]
    pub fn of_node(self, context: NodeContext) -> Self {
        let max_lease = self.max_lease.among(context.max_lease.clone());
        let (subscribed, asked) = (SlotSet::new(), BTreeMap::new());
        let node = NodeState { context, first_slot: None, subscribed, asked };
        Self { node: Some(Box::new(node)), max_lease, ..self }
    }

    /// The slot of a key, on a cluster.
    pub(crate) fn slot_of(&self, key: &str) -> Option<Slot> {
        self.node.as_ref().map(|node| node.context.space.slot(key))
    }

    /// The node has this slot, before a request shows one.
    pub(crate) fn set_first_slot(&mut self, slot: Option<Slot>) {
        if let Some(node) = &mut self.node {
            node.first_slot = slot;
        }
    }

    /// A slot of the node, as far as is known: that of a request, else one that it had at first.
    /// The rights of the user show only in a slot that the node has.
    pub(crate) fn any_slot(&self) -> Option<Slot> {
        let of_requests = self.requests.values().find_map(|request| request.slot);
        of_requests.or(self.node.as_ref()?.first_slot)
    }

    fn slot_of_request(&self, id: RequestId) -> Option<Slot> {
        self.requests.get(&id)?.slot
    }

    /// The highest token that this process has seen, in this slot of a cluster.
    pub(crate) fn floor(&self, slot: Option<Slot>) -> Fence {
        match (&self.node, slot) {
            (Some(node), Some(slot)) => node.context.fences.get(slot),
            _ => self.min_fence.get(),
        }
    }

    /// This token was granted to a request.
    pub(crate) fn raise_floor(&self, id: RequestId, seen: Fence) {
        match &self.node {
            None => self.min_fence.raise(seen),
            Some(node) => {
                if let Some(slot) = self.slot_of_request(id) {
                    node.context.fences.raise(slot, seen);
                }
            }
        }
    }

    /// Another request has the lock. A slot in which there are tokens is not new, although this
    /// process has got none of them.
    pub(crate) fn note_holder(&mut self, id: RequestId, busy: &BusyReply) {
        if let (Some(_), BlockedBy::Holder(Some(holder))) = (&self.node, &busy.blocked_by) {
            self.raise_floor(id, holder.fence);
        }
    }

    /// Whether this process receives notifications about the lock of a request.
    pub(crate) fn is_heard(&self, id: RequestId) -> bool {
        self.node.as_ref().is_none_or(|node| {
            self.slot_of_request(id).is_none_or(|slot| node.subscribed.contains(slot))
        })
    }

    /// Has notifications about the lock of a request sent, as of the next command.
    pub(crate) fn subscribe(&mut self, now: Timestamp, id: RequestId) {
        if let Some(slot) = self.slot_of_request(id)
            && let Some(node) = &mut self.node
        {
            node.subscribed.insert(slot);
            self.send(now, CommandKind::Subscribe(slot), Command::Subscribe(slot));
        }
    }

    /// A hold goes to another caller of this process. If others wait for it, it must not do so for
    /// ever: as long as nothing is heard of them, only a renewal says so.
    pub(crate) fn hear_of_others(&mut self, now: Timestamp, id: RequestId) {
        if self.server.down_since.is_none() && !self.is_heard(id) {
            self.subscribe(now, id);
            self.update(now, id, |request, cx| request.renew_early(cx));
            self.renew_due(now);
        }
    }

    pub(crate) fn subscribe_failed(&mut self, now: Timestamp, slot: Slot, error: &CommandError) {
        let Some(node) = &mut self.node else { return };
        node.subscribed.remove(slot);
        if error.refusal().is_some() {
            self.update_slot(now, slot, |request, cx| request.cannot_be_notified(cx, error));
        }
    }

    /// The node sends no more notifications about this slot: it has lost it.
    pub(crate) fn unsubscribed(&mut self, now: Timestamp, slot: Slot) {
        let Some(node) = &mut self.node else { return };
        if node.subscribed.remove(slot) {
            self.update_slot(now, slot, |request, cx| request.unsubscribed(cx));
        }
        self.refresh_topology();
    }

    fn update_slot(
        &mut self,
        now: Timestamp,
        slot: Slot,
        mut change: impl FnMut(&mut RequestState, &mut Context<'_>),
    ) {
        for id in self.ids_in(|of| of == slot) {
            self.update(now, id, &mut change);
        }
    }

    fn ids_in(&self, is_of: impl Fn(Slot) -> bool) -> Vec<RequestId> {
        let requests = self.requests.iter();
        requests
            .filter(|(_, request)| request.slot.is_some_and(&is_of))
            .map(|(&id, _)| id)
            .collect()
    }

    /// A request that waited on another master is served by a release here only once the tokens of
    /// its slot are open.
    pub(crate) fn open_for_waiter(&mut self, now: Timestamp, id: RequestId) {
        let request = self.requests.get(&id).filter(|request| request.has_queued());
        if let Some(slot) = request.and_then(|request| request.slot) {
            self.open_tokens(now, slot);
        }
    }

    /// Opens the tokens of a slot for this master, unless that is under way. A failover is waited
    /// out from when it was connected to, not from when a slot is first used after that.
    pub(crate) fn open_tokens(&mut self, now: Timestamp, slot: Slot) {
        let is_same = |kind: &CommandKind| matches!(kind, CommandKind::Open(of) if *of == slot);
        if !self.in_flight.values().any(|sent| is_same(&sent.kind)) {
            let grace = self.grace_left(now);
            self.send_open(now, CommandKind::Open(slot), slot, Some(grace));
        }
    }

    /// Notes the tokens of a slot that this process has seen, and opens none. A failover may have
    /// lost all that its master did in a slot, also that it opened the tokens. If the slot then
    /// went back to the node that it had come from, that one would go on below them.
    pub(crate) fn note_tokens(&mut self, now: Timestamp, slot: Slot) {
        let is_same = |kind: &CommandKind| match kind {
            CommandKind::Open(of) | CommandKind::NoteTokens(of) => *of == slot,
            _ => false,
        };
        if self.server.down_since.is_none()
            && self.floor(Some(slot)) > Fence::ZERO
            && !self.in_flight.values().any(|sent| is_same(&sent.kind))
        {
            self.send_open(now, CommandKind::NoteTokens(slot), slot, None);
        }
    }

    /// What another master has granted may be unknown to this one. Renewals find that out of holds.
    pub(crate) fn note_granted_tokens(&mut self, now: Timestamp) {
        let requests = self.requests.values().filter(|request| request.is_beyond_renewal());
        let slots: BTreeSet<_> = requests.filter_map(|request| request.slot).collect();
        for slot in slots {
            self.note_tokens(now, slot);
        }
    }

    fn send_open(
        &mut self,
        now: Timestamp,
        kind: CommandKind,
        slot: Slot,
        grace: Option<Duration>,
    ) {
        let Some(node) = &self.node else { return };
        let floor = node.context.fences.get(slot);
        let open = OpenTokens {
            slot,
            floor,
            max_lease: self.data_loss_grace().max_lease,
            grace,
            is_lost: floor > Fence::ZERO,
            living: node.context.living.get(),
        };
        self.send(now, kind, Command::Open(open));
    }

    /// What is left of the time that a failover is waited out.
    pub(crate) fn grace_left(&self, now: Timestamp) -> Duration {
        self.failover_grace().saturating_sub(now.since(self.primary.since))
    }

    /// Sends renewals: each hold alone, so that the node can say for each where it is, and waiters
    /// for each slot.
    pub(crate) fn renew_by_slot(
        &mut self,
        now: Timestamp,
        renewals: impl Iterator<Item = ((RequestId, Duration), Renewal)>,
    ) {
        let mut waiters = BTreeMap::<_, (Vec<_>, Vec<_>)>::new();
        for (renewal, entry) in renewals {
            if let Renewal::Hold { .. } = entry {
                self.send_renewal(now, vec![renewal], vec![entry]);
            } else {
                let (renewals, entries) =
                    waiters.entry(self.slot_of_request(renewal.0)).or_default();
                renewals.push(renewal);
                entries.push(entry);
            }
        }
        for (renewals, entries) in waiters.into_values() {
            self.send_renewal(now, renewals, entries);
        }
    }

    /// A command was answered with an error.
    pub(crate) fn not_done(&mut self, now: Timestamp, kind: &CommandKind, error: CommandError) {
        if self.node.is_none() {
            return self.failed(now, kind, &error);
        }
        if let (CommandError::Asked(to), CommandKind::Renew { renewals, .. }) = (&error, kind)
            && self.ask_for_renewal(now, renewals, to)
        {
            return;
        }
        if error == CommandError::Unopened
            && let CommandKind::Acquire(id, _) = kind
            && let Some(slot) = self.slot_of_request(*id)
        {
            self.open_tokens(now, slot);
        }
        self.failed(now, kind, &error);
        if error.suggests_failover() {
            self.refresh_topology();
        }
        if let CommandError::Moved(to) = error {
            self.outputs.push_back(Output::Moved(to));
        }
    }

    /// Has a hold renewed by the node that its slot is being migrated to. Replicas of another node
    /// confirm nothing on this connection.
    fn ask_for_renewal(
        &mut self,
        now: Timestamp,
        renewals: &[(RequestId, Duration)],
        to: &Redirect,
    ) -> bool {
        let &[(id, _)] = renewals else { return false };
        if self.confirmations.is_some() {
            return false;
        }
        let entry = self.update(now, id, |request, cx| (request.ttl, request.renewal_entry(cx)));
        let (Some((ttl, Some(entry))), Some(node)) = (entry, &mut self.node) else { return false };
        let command = self.next_call;
        self.next_call += 1;
        let kind = CommandKind::Renew { renewals: vec![(id, ttl)], refreshes: 0 };
        node.asked.insert(command, InFlightCommand { at: now, kind });
        let (renewal, address) = (Command::Renew(vec![entry]), to.address.clone());
        self.outputs.push_back(Output::SendAsking(command, renewal, address));
        true
    }

    /// The reply from another node.
    pub(crate) fn asked_reply(
        &mut self,
        now: Timestamp,
        id: CommandId,
        reply: Result<Reply, CommandError>,
    ) {
        let Some(sent) = self.node.as_mut().and_then(|node| node.asked.remove(&id)) else { return };
        match reply {
            // Once: the nodes may name each other.
            Err(CommandError::Asked(_) | CommandError::ConnectionLost) => {
                self.failed(now, &sent.kind, &CommandError::TryAgain("no reply".to_owned()));
            }
            reply => self.apply_reply(now, id, sent, reply, None),
        }
    }

    /// When a renewal on the connection of another node counts as failed.
    pub(crate) fn asked_due_at(&self) -> Option<Timestamp> {
        let oldest = self.node.as_ref()?.asked.values().next()?.at;
        Some(oldest.plus(self.reply_timeout.limit(&self.timing)))
    }

    pub(crate) fn asked_due(&mut self, now: Timestamp) {
        while self.asked_due_at().is_some_and(|at| at <= now)
            && let Some(node) = &self.node
            && let Some(&id) = node.asked.keys().next()
        {
            self.asked_reply(now, id, Err(CommandError::ConnectionLost));
        }
    }

    /// Where this is a node, another one may serve its slots by now.
    pub(crate) fn refresh_topology(&mut self) {
        if self.node.is_some() && self.outputs.back() != Some(&Output::RefreshTopology) {
            self.outputs.push_back(Output::RefreshTopology);
        }
    }

    /// The connection is gone, and with it the subscriptions.
    pub(crate) fn node_disconnected(&mut self, now: Timestamp) {
        let Some(node) = &mut self.node else { return };
        node.subscribed = SlotSet::new();
        for (_, sent) in std::mem::take(&mut node.asked) {
            self.failed(now, &sent.kind, &CommandError::ConnectionLost);
        }
        self.refresh_topology();
    }

    /// Removes the requests of slots that another node serves. What is in flight about them may
    /// have been executed here, or not. The ends of recent requests go along; if the connection was
    /// down, a failover may have lost them.
    pub fn take(&mut self, now: Timestamp, leaves: &dyn Fn(Slot) -> bool) -> MovedRequests {
        let Some(node) = &mut self.node else { return MovedRequests::default() };
        node.subscribed.retain(|slot| !leaves(slot));
        let space = node.context.space.clone();
        let asked = std::mem::take(&mut node.asked);
        // Nothing about them is sent here any more.
        let down_since = self.server.down_since;
        self.server.down_since.get_or_insert(now);
        let sent = std::mem::take(&mut self.in_flight);
        self.in_flight = self.fail_leaving(now, leaves, sent);
        let asked = self.fail_leaving(now, leaves, asked);
        if let Some(node) = &mut self.node {
            node.asked = asked;
        }
        let leaving = self.ids_in(leaves);
        let mut backlog = std::mem::take(&mut self.backlog);
        backlog.remove(|id| self.slot_of_request(id).is_some_and(leaves));
        self.backlog = backlog;
        let requests = leaving.into_iter().filter_map(|id| self.remove_leaving(now, id)).collect();
        self.server.down_since = down_since;
        let ended = self.primary.take_ended(down_since, |key| leaves(space.slot(key)));
        self.send_backlog(now);
        MovedRequests { requests, ended }
    }

    /// Fails what is under way about slots that leave. Returns the others.
    fn fail_leaving(
        &mut self,
        now: Timestamp,
        leaves: &dyn Fn(Slot) -> bool,
        sent: BTreeMap<CommandId, InFlightCommand>,
    ) -> BTreeMap<CommandId, InFlightCommand> {
        let is_leaving =
            |sent: &InFlightCommand| self.slot_of_command(&sent.kind).is_some_and(leaves);
        let (leaving, staying): (BTreeMap<_, _>, _) =
            sent.into_iter().partition(|(_, sent)| is_leaving(sent));
        for InFlightCommand { kind, .. } in leaving.into_values() {
            if let CommandKind::Renew { refreshes, .. } = kind {
                self.refreshes_in_flight -= refreshes;
            }
            self.failed(now, &kind, &CommandError::ConnectionLost);
        }
        staying
    }

    fn slot_of_command(&self, kind: &CommandKind) -> Option<Slot> {
        match kind {
            CommandKind::Acquire(id, _)
            | CommandKind::Release(id)
            | CommandKind::Reclaim(id, _) => self.slot_of_request(*id),
            CommandKind::AcquireAll(ids) => ids.iter().find_map(|&id| self.slot_of_request(id)),
            CommandKind::Renew { renewals, .. } => {
                renewals.iter().find_map(|&(id, _)| self.slot_of_request(id))
            }
            CommandKind::Subscribe(slot)
            | CommandKind::Open(slot)
            | CommandKind::NoteTokens(slot) => Some(*slot),
            CommandKind::Probe(_)
            | CommandKind::RaiseMaxLease
            | CommandKind::CountReplicas
            | CommandKind::Wait(_) => None,
        }
    }

    fn remove_leaving(&mut self, now: Timestamp, id: RequestId) -> Option<MovedRequest> {
        let mut state = self.requests.remove(&id)?;
        self.timers.set(id, &mut state.due, None);
        self.reply_timeout.end(state.ttl);
        let wanted = self.confirmations.as_mut().and_then(|confirmations| confirmations.end(id));
        state.leave(now);
        Some(MovedRequest { state, wanted })
    }

    /// Adds requests of slots that this node serves by now. They continue at once, or on the next
    /// connection.
    pub fn adopt(&mut self, now: Timestamp, moved: MovedRequests) {
        let mut continuing = Vec::new();
        for MovedRequest { state, wanted } in moved.requests {
            let (id, ttl) = (state.id, state.ttl);
            self.note_ttl(now, ttl);
            self.reply_timeout.begin(ttl);
            if let (Some(confirmations), Some(wanted)) = (&mut self.confirmations, wanted) {
                confirmations.go_on(id, wanted);
            }
            self.requests.insert(id, state);
            if self.update(now, id, |request, cx| request.arrive(cx)) == Some(true) {
                continuing.push(id);
            }
        }
        for ended in moved.ended {
            self.primary.note_ended(ended);
        }
        if self.server.down_since.is_none() {
            self.repeat_missed(now);
            self.resume(now, continuing);
        }
    }
}
