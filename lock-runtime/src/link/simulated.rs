//! A link without threads and sockets: a simulation plays the keeper and the server. Callers come
//! in through the same functions as always.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::backend::redis::address::NodeAddress;
use crate::backend::redis::cluster::topology::Topology;
use crate::backend::server::{Connection, SimulatedPipe};
use crate::backend::{ConnectError, Incoming};
use crate::link::Link;
use crate::link::effect::{ReplyTo, StatusChanges};
use crate::link::fleet::Fleet;
use crate::link::handle::LinkHandle;
use crate::link::state::LinkState;
use crate::protocol::Protocol;
use crate::protocol::connection::ConnectErrorKind;
use crate::protocol::node::NodeContext;
use crate::protocol::request::{CommandError, Loss};
use crate::protocol::timing::Timing;
use crate::types::fence::Fence;
use crate::types::time::{self, Timestamp};
use crate::user_code::metrics::LinkMetrics;
use crate::wire::command::Command;
use crate::wire::keyspace::Keyspace;
use crate::wire::reply::{Notification, Reply};

/// A link whose keeper and connection are simulated.
pub struct SimulatedLink(Arc<Link>);

/// Who receives the replies to the commands of one batch, in order.
pub struct ReplyTargets(Vec<ReplyTo>);

impl SimulatedLink {
    /// A link, and the handle for a manager. `confirms`: replicas have to confirm all holds.
    pub(crate) fn new(
        timing: &Timing,
        inbox: String,
        ttl: Duration,
        confirms: bool,
    ) -> (Self, LinkHandle) {
        let now = time::now();
        let protocol = Protocol::new(now, timing.clone(), inbox.clone(), ttl);
        let protocol = if confirms { protocol.confirming(now) } else { protocol };
        Self::of(protocol, inbox)
    }

    fn of(protocol: Protocol, inbox: String) -> (Self, LinkHandle) {
        let handle = LinkHandle::of(protocol, inbox, StatusChanges::default(), LinkMetrics::of(""));
        let handle = handle.expect("two descriptors for signals");
        let link = Arc::clone(handle.link());
        // The simulation connects by itself.
        link.locked(|state, _| state.keeper.falls_asleep(false, None));
        (Self(link), handle)
    }

    /// Whether it is to be connected.
    pub fn is_open(&self) -> bool {
        self.0.is_open()
    }

    fn with<R>(&self, act: impl FnOnce(&mut LinkState, Timestamp) -> R) -> Option<R> {
        self.0.locked_then_effects(act)
    }

    /// A turn of the keeper. Returns whether it gives up the connection.
    pub fn turn(&self) -> bool {
        self.0.keeper_turn(false).is_some_and(|plan| plan.connect)
    }

    /// Its process has ended, so no turn releases a hold that lingers. The link has its queue, and
    /// the queue the link: they would keep each other.
    pub fn abandon(&self) {
        self.with(|state, _| {
            state.router().lose_all(&Loss::Shutdown);
            state.close();
        });
    }

    /// Whether there are commands to be sent.
    pub fn has_unsent(&self) -> bool {
        let has_unsent = |state: &mut LinkState, _| {
            state.has_unsent() || state.simulated().is_some_and(|pipe| pipe.has_unsent())
        };
        self.with(has_unsent).unwrap_or(false)
    }

    /// The next commands to be sent. There may be more.
    pub fn take_batch(&self) -> Option<(ReplyTargets, Vec<Command>)> {
        let batch = self.with(|state, now| {
            state.flush(now);
            state.simulated().map(SimulatedPipe::take_unsent)
        });
        let (targets, commands): (Vec<_>, Vec<_>) = batch.flatten()?.into_iter().unzip();
        (!commands.is_empty()).then_some((ReplyTargets(targets), commands))
    }

    /// When the keeper has something to do.
    pub fn due(&self) -> Option<Timestamp> {
        self.with(|state, _| state.due()).flatten()
    }

    /// There is a connection to the server with this mark, this is the longest lease that it knows
    /// of, and so many replicas are online.
    pub fn connected(&self, max_lease: Duration, mark: u32, online_replicas: u32) {
        let pipe = SimulatedPipe::new(max_lease, mark.into(), online_replicas);
        let connection = Connection::Simulated(pipe);
        self.with(|state, now| state.connected(now, connection));
    }

    /// An attempt to connect has failed.
    pub fn connect_failed(&self) {
        let (text, kind) =
            ("the server cannot be reached".to_owned(), ConnectErrorKind::Unreachable);
        self.with(|state, now| state.connect_failed(now, &ConnectError { text, kind }));
    }

    /// The connection is closed or abandoned, with these commands unanswered.
    pub fn disconnected(&self, because: &str, unanswered: impl IntoIterator<Item = ReplyTargets>) {
        let unanswered = unanswered.into_iter().flat_map(|targets| targets.0).collect();
        self.with(|state, now| {
            state.lose_simulated(now, because.to_owned(), unanswered);
        });
    }

    /// Replies arrive.
    pub fn replies(&self, targets: ReplyTargets, replies: Vec<Result<Reply, CommandError>>) {
        let replies = targets.0.into_iter().zip(replies);
        self.arrive(replies.map(|(target, reply)| Incoming::Reply(target, reply)));
    }

    /// A notification arrives.
    pub fn notice(&self, notification: Notification) {
        self.arrive([Incoming::Notification(notification)]);
    }

    fn arrive(&self, incoming: impl IntoIterator<Item = Incoming<ReplyTo>>) {
        self.with(|state, now| {
            if let Some(pipe) = state.simulated() {
                pipe.arrive(incoming);
            }
            state.receive(now);
            state.settle(now);
        });
    }

    /// What the handshake contains: the highest token seen, the longest lease, and how long a
    /// failover is waited out.
    pub fn handshake(&self) -> (Fence, Duration, Duration) {
        let params = self.0.locked(|state, _| state.connect_params().0);
        params.map_or((Fence::ZERO, Duration::ZERO, Duration::ZERO), |params| {
            (params.min_fence, params.data_loss_grace.max_lease, params.failover_grace)
        })
    }

    /// Whether a release is pending.
    pub fn is_releasing(&self) -> bool {
        let releasing =
            |state: &mut LinkState, _| state.router().protocol().releasing().next().is_some();
        self.0.locked(releasing).unwrap_or(false)
    }

    /// Whether nothing is held, requested or pending.
    pub fn is_idle(&self) -> bool {
        let idle = |state: &mut LinkState, _| state.router().protocol().is_idle();
        self.0.locked(idle).unwrap_or(true) && !self.has_unsent()
    }
}

/// The links of a manager to a cluster whose nodes are simulated. A node is known by a number above
/// zero, and has the address `node:` with that number.
pub struct SimulatedFleet {
    fleet: Weak<Fleet>,
    new_link: Box<dyn Fn() -> (SimulatedLink, LinkHandle)>,
    /// All nodes with slots were connected when it was last found out which have some.
    is_settled: bool,
}

impl SimulatedFleet {
    /// A fleet, the link that belongs to no node and never connects, and what a manager needs.
    pub(crate) fn new(
        timing: &Timing,
        space: &Keyspace,
        inbox: &str,
        ttl: Duration,
    ) -> (Self, SimulatedLink, Arc<Fleet>) {
        let (timing, inbox) = (timing.clone(), inbox.to_owned());
        let context = NodeContext::new(space.clone());
        let living = Arc::clone(&context.living);
        let new_link = move || {
            let protocol = Protocol::new(time::now(), timing.clone(), inbox.clone(), ttl);
            SimulatedLink::of(protocol.of_node(context.clone()), inbox.clone())
        };
        let (first, handle) = new_link();
        let resolve = |text: &str, _: &NodeAddress| NodeAddress::parse(text, 0);
        let fleet = Fleet::new(space.clone(), handle, living, Box::new(resolve));
        let fleet = fleet.expect("a descriptor for a signal");
        let this =
            Self { fleet: Arc::downgrade(&fleet), new_link: Box::new(new_link), is_settled: false };
        (this, first, fleet)
    }

    /// Whether it has to be found out at once which nodes have which slots.
    pub fn has_to_look(&self) -> bool {
        self.fleet.upgrade().is_some_and(|fleet| {
            fleet.has_heard(|heard| self.is_settled && heard.is_doubtful || heard.is_redirected)
        })
    }

    /// The nodes that have the slots. Returns the links of nodes that had none before, and whether
    /// all are connected.
    pub fn found(&mut self, owners: &[u16]) -> (Vec<(u16, SimulatedLink)>, bool) {
        let Some(fleet) = self.fleet.upgrade() else { return (Vec::new(), true) };
        let heard = fleet.take_heard(time::now());
        let mut numbers: Vec<u16> = Vec::new();
        let mut index_of = |owner: u16| {
            let known = numbers.iter().position(|&number| number == owner);
            let index = known.unwrap_or_else(|| {
                numbers.push(owner);
                numbers.len() - 1
            });
            u16::try_from(index).ok()
        };
        let owners = owners.iter().map(|&owner| index_of(owner)).collect();
        let address = |number: &u16| NodeAddress::new("node", *number).expect("an address");
        let nodes = numbers.iter().map(address).collect();
        let mut found = Topology { nodes, owners, epoch: 0, own_epoch: 0 };
        let doubted = fleet.follow_redirects(&mut found, &heard);
        let mut links = Vec::new();
        let applied = fleet.apply(&found, &heard.guests(), &doubted, &mut |node| {
            let (link, handle) = (self.new_link)();
            links.push((node.port(), link));
            Ok(handle)
        });
        applied.expect("links can be opened");
        self.is_settled = fleet.is_connected();
        (links, self.is_settled)
    }
}
