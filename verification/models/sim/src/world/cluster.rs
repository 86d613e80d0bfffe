//! A cluster: which server has which slots, and slots that are migrated.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use distlock_runtime::verification::{
    Command, CommandError, EVERYONE, Notification, Redirect, Renewal, Reply, RequestRef,
    SimulatedFleet, SimulatedLink, Slot, pause,
};

use super::event_queue::SimEvent;
use super::faults::name;
use super::network::Connection;
use super::{World, nanos};
use crate::context;
use crate::plan::{FaultKind, Plan};

pub(super) use crate::io_thread::space;

/// How often a process looks without a reason.
const INTERVAL: Duration = Duration::from_secs(30);

/// The nodes and their slots.
pub(super) struct Cluster {
    /// The server that is the master of each node.
    servers: Vec<usize>,
    /// Those of the locks.
    slots: BTreeMap<Slot, SlotState>,
    /// The same before the latest change.
    before: BTreeMap<Slot, usize>,
    /// The channels of each slot begin so.
    channels: Vec<(String, Slot)>,
}

#[derive(Clone, Copy)]
struct SlotState {
    node: usize,
    open: Option<OpenSlot>,
}

impl SlotState {
    /// The node that has the locks.
    fn stored_on(&self) -> usize {
        let moved = self.open.filter(|open| open.phase >= LOCKS_MOVED);
        moved.map_or(self.node, |open| open.to)
    }
}

/// A slot that is being migrated.
#[derive(Clone, Copy)]
struct OpenSlot {
    /// The fault that migrates it.
    fault: usize,
    to: usize,
    phase: usize,
}

/// In this phase and later ones everything of the slot is on the other node, or nowhere. The tokens
/// move last, which only the kind of the refusals shows.
const LOCKS_MOVED: usize = 1;
const TOKENS_MOVED: usize = 2;
/// The migration is over.
const DONE: usize = 3;

impl Cluster {
    pub(super) fn new(plan: &Plan) -> Self {
        let space = space();
        let slots: BTreeSet<_> = (0..plan.keys).map(|key| space.slot(&name(key))).collect();
        let state = |(number, &slot): (usize, &Slot)| {
            (slot, SlotState { node: number % plan.nodes, open: None })
        };
        let channels = slots.iter().map(|&slot| (space.inbox_in(slot, ""), slot)).collect();
        let slots: BTreeMap<_, _> = slots.iter().enumerate().map(state).collect();
        let servers: Vec<_> = (0..plan.nodes).collect();
        let before = slots.iter().map(|(&slot, state)| (slot, servers[state.node])).collect();
        Self { servers, slots, before, channels }
    }

    /// The servers that nobody has replaced.
    pub(super) fn servers(&self) -> &[usize] {
        &self.servers
    }

    fn node_for(&self, fault: usize) -> usize {
        fault % self.servers.len()
    }

    /// The server that a fault is about.
    pub(super) fn server_for(&self, fault: usize) -> usize {
        self.servers[self.node_for(fault)]
    }

    /// All slots, and whether the node that a fault is about has what is in them.
    pub(super) fn slots_of(&self, fault: usize) -> Vec<(Slot, bool)> {
        let node = self.node_for(fault);
        self.slots.iter().map(|(&slot, state)| (slot, state.stored_on() == node)).collect()
    }

    /// The node that a fault is about has another master.
    pub(super) fn replace(&mut self, fault: usize, server: usize) {
        self.note();
        let node = self.node_for(fault);
        self.servers[node] = server;
    }

    fn note(&mut self) {
        let owner = |(&slot, state): (&Slot, &SlotState)| (slot, self.servers[state.node]);
        self.before = self.slots.iter().map(owner).collect();
    }

    /// The numbers of the servers that have the slots, for clients. `is_late`: before the latest
    /// change.
    pub(super) fn owners(&self, is_late: bool) -> Vec<u16> {
        let number = |server: usize| u16::try_from(server + 1).expect("few servers");
        // Nobody uses the others.
        let mut owners = vec![number(self.servers[0]); Slot::COUNT];
        for (slot, state) in &self.slots {
            let server = if is_late { self.before[slot] } else { self.servers[state.node] };
            owners[usize::from(slot.number())] = number(server);
        }
        owners
    }

    /// Whether this server executes a command about this slot.
    fn check(&self, server: usize, slot: Slot, call: &Command) -> Result<(), CommandError> {
        let Some(SlotState { node, open }) = self.slots.get(&slot).copied() else { return Ok(()) };
        let to = |node: usize| {
            let address = format!("node:{}", self.servers[node] + 1).into();
            Redirect { slot, address }
        };
        let (is_asking, call) = match call {
            Command::Asking(call) => (true, &**call),
            call => (false, call),
        };
        let has_one_key = match call {
            Command::Renew(entries) => matches!(entries[..], [Renewal::Hold { .. }]),
            Command::Open(_) | Command::Subscribe(_) => true,
            _ => false,
        };
        let try_again = || CommandError::TryAgain("TRYAGAIN Multiple keys".to_owned());
        let is_own = self.is_master_of(server, node);
        match open {
            None if is_own => Ok(()),
            Some(OpenSlot { to: other, phase, .. }) if is_own => match call {
                Command::Subscribe(_) => Ok(()),
                _ if has_one_key && phase < LOCKS_MOVED => Ok(()),
                _ if has_one_key || phase >= TOKENS_MOVED => Err(CommandError::Asked(to(other))),
                _ => Err(try_again()),
            },
            Some(OpenSlot { to, .. }) if is_asking && self.servers[to] == server => {
                if has_one_key {
                    Ok(())
                } else {
                    Err(try_again())
                }
            }
            _ => Err(CommandError::Moved(to(node))),
        }
    }

    /// Whether this is or was the master of a node. One that was replaced goes on for a while.
    fn is_master_of(&self, server: usize, node: usize) -> bool {
        self.servers[node] == server || !self.servers.contains(&server)
    }

    /// Sends a notification to the subscribers of this channel.
    pub(super) fn publish(
        &self,
        (server, connections): (usize, &[Connection]),
        channel: &str,
        notice: Option<Notification>,
        pushes: &mut Vec<(usize, Notification)>,
    ) -> bool {
        let of_slot = self.channels.iter().find_map(|(prefix, slot)| {
            let process = channel.strip_prefix(prefix.as_str())?;
            Some((*slot, process.parse::<usize>().expect("named after its process")))
        });
        let listens = |link: &&(usize, &Connection)| match of_slot {
            None => link.1.open_at_server,
            Some((slot, process)) => {
                let link = link.1;
                link.open_at_server
                    && link.server == server
                    && link.process == process
                    && link.subscribed.contains(&slot)
            }
        };
        assert!(of_slot.is_some() || channel == EVERYONE, "{channel}");
        let all: Vec<_> = connections.iter().enumerate().collect();
        let mut listeners = all.iter().filter(listens).map(|(number, _)| *number);
        let Some(notice) = notice else { return listeners.next().is_some() };
        pushes.extend(listeners.map(|number| (number, notice)));
        false
    }
}

/// The slot that a command is about.
fn slot_of(call: &Command) -> Option<Slot> {
    let key = match call {
        Command::Asking(call) => return slot_of(call),
        Command::Subscribe(slot) => return Some(*slot),
        Command::Open(open) => return Some(open.slot),
        Command::Acquire(acquire) | Command::Reclaim(acquire, _) => &acquire.request.key,
        Command::AcquireAll(acquires) => &acquires.first()?.request.key,
        Command::Release { request: RequestRef { key, .. }, .. }
        | Command::Cancel { request: RequestRef { key, .. }, .. }
        | Command::Inspect { key, .. } => key,
        Command::Renew(entries) => match entries.first()? {
            Renewal::Hold { key, .. } | Renewal::Waiter { key, .. } => key,
        },
        _ => return None,
    };
    Some(space().slot(key))
}

/// The links of a running process to the nodes.
pub(super) struct LiveFleet {
    fleet: SimulatedFleet,
    /// How often it has looked in a row while not all nodes were connected.
    failures: u32,
    /// When it looks next.
    pub(super) looks_at: u64,
}

impl LiveFleet {
    pub(super) const fn new(fleet: SimulatedFleet) -> Self {
        Self { fleet, failures: 0, looks_at: 0 }
    }

    pub(super) fn has_to_look(&self) -> bool {
        self.fleet.has_to_look()
    }

    /// The new links, each to a server, and whether all are connected.
    pub(super) fn found(&mut self, owners: &[u16]) -> (Vec<(usize, SimulatedLink)>, bool) {
        let (links, is_settled) = self.fleet.found(owners);
        let links = links.into_iter().map(|(number, link)| (usize::from(number) - 1, link));
        (links.collect(), is_settled)
    }

    /// When to look again if nothing is heard.
    pub(super) fn rest(&mut self, is_settled: bool, random: u8) -> Duration {
        self.failures = if is_settled { 0 } else { self.failures + 1 };
        if is_settled { INTERVAL } else { pause(self.failures - 1, random) }
    }
}

impl World<'_> {
    /// A node executes a command or refuses it.
    pub(super) fn call_node(
        &mut self,
        connection: usize,
        call: &Command,
        bound: Duration,
    ) -> Result<Reply, CommandError> {
        let server = self.connections[connection].server;
        if let (Some(cluster), Some(slot)) = (&self.cluster, slot_of(call)) {
            cluster.check(server, slot, call)?;
            if let Command::Subscribe(slot) = call {
                self.connections[connection].subscribed.insert(*slot);
            }
        }
        let replies = self.publishing(server, |server, publish| {
            server.call(context::now(), std::slice::from_ref(call), bound, publish)
        });
        replies.into_iter().next().expect("a reply to the call")
    }

    /// A phase of a migration begins, or it is over.
    pub(super) fn migrated(&mut self, fault: usize, phase: usize) {
        let FaultKind::Migrate { key, by, phases } = self.plan.faults[fault].what else { return };
        let Some(cluster) = &mut self.cluster else { return };
        let slot = space().slot(&name(key));
        let nodes = cluster.servers.len();
        let Some(state) = cluster.slots.get_mut(&slot) else { return };
        let to = match state.open {
            Some(open) if open.fault == fault => open.to,
            None if phase == 0 => (state.node + by) % nodes,
            // The one before is not over, or a failover has ended this one.
            _ => return,
        };
        if phase == DONE {
            return self.finish_migration(slot);
        }
        state.open = Some(OpenSlot { fault, to, phase });
        if phase == LOCKS_MOVED {
            self.move_data(slot);
        }
        let at = context::now() + nanos(phases[phase]);
        self.event_queue.put(at, SimEvent::Migrated(fault, phase + 1));
    }

    fn move_data(&mut self, slot: Slot) {
        let Some(cluster) = &self.cluster else { return };
        let SlotState { node, open: Some(OpenSlot { to, .. }) } = cluster.slots[&slot] else {
            return;
        };
        let [from, to] = [cluster.servers[node], cluster.servers[to]];
        let [from, to] = self.servers.get_disjoint_mut([from, to]).expect("two servers");
        from.migrate(slot, to);
    }

    /// The other node has the slot. Its former node ends the subscriptions.
    fn finish_migration(&mut self, slot: Slot) {
        let Some(cluster) = &mut self.cluster else { return };
        let state = cluster.slots[&slot];
        let Some(open) = state.open else { return };
        let (server, is_moved) = (cluster.servers[state.node], open.phase >= LOCKS_MOVED);
        if !is_moved {
            self.move_data(slot);
        }
        let Some(cluster) = &mut self.cluster else { return };
        cluster.note();
        cluster.slots.insert(slot, SlotState { node: open.to, open: None });
        for connection in 0..self.connections.len() {
            let link = &mut self.connections[connection];
            if link.server == server && link.subscribed.remove(&slot) && link.open_at_server {
                let at = self.arrival_down(connection);
                let notice = Notification::Unsubscribed(slot);
                self.event_queue.put(at, SimEvent::Push(connection, notice));
            }
        }
    }

    /// Ends all migrations from and to the node that a fault is about.
    pub(super) fn finish_migrations(&mut self, fault: usize) {
        let Some(cluster) = &self.cluster else { return };
        let node = cluster.node_for(fault);
        let is_part = |state: &SlotState| {
            state.open.is_some_and(|open| open.to == node || state.node == node)
        };
        let open: Vec<_> = cluster
            .slots
            .iter()
            .filter(|(_, state)| is_part(state))
            .map(|(&slot, _)| slot)
            .collect();
        for slot in open {
            self.finish_migration(slot);
        }
    }
}
