//! The links of a cluster: one for each node that has slots.
//!
//! A table says which link the requests of a slot go to. When a slot moves to another node, its
//! requests move to the link of that node, with both links locked. A caller that asks a link for
//! something looks at the table again once the link is locked.
//!
//! - *The first link* belongs to no node and never connects. It has the requests of the slots for
//!   which no node is known, at first of all slots: what ends a wait for a connection ends theirs.
//!   It also has the timers, which belong to no slot.
//! - *Living marks.* The marks of the nodes that have slots, by the latest discovery. If the tokens
//!   of a slot have the mark of one of them, the slot has come from there; see `open.lua`.
//!
//! What changes the table is in [`watch`].

#[cfg(test)]
mod tests;
pub(crate) mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;
use std::{io, mem};

use tokio::sync::oneshot;

use crate::backend::ConnectError;
use crate::backend::redis::address::NodeAddress;
use crate::backend::redis::cluster::topology::Topology;
use crate::backend::socket::Signal;
use crate::link::effect::{AnswerElsewhere, LookAnswer};
use crate::link::handle::LinkHandle;
use crate::link::router::{Router, TimerTarget};
use crate::link::wait::drive;
use crate::link::{Link, OtherLinks};
use crate::local::key_queue::{IoHandle, KeyQueue};
use crate::local::lease::{Answer, Callback};
use crate::protocol::node::LivingMarks;
use crate::protocol::request::{
    CommandError, CommandId, Failure, Redirect, ReleaseOutcome, RequestParams,
};
use crate::types::request_id::RequestId;
use crate::types::time::{self, Timestamp};
use crate::user_code;
use crate::wire::command::Command;
use crate::wire::keyspace::Keyspace;
use crate::wire::slot::Slot;

/// The place of the link that belongs to no node.
const NO_NODE: u16 = 0;

/// How long the link to a node without slots is kept after the last command to it. A slot that is
/// being moved there sends one with each renewal of a hold.
const KEEP_GUEST: Duration = Duration::from_secs(60);

/// How long a redirect counts against nodes that have not heard of the move. Between such nodes and
/// the one that redirects, requests would go back and forth.
const KEEP_REDIRECT: Duration = Duration::from_secs(5);

/// The node that a redirect names, by the node that has sent it.
pub(crate) type Resolve = Box<dyn Fn(&str, &NodeAddress) -> Option<NodeAddress> + Send + Sync>;

pub(crate) struct Fleet {
    space: Keyspace,
    table: RwLock<Arc<Table>>,
    living: Arc<LivingMarks>,
    resolve: Resolve,
    news: News,
    /// Held while the table is changed.
    changing: Mutex<()>,
}

/// Which link has which slots. Replaced as a whole.
#[derive(Clone)]
struct Table {
    /// For each slot the place of its link.
    owners: Vec<u16>,
    nodes: Vec<NodeLink>,
    /// The places of the nodes that have slots by the latest discovery, also while their requests
    /// are still to be moved.
    masters: BTreeSet<u16>,
}

#[derive(Clone)]
struct NodeLink {
    /// `None` for the first one.
    address: Option<NodeAddress>,
    link: LinkHandle,
}

/// What was heard of the cluster since it was last looked at.
struct News {
    /// Wakes the thread that looks.
    signal: Arc<Signal>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
pub(crate) struct Heard {
    /// The table may be out of date.
    pub(crate) is_doubtful: bool,
    /// A node has named another one.
    pub(crate) is_redirected: bool,
    /// What nodes have said about single slots lately.
    pub(crate) redirects: BTreeMap<Slot, Followed>,
    /// Where nodes have sent single commands, and when they did so last.
    guests: BTreeMap<NodeAddress, Timestamp>,
    /// Who waits for the next discovery.
    pub(crate) awaited: Vec<oneshot::Sender<Result<(), Failure>>>,
}

/// A redirect of a slot.
#[derive(Clone)]
pub(crate) struct Followed {
    from: NodeAddress,
    pub(crate) to: NodeAddress,
    at: Timestamp,
    /// The epoch of the first discovery after it that has found the slot elsewhere than at the node
    /// that has sent it. If later ones find it there, it has moved back.
    found_at: Option<u64>,
}

impl Followed {
    /// Adds this to what a discovery has found, if that still names the node that has sent it: the
    /// nodes that were asked may not have heard of the move, or of a failover. Returns the node
    /// that may have been replaced.
    fn follow(&self, found: &mut Topology, slot: Slot) -> Option<NodeAddress> {
        let Self { from, to, found_at, .. } = self;
        let is_newer = found_at.is_some_and(|epoch| found.epoch > epoch);
        if is_newer || found.owner_of(slot) != Some(from) || from == to {
            return None;
        }
        let known = found.nodes.iter().position(|node| node == to);
        let index = known.unwrap_or_else(|| {
            found.nodes.push(to.clone());
            found.nodes.len() - 1
        });
        found.owners[usize::from(slot.number())] = u16::try_from(index).ok();
        Some(from.clone())
    }
}

impl Heard {
    /// Nodes to which commands were sent lately although they may have no slots.
    pub(crate) fn guests(&self) -> BTreeSet<NodeAddress> {
        self.guests.keys().cloned().collect()
    }
}

impl News {
    fn add(&self, add: impl FnOnce(&mut Heard)) {
        add(&mut self.heard());
        self.signal.notify();
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn link(&self, slot: Slot) -> &LinkHandle {
        &self.nodes[usize::from(self.owners[usize::from(slot.number())])].link
    }

    fn node_of(&self, link: &Link) -> Option<&NodeLink> {
        self.nodes.iter().find(|node| std::ptr::eq(&raw const **node.link.link(), link))
    }

    fn place_of(&self, address: &NodeAddress) -> Option<u16> {
        let place = self.nodes.iter().position(|node| node.address.as_ref() == Some(address))?;
        u16::try_from(place).ok()
    }

    /// Without nodes that have no slots, except for the first and these.
    fn without_idle(&self, guests: &BTreeSet<NodeAddress>) -> Self {
        let mut has_slots = vec![false; self.nodes.len()];
        self.owners.iter().for_each(|&place| has_slots[usize::from(place)] = true);
        let mut places = vec![NO_NODE; self.nodes.len()];
        let mut nodes: Vec<NodeLink> = Vec::new();
        for (place, node) in self.nodes.iter().enumerate() {
            let stays = node.address.as_ref().is_none_or(|address| guests.contains(address));
            if stays || has_slots[place] {
                places[place] = u16::try_from(nodes.len()).unwrap_or(NO_NODE);
                nodes.push(node.clone());
            }
        }
        let new = |&place: &u16| places[usize::from(place)];
        let owners = self.owners.iter().map(new).collect();
        Self { owners, nodes, masters: self.masters.iter().map(new).collect() }
    }
}

impl Fleet {
    /// `first`: the link that belongs to no node.
    pub(crate) fn new(
        space: Keyspace,
        first: LinkHandle,
        living: Arc<LivingMarks>,
        resolve: Resolve,
    ) -> io::Result<Arc<Self>> {
        let signal = Arc::new(Signal::new()?);
        let first = NodeLink { address: None, link: first };
        let table = Table {
            owners: vec![NO_NODE; Slot::COUNT],
            nodes: vec![first],
            masters: BTreeSet::new(),
        };
        let fleet = Arc::new(Self {
            space,
            table: RwLock::new(Arc::new(table)),
            living,
            resolve,
            news: News { signal, heard: Mutex::default() },
            changing: Mutex::new(()),
        });
        let others: Weak<dyn OtherLinks> = Arc::downgrade(&fleet) as _;
        fleet.first().link().belong_to(others);
        Ok(fleet)
    }

    fn table(&self) -> Arc<Table> {
        self.look_up(Arc::clone)
    }

    /// Looks at the table, which must not take long: a change waits for it.
    fn look_up<R>(&self, look: impl FnOnce(&Arc<Table>) -> R) -> R {
        look(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, table: Table) -> Arc<Table> {
        let mut place = self.table.write().unwrap_or_else(PoisonError::into_inner);
        // The old one may have the last handle of a link: it is dropped by the caller, with no link
        // locked.
        mem::replace(&mut place, Arc::new(table))
    }

    /// The link that belongs to no node.
    pub(crate) fn first(&self) -> LinkHandle {
        self.look_up(|table| table.nodes[usize::from(NO_NODE)].link.clone())
    }

    pub(crate) fn links(&self) -> Vec<LinkHandle> {
        self.table().nodes.iter().map(|node| node.link.clone()).collect()
    }

    /// The links of all nodes that may have locks. The first one is among them while a slot belongs
    /// to no node.
    pub(crate) fn nodes(&self) -> Vec<(Option<NodeAddress>, LinkHandle)> {
        let table = self.table();
        let has_all = !table.owners.contains(&NO_NODE);
        let nodes = table.nodes.iter().skip(usize::from(has_all));
        nodes.map(|node| (node.address.clone(), node.link.clone())).collect()
    }

    /// Finds out which nodes have which slots, from now on. The channel is closed after a shutdown.
    pub(crate) fn discover(&self) -> oneshot::Receiver<Result<(), Failure>> {
        let (sender, receiver) = oneshot::channel();
        self.news.add(|heard| {
            if !self.news.signal.is_closed() {
                heard.awaited.push(sender);
            }
        });
        receiver
    }

    /// The link that has this key at present.
    pub(crate) fn link_of(&self, key: &str) -> LinkHandle {
        self.link_in(self.space.slot(key))
    }

    fn link_in(&self, slot: Slot) -> LinkHandle {
        self.look_up(|table| table.link(slot).clone())
    }

    pub(crate) fn has_in_one_slot(&self, keys: &[&str]) -> bool {
        let mut slots = keys.iter().map(|key| self.space.slot(key));
        slots.next().is_none_or(|first| slots.all(|slot| slot == first))
    }

    /// As [`Link::submit`], with the link of this key.
    pub(crate) fn submit<R>(
        &self,
        key: &str,
        ask: impl FnOnce(&mut Router, Timestamp) -> R,
    ) -> Option<R> {
        self.on_link_of(key, ask, |link, ask| link.submit(ask))
    }

    /// As [`Link::stage`], with the link of this key.
    pub(super) fn stage<R>(
        &self,
        key: &str,
        ask: impl FnOnce(&mut Router, Timestamp) -> R,
    ) -> Option<R> {
        self.on_link_of(key, ask, |link, ask| link.stage(ask))
    }

    fn on_link_of<R>(
        &self,
        key: &str,
        ask: impl FnOnce(&mut Router, Timestamp) -> R,
        mut post: impl FnMut(&Link, &mut dyn FnMut(&mut Router, Timestamp)) -> Option<()>,
    ) -> Option<R> {
        let slot = self.space.slot(key);
        let (mut ask, mut answer) = (Some(ask), None);
        while answer.is_none() {
            let link = self.link_in(slot);
            post(link.link(), &mut |router, now| {
                // The slot may have moved before the link was locked.
                if self.look_up(|table| table.link(slot).is(&link)) {
                    answer = ask.take().map(|ask| ask(router, now));
                }
            })?;
        }
        answer
    }

    /// Takes over what a discovery has found. `guests`: nodes to which commands are sent although
    /// they may have no slots. `doubted`: nodes that may have been replaced, although the discovery
    /// names them. An error if the link of a node cannot be opened.
    pub(crate) fn apply(
        self: &Arc<Self>,
        found: &Topology,
        guests: &BTreeSet<NodeAddress>,
        doubted: &BTreeSet<NodeAddress>,
        open: &mut dyn FnMut(&NodeAddress) -> io::Result<LinkHandle>,
    ) -> io::Result<()> {
        let _changing = self.lock_changes();
        if self.news.signal.is_closed() {
            return Ok(());
        }
        let mut table = Table::clone(&self.table());
        let mut has_slots = vec![false; found.nodes.len()];
        found.owners.iter().flatten().for_each(|&node| has_slots[usize::from(node)] = true);
        let used = found.nodes.iter().zip(has_slots).filter(|(_, has_slots)| *has_slots);
        for address in used.map(|(node, _)| node).chain(guests) {
            if table.place_of(address).is_none() {
                let link = open(address)?;
                let others: Weak<dyn OtherLinks> = Arc::downgrade(self) as _;
                link.link().belong_to(others);
                table.nodes.push(NodeLink { address: Some(address.clone()), link });
            }
        }
        let place_of = |node: &u16| table.place_of(&found.nodes[usize::from(*node)]);
        let places: Vec<_> = (0..).zip(&found.nodes).map(|(node, _)| place_of(&node)).collect();
        let owners: Vec<_> = found
            .owners
            .iter()
            .map(|owner| owner.and_then(|node| places[usize::from(node)]).unwrap_or(NO_NODE))
            .collect();
        let is_doubted = |place| {
            let address = &table.nodes[usize::from(place)].address;
            address.as_ref().is_none_or(|address| doubted.contains(address))
        };
        let mut has_slots = vec![false; table.nodes.len()];
        for &place in &owners {
            has_slots[usize::from(place)] = true;
        }
        let with_slots = (0..).zip(has_slots).filter(|&(_, has_slots)| has_slots);
        let with_slots = with_slots.map(|(place, _)| place);
        table.masters = with_slots.filter(|&place| !is_doubted(place)).collect();
        drop(self.publish(table.clone()));
        // Before a slot can be opened on the node that has got it: the one that had it may be gone.
        self.note_living();
        let moves = table.owners.iter().copied().zip(owners.iter().copied());
        let moves: BTreeSet<_> = moves.filter(|(from, to)| from != to).collect();
        for (from, to) in moves {
            let before = table.clone();
            for (owner, &new) in table.owners.iter_mut().zip(&owners) {
                if (*owner, new) == (from, to) {
                    *owner = to;
                }
            }
            let [old, new] = [from, to].map(|place| &table.nodes[usize::from(place)].link);
            let leaves = |slot: Slot| {
                let slot = usize::from(slot.number());
                before.owners[slot] == from && owners[slot] == to
            };
            let mut replaced = None;
            old.link().pass_on(new.link(), |from, to, now| {
                let taken = from.take(now, &self.space, &leaves);
                replaced = Some(self.publish(table.clone()));
                to.adopt(now, taken);
            });
            drop(replaced);
        }
        drop(self.publish(table.without_idle(guests)));
        Ok(())
    }

    /// Collects the marks of the nodes that have slots.
    pub(crate) fn note_living(&self) {
        let table = self.table();
        let links = table.masters.iter().map(|&place| table.nodes[usize::from(place)].link.link());
        self.living.set(links.filter_map(|link| link.mark()).collect());
    }

    /// Wakes the thread that looks for changes. Closed when the manager ends.
    pub(crate) fn signal(&self) -> Arc<Signal> {
        Arc::clone(&self.news.signal)
    }

    pub(crate) fn has_heard(&self, such: impl FnOnce(&Heard) -> bool) -> bool {
        such(&self.news.heard())
    }

    pub(crate) fn take_heard(&self, now: Timestamp) -> Heard {
        let mut heard = self.news.heard();
        heard.guests.retain(|_, asked| asked.plus(KEEP_GUEST) > now);
        heard.redirects.retain(|_, redirect| redirect.at.plus(KEEP_REDIRECT) > now);
        let (guests, redirects) = (heard.guests.clone(), heard.redirects.clone());
        mem::replace(&mut heard, Heard { redirects, guests, ..Heard::default() })
    }

    pub(crate) fn addresses(&self) -> Vec<NodeAddress> {
        self.table().nodes.iter().filter_map(|node| node.address.clone()).collect()
    }

    /// Adds the redirects that were known before a discovery to what that has found. Returns the
    /// nodes that may have been replaced.
    pub(crate) fn follow_redirects(
        &self,
        found: &mut Topology,
        before: &Heard,
    ) -> BTreeSet<NodeAddress> {
        let (mut doubted, mut news) = (BTreeSet::new(), self.news.heard());
        for (&slot, redirect) in &before.redirects {
            if let Some(known) = news.redirects.get_mut(&slot)
                && found.owner_of(slot) != Some(&redirect.from)
                && (&known.from, &known.to) == (&redirect.from, &redirect.to)
            {
                known.found_at.get_or_insert(found.epoch);
            }
            doubted.extend(redirect.follow(found, slot));
        }
        doubted
    }

    /// Nothing changes any more. Returns all links.
    pub(crate) fn close(&self) -> Vec<LinkHandle> {
        // A change that is under way may open links.
        let _changing = self.lock_changes();
        self.news.signal.close();
        let awaited = mem::take(&mut self.news.heard().awaited);
        drop(awaited);
        self.links()
    }

    /// Whether all slots have nodes, and these are connected. A node that has just become a replica
    /// may not know yet who has its slots.
    pub(crate) fn is_connected(&self) -> bool {
        let table = self.table();
        let is_connected = |node: &NodeLink| node.link.link().mark().is_some();
        !table.owners.contains(&NO_NODE) && table.nodes.iter().skip(1).all(is_connected)
    }

    /// Why no node is known.
    pub(crate) fn discovery_failed(&self, error: &ConnectError) {
        self.first().link().connect_failed(error);
    }

    fn resolve(&self, address: &str, from: &NodeLink) -> Option<NodeAddress> {
        (self.resolve)(address, from.address.as_ref()?)
    }

    fn lock_changes(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a command of deadlock detection to the node of its slot. Without an answer the channel
    /// is closed.
    pub(crate) fn look(&self, command: Command) -> oneshot::Receiver<LookAnswer> {
        let (sender, receiver) = oneshot::channel();
        if let Some(slot) = command.slot(&self.space) {
            self.link_in(slot).link().look(command, sender);
        }
        receiver
    }

    /// Waits for an answer, and reads the socket for it if nobody else does.
    fn answer<T: Send + 'static>(&self, key: &str, receiver: oneshot::Receiver<T>) -> Answer<T> {
        let link = Arc::clone(self.link_of(key).link());
        Box::pin(async move {
            drive(&link, user_code::with_guarded(receiver)).await.and_then(Result::ok)
        })
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.news.signal.close();
    }
}

impl OtherLinks for Fleet {
    fn stage(&self, key: &str, ask: &mut dyn FnMut(&mut Router, Timestamp)) {
        Self::stage(self, key, ask);
    }

    fn run(&self, key: &str) {
        self.link_of(key).link().run();
    }

    fn redirected(&self, from: &Link, Redirect { slot, address }: Redirect) {
        let table = self.table();
        let Some(node) = table.node_of(from) else { return };
        let redirect = node.address.clone().zip(self.resolve(&address, node));
        self.news.add(|heard| {
            heard.is_doubtful = true;
            heard.is_redirected = true;
            let followed = |(from, to)| Followed { from, to, at: time::now(), found_at: None };
            heard.redirects.extend(redirect.map(|redirect| (slot, followed(redirect))));
        });
    }

    fn look_again(&self) {
        self.news.add(|heard| heard.is_doubtful = true);
    }

    fn send_asking(&self, from: &Link, id: CommandId, command: Command, address: &str) {
        let table = self.table();
        let Some(node) = table.node_of(from) else { return };
        let (from, to) = (Arc::downgrade(node.link.link()), self.resolve(address, node));
        let place = to.as_ref().and_then(|to| table.place_of(to)).map(usize::from);
        let target = place.map(|place| &table.nodes[place].link);
        let answer: AnswerElsewhere = Box::new(move |reply| {
            if let Some(link) = from.upgrade() {
                link.submit(|router, now| router.answered_elsewhere(now, id, reply));
            }
        });
        self.news.heard().guests.extend(to.map(|to| (to, time::now())));
        let sent = match target {
            Some(to) => to.link().send_asking(command, answer),
            None => Err(answer),
        };
        if let Err(answer) = sent {
            let why = format!("{address}, to which the slot is being moved, is not connected yet");
            self.news.add(|heard| heard.is_doubtful = true);
            answer(Err(CommandError::TryAgain(why)));
        }
    }

    fn node_connected(&self) {
        self.note_living();
    }
}

impl IoHandle for Fleet {
    fn acquire(
        &self,
        request: RequestParams,
        replaces: Option<RequestId>,
        queue: Arc<KeyQueue>,
    ) -> bool {
        let key = Arc::clone(&request.key);
        let ask = move |router: &mut Router, now| router.acquire(now, request, replaces, queue);
        self.stage(&key, ask).is_some()
    }

    /// All keys are in one slot.
    fn acquire_all(&self, requests: Vec<(RequestParams, Arc<KeyQueue>)>) -> bool {
        let Some((first, _)) = requests.first() else { return true };
        let key = Arc::clone(&first.key);
        self.submit(&key, move |router, now| router.acquire_all(now, requests)).is_some()
    }

    fn release(&self, key: &str, id: RequestId) {
        self.stage(key, |router, now| router.release(now, id));
    }

    fn release_and_confirm(&self, key: &str, id: RequestId) -> Answer<ReleaseOutcome> {
        let (sender, receiver) = oneshot::channel();
        self.stage(key, |router, now| router.release_and_confirm(now, id, sender));
        self.answer(key, receiver)
    }

    fn keep_until(&self, key: &str, id: RequestId, until: Timestamp) {
        self.stage(key, |router, now| router.keep_until(now, id, until));
    }

    fn reset_max_hold(&self, key: &str, id: RequestId, at: Timestamp) {
        self.stage(key, |router, _| router.reset_max_hold(id, at));
    }

    fn set_timer(&self, at: Timestamp, queue: Weak<KeyQueue>) -> u64 {
        let set = |router: &mut Router, _| router.set_timer(at, TimerTarget::Queue(queue));
        let first = self.first();
        let number = first.link().stage(set).unwrap_or(0);
        first.link().remind_keeper();
        number
    }

    fn cancel_timer(&self, at: Timestamp, timer: u64) {
        self.first().link().stage(|router, _| router.cancel_timer(at, timer));
    }

    fn ensure_ttl(&self, key: &str, id: RequestId, ttl: Duration) {
        self.submit(key, |router, now| router.ensure_ttl(now, id, ttl));
    }

    fn renew_now(&self, key: &str, id: RequestId, ttl: Duration) -> Answer<Timestamp> {
        let (sender, receiver) = oneshot::channel();
        self.submit(key, |router, now| router.renew_now(now, id, ttl, sender));
        self.answer(key, receiver)
    }

    fn listens_late(&self) -> bool {
        true
    }

    fn run_callback(&self, callback: Callback) {
        self.first().link().run_callback(callback);
    }

    fn run(&self, key: &str) {
        OtherLinks::run(self, key);
    }
}
