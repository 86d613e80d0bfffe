//! The links of a cluster without keepers and connections: which of them has which request.

use std::pin::pin;
use std::task::{Context, Waker};

use tokio::sync::oneshot::error::TryRecvError;

use super::*;
use crate::link::effect::StatusChanges;
use crate::link::role::Keeper;
use crate::link::state::LinkState;
use crate::local::key_queue::{QueueContext, QueueTable};
use crate::local::queue::AcquireParams;
use crate::protocol::Protocol;
use crate::protocol::listing::ScanCursor;
use crate::protocol::node::NodeContext;
use crate::protocol::timing::Timing;
use crate::types::owner_info::ProcessInfo;
use crate::types::replicas::Replicas;
use crate::types::time;
use crate::user_code::metrics::LinkMetrics;

const TTL: Duration = Duration::from_secs(30);

struct World {
    fleet: Arc<Fleet>,
    queues: QueueTable,
    context: NodeContext,
}

impl World {
    fn new() -> Self {
        let space = Keyspace::new("lock:").sharded();
        let context = NodeContext::new(space);
        let living = Arc::clone(&context.living);
        let resolve = Box::new(|text: &str, _: &_| NodeAddress::parse(text, 6379));
        let fleet =
            Fleet::new(context.space.clone(), link(&context), living, resolve).expect("a signal");
        let queues = QueueTable::new(QueueContext {
            max_handoffs: 8,
            process: Arc::new(ProcessInfo::of_this_process()),
            replicas: Replicas::None,
            metrics_by_key: false,
            counts: Arc::default(),
            io: Arc::clone(&fleet) as Arc<dyn IoHandle>,
        });
        Self { fleet, queues, context }
    }

    fn apply(&self, found: &Topology, guests: &BTreeSet<NodeAddress>) {
        let applied =
            self.fleet.apply(found, guests, &BTreeSet::new(), &mut |_| Ok(link(&self.context)));
        applied.expect("links can be opened");
    }

    /// The address of the link that has this key; `None` for the first link.
    fn address_of(&self, key: &str) -> Option<NodeAddress> {
        let (table, link) = (self.fleet.table(), self.fleet.link_of(key));
        table.node_of(link.link()).expect("it is in the table").address.clone()
    }

    /// How many requests each link has, in the order of the table.
    fn requests(&self) -> Vec<usize> {
        let count = |link: LinkHandle| link.link().stage(|router, _| router.queues().len());
        self.fleet.links().into_iter().map(|link| count(link).expect("it is open")).collect()
    }
}

fn link(context: &NodeContext) -> LinkHandle {
    let inbox = "lock:inbox:process".to_owned();
    let protocol = Protocol::new(time::now(), Timing::default(), inbox.clone(), TTL);
    let changes = StatusChanges::default();
    let (protocol, metrics) = (protocol.of_node(context.clone()), LinkMetrics::of(""));
    LinkHandle::of(protocol, inbox, changes, metrics).expect("two signals")
}

fn node(port: u16) -> NodeAddress {
    NodeAddress::new("node", port).expect("an address")
}

/// Nodes with these ports, and which of them has each slot.
fn topology(ports: &[u16], owner: impl Fn(Slot) -> Option<u16>) -> Topology {
    let slots = (0..).map_while(Slot::new);
    let nodes = ports.iter().map(|&port| node(port)).collect();
    Topology { nodes, owners: slots.map(owner).collect(), epoch: 1, own_epoch: 1 }
}

#[test]
fn requests_wait_for_the_first_discovery_and_then_go_to_their_nodes() {
    let world = World::new();
    let keys: Vec<_> = (0..60).map(|number| format!("key:{number}")).collect();
    let waits: Vec<_> =
        keys.iter().map(|key| world.queues.join(key, AcquireParams::with_ttl(TTL))).collect();
    assert_eq!(world.requests(), [60]);
    assert_eq!(world.address_of("key:0"), None);
    world.apply(&topology(&[1, 2, 3], |slot| Some(slot.number() % 3)), &BTreeSet::new());
    let requests = world.requests();
    assert_eq!((requests[0], requests.iter().sum::<usize>()), (0, 60));
    assert!(requests[1..].iter().all(|&count| count > 0), "{requests:?}");
    for key in &keys {
        let port = world.context.space.slot(key).number() % 3 + 1;
        assert_eq!(world.address_of(key), Some(node(port)));
    }
    drop(waits);
    assert_eq!(world.requests(), [0, 0, 0, 0], "a withdrawal finds the link of its request");
}

#[test]
fn a_scan_of_slots_without_a_node_is_asked_again_once_they_have_one() {
    let world = World::new();
    let addresses = || world.fleet.nodes().into_iter().map(|(address, _)| address);
    let (address, first) = world.fleet.nodes().remove(0);
    assert_eq!(address, None);
    let mut page = first.scan(world.context.space.clone(), ScanCursor::START);
    assert!(page.try_recv().is_err(), "it waits");
    world.apply(&topology(&[1, 2], |slot| Some(slot.number() % 2)), &BTreeSet::new());
    let again = Some(ScanCursor::START);
    assert!(matches!(page.try_recv(), Ok(Ok((keys, next))) if keys.is_empty() && next == again));
    assert!(addresses().eq([Some(node(1)), Some(node(2))]));
    let some = |slot: Slot| (slot.number() > 0).then_some(0);
    world.apply(&topology(&[1], some), &BTreeSet::new());
    assert!(addresses().eq([None, Some(node(1))]), "there may be locks in the first slot");
}

#[test]
fn nobody_waits_for_a_discovery_after_the_end() {
    let world = World::new();
    let mut before = world.fleet.discover();
    assert!(world.fleet.has_heard(|heard| heard.awaited.len() == 1));
    assert!(matches!(before.try_recv(), Err(TryRecvError::Empty)));
    world.fleet.close();
    assert!(matches!(before.try_recv(), Err(TryRecvError::Closed)));
    assert!(matches!(world.fleet.discover().try_recv(), Err(TryRecvError::Closed)));
}

#[test]
fn no_link_is_opened_once_the_links_are_closed() {
    let world = World::new();
    assert_eq!(world.fleet.close().len(), 1);
    // The nodes were asked before.
    world.apply(&topology(&[1, 2], |_| Some(0)), &BTreeSet::new());
    assert_eq!(world.fleet.links().len(), 1, "nobody would shut it down");
}

#[test]
fn a_slot_takes_its_requests_along_and_leaves_the_others() {
    let world = World::new();
    world.apply(&topology(&[1, 2], |_| Some(0)), &BTreeSet::new());
    let waits: Vec<_> =
        ["here", "there"].map(|key| world.queues.join(key, AcquireParams::with_ttl(TTL))).into();
    assert_eq!(world.requests(), [0, 2]);
    let moved = world.context.space.slot("there");
    world.apply(&topology(&[1, 2], |slot| Some((slot == moved).into())), &BTreeSet::new());
    assert_eq!(world.requests(), [0, 1, 1]);
    assert_eq!(world.address_of("there"), Some(node(2)));
    world.apply(&topology(&[1, 2], |slot| (slot != moved).then_some(0)), &BTreeSet::new());
    assert_eq!(world.requests(), [1, 1], "no node has the slot, and the second one has none");
    drop(waits);
}

/// Their callers read from the link that they waited for.
#[test]
fn the_keeper_reads_the_answers_to_requests_that_have_moved() {
    let world = World::new();
    world.apply(&topology(&[1, 2], |_| Some(0)), &BTreeSet::new());
    let _wait = world.queues.join("key", AcquireParams::with_ttl(TTL));
    world.apply(&topology(&[1, 2], |_| Some(1)), &BTreeSet::new());
    let keeper = |state: &mut LinkState, _| state.role.keeper(false);
    let new = world.fleet.link_of("key");
    assert_eq!(new.link().locked(keeper), Some(Keeper::Reads));
}

#[test]
fn a_caller_that_looked_before_the_move_asks_the_new_link() {
    let world = World::new();
    world.apply(&topology(&[1, 2], |_| Some(0)), &BTreeSet::new());
    let (before, mut asked) = (world.fleet.link_of("key"), Vec::new());
    let answer = world.fleet.on_link_of(
        "key",
        |_, _| "asked",
        |link, ask| {
            asked.push(std::ptr::from_ref(link));
            if asked.len() == 1 {
                world.apply(&topology(&[1, 2], |_| Some(1)), &BTreeSet::new());
            }
            link.stage(ask)
        },
    );
    assert_eq!(answer, Some("asked"));
    let after = world.fleet.link_of("key");
    assert_eq!(asked, [Arc::as_ptr(before.link()), Arc::as_ptr(after.link())]);
    assert!(!before.is(&after));
}

#[test]
fn a_node_without_slots_stays_while_commands_are_sent_to_it() {
    let world = World::new();
    let found = topology(&[1, 2], |_| Some(0));
    world.apply(&found, &BTreeSet::from([node(2)]));
    assert_eq!(world.fleet.addresses(), [node(1), node(2)]);
    world.apply(&found, &BTreeSet::new());
    assert_eq!(world.fleet.addresses(), [node(1)]);
}

/// The nodes may know that another one is to have its slots before they know which.
#[test]
fn a_slot_without_a_node_is_looked_for_until_it_has_one() {
    let world = World::new();
    world.apply(&topology(&[1], |_| None), &BTreeSet::new());
    assert_eq!(world.fleet.addresses(), []);
    assert!(!world.fleet.is_connected());
}

/// The node of the key at this port has named that one.
fn redirect(world: &World, from: u16, to: u16) {
    let slot = world.context.space.slot("key");
    let table = world.fleet.table();
    let place = table.place_of(&node(from)).expect("a known node");
    let link = table.nodes[usize::from(place)].link.link();
    world.fleet.redirected(link, Redirect { slot, address: node(to).to_string().into() });
}

/// A discovery finds that one of the nodes 1 and 2 has all slots. Returns which nodes it doubts.
fn discover(world: &World, owner: u16, epoch: u64) -> BTreeSet<NodeAddress> {
    let heard = world.fleet.take_heard(time::now());
    let mut found = Topology { epoch, ..topology(&[1, 2], |_| Some(owner - 1)) };
    let doubted = world.fleet.follow_redirects(&mut found, &heard);
    world.apply(&found, &BTreeSet::new());
    doubted
}

#[test]
fn a_redirect_counts_against_nodes_that_have_not_heard_of_the_move() {
    let world = World::new();
    assert!(discover(&world, 1, 1).is_empty());
    redirect(&world, 1, 3);
    for _ in 0..2 {
        assert_eq!(discover(&world, 1, 1), [node(1)].into());
        assert_eq!(world.address_of("key"), Some(node(3)));
    }
    assert!(discover(&world, 2, 1).is_empty());
    assert_eq!(world.address_of("key"), Some(node(2)), "the redirect is older");
}

#[test]
fn a_redirect_counts_no_more_once_a_later_discovery_has_found_the_slot_where_it_was() {
    let world = World::new();
    assert!(discover(&world, 1, 4).is_empty());
    redirect(&world, 1, 2);
    assert!(discover(&world, 2, 5).is_empty());
    // These have not heard of it yet, although one of them knows the epoch.
    for epoch in [4, 5] {
        assert_eq!(discover(&world, 1, epoch), [node(1)].into());
        assert_eq!(world.address_of("key"), Some(node(2)));
    }
    assert!(discover(&world, 1, 6).is_empty());
    assert_eq!(world.address_of("key"), Some(node(1)), "it has moved back");
    // What is redirected after that is a move of its own.
    redirect(&world, 1, 2);
    assert_eq!(discover(&world, 1, 6), [node(1)].into());
    assert_eq!(world.address_of("key"), Some(node(2)));
}

#[test]
fn timers_of_callers_do_not_move() {
    let world = World::new();
    let first = world.fleet.first();
    let mut timer = pin!(first.sleep_until(Some(time::now())));
    let mut context = Context::from_waker(Waker::noop());
    assert!(timer.as_mut().poll(&mut context).is_pending());
    world.apply(&topology(&[1], |_| Some(0)), &BTreeSet::new());
    assert!(world.fleet.first().is(&first));
    first.link().keeper_turn(false);
    assert!(timer.as_mut().poll(&mut context).is_ready());
}

#[test]
fn the_links_end_with_the_manager() {
    let world = World::new();
    world.apply(&topology(&[1, 2], |slot| Some(slot.number() % 2)), &BTreeSet::new());
    let waits: Vec<_> =
        ["here", "there"].map(|key| world.queues.join(key, AcquireParams::with_ttl(TTL))).into();
    let links: Vec<_> =
        world.fleet.links().iter().map(|link| Arc::downgrade(link.link())).collect();
    let fleet = Arc::downgrade(&world.fleet);
    drop(waits);
    drop(world);
    assert!(fleet.upgrade().is_none());
    assert!(links.iter().all(|link| link.upgrade().is_none()));
}
