//! A Redis Cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::Value;

use crate::launch::ReservedPort;
use crate::node::Node;
use crate::{Builder, FaultProxy, RedisServer, eventually};

/// An election takes about a second, and the start of all processes three.
const LIMIT: Duration = Duration::from_secs(60);
const PRIMARIES: usize = 3;
/// How long a replica tries to take the place of its primary after an order.
const GIVES_UP: Duration = Duration::from_secs(5);
/// By then all nodes have heard who has a slot, unless its owner has dropped it.
const HEARD: Duration = Duration::from_secs(5);
/// Keys in one MIGRATE.
const BATCH: &str = "100";

/// Three primaries with a third of the slots and a replica each, at first: nodes 0 to 2, and 3 to 5
/// in the same order. A replica takes the place of its primary when that is gone for half a second.
/// Each node has a [`FaultProxy`] before it. The nodes, and clients, know each other by the ports
/// of the proxies. What nodes say to each other about the state of the cluster passes no proxy.
///
/// Needs Redis 7.
///
/// ```
/// use testkit::Cluster;
///
/// # fn main() -> std::io::Result<()> {
/// let all = Cluster::start()?;
/// let slot = all.slot_of("account");
/// let other = (all.owner_of(slot) + 1) % 3;
/// all.migrate(slot, other);
/// assert_eq!(all.owner_of(slot), other);
/// all.fail_over(other);
/// assert_ne!(all.owner_of(slot), other);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<RedisServer>,
    /// One for each node, or none at all.
    proxies: Vec<FaultProxy>,
    ids: Vec<String>,
    /// For the messages between the nodes.
    bus_ports: Vec<ReservedPort>,
    has_dropped: AtomicBool,
}

impl Cluster {
    /// How many slots there are.
    pub const SLOTS: u16 = 16_384;
    /// How many nodes [`start`](Self::start) starts.
    pub const NODES: usize = 2 * PRIMARIES;

    /// Starts all nodes and waits until they agree on all slots and the replicas have copied their
    /// primaries.
    ///
    /// # Errors
    ///
    /// If a process cannot be started.
    pub fn start() -> io::Result<Self> {
        let bus_ports = bus_ports(Self::NODES)?;
        let nodes = bus_ports.iter().map(|port| {
            Node::start(|announced| {
                settings(port).arg("cluster-announce-port", announced.to_string())
            })
        });
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?.into_iter();
        let (nodes, proxies) = nodes.map(|node| (node.server, node.proxy)).unzip();
        Ok(Self::of(nodes, proxies, bus_ports, PRIMARIES))
    }

    /// So many primaries without replicas and without proxies: for measurements, and for tests in
    /// which no primary may be replaced, not even on a machine so busy that one does not answer in
    /// time.
    ///
    /// # Errors
    ///
    /// If a process cannot be started.
    pub fn bare(primaries: usize) -> io::Result<Self> {
        Self::bare_with(primaries, |_, builder| builder)
    }

    /// The same with more settings for each node, by its index.
    ///
    /// # Errors
    ///
    /// If a process cannot be started.
    pub fn bare_with(
        primaries: usize,
        settings_of: impl Fn(usize, Builder) -> Builder,
    ) -> io::Result<Self> {
        let bus_ports = bus_ports(primaries)?;
        let start = |(index, port)| settings_of(index, settings(port)).start();
        let nodes = bus_ports.iter().enumerate().map(start).collect::<Result<_, _>>()?;
        Ok(Self::of(nodes, Vec::new(), bus_ports, primaries))
    }

    fn of(
        nodes: Vec<RedisServer>,
        proxies: Vec<FaultProxy>,
        bus_ports: Vec<ReservedPort>,
        primaries: usize,
    ) -> Self {
        let ids = nodes.iter().map(|node| text(node.command(&["CLUSTER", "MYID"]))).collect();
        let has_dropped = AtomicBool::new(false);
        let all = Self { nodes, proxies, ids, bus_ports, has_dropped };
        all.introduce();
        all.assign_slots(primaries);
        all.replicate(primaries);
        all.wait_until_settled();
        all
    }

    /// `redis-cluster://127.0.0.1:PORT,…` with all nodes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis-cluster://{}", self.addresses().join(","))
    }

    /// `127.0.0.1:PORT` of each node.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let proxies = self.proxies.iter().map(FaultProxy::port);
        let nodes = self.nodes.iter().map(RedisServer::port);
        let ports = proxies.chain(nodes).take(self.nodes.len());
        ports.map(|port| format!("127.0.0.1:{port}")).collect()
    }

    /// One of the servers.
    #[must_use]
    pub fn node(&self, index: usize) -> &RedisServer {
        &self.nodes[index]
    }

    /// Between a node and its clients and replicas.
    ///
    /// # Panics
    ///
    /// If the cluster has none.
    #[must_use]
    pub fn proxy(&self, index: usize) -> &FaultProxy {
        &self.proxies[index]
    }

    /// The slot of a key.
    ///
    /// # Panics
    ///
    /// If no node answers.
    #[must_use]
    pub fn slot_of(&self, key: &str) -> u16 {
        let slot = self.nodes.iter().find_map(|node| node.ask::<u16>(&["CLUSTER", "KEYSLOT", key]));
        slot.expect("a node answers")
    }

    /// The node that serves a slot: the primary with the newest claim to it. Waits for one.
    ///
    /// # Panics
    ///
    /// If there is none for long.
    #[must_use]
    pub fn owner_of(&self, slot: u16) -> usize {
        let mut owner = None;
        self.eventually("a node serves the slot", || {
            owner = claimant(&self.claims(), slot);
            owner.is_some()
        });
        owner.expect("the loop ends when there is one")
    }

    /// The primaries with slots.
    #[must_use]
    pub fn primaries(&self) -> Vec<usize> {
        self.claims().into_iter().map(|(index, _)| index).collect()
    }

    /// The slots that a node serves, by what it says itself.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    #[must_use]
    pub fn slots_of(&self, index: usize) -> Vec<u16> {
        let view = self.view_of(index).expect("the node answers");
        view.slots.into_iter().flatten().collect()
    }

    /// The replica of a primary, or the primary of a replica.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn partner_of(&self, index: usize) -> usize {
        let primary_of = |index: usize| {
            let view = self.view_of(index)?;
            self.ids.iter().position(|id| *id == view.primary)
        };
        let replica_of = || (0..self.nodes.len()).find(|&other| primary_of(other) == Some(index));
        primary_of(index).or_else(replica_of).expect("the node has a partner")
    }

    /// Has the replica of a primary take its place, without losing anything, and waits for it.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn fail_over(&self, primary: usize) {
        self.order_failover(primary, &[]);
        self.wait_until_settled();
    }

    /// Orders the replica of a primary to take its place, with the options of `CLUSTER FAILOVER`,
    /// and waits until it has slots.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn order_failover(&self, primary: usize, options: &[&str]) {
        let replica = self.partner_of(primary);
        let order = [&["CLUSTER", "FAILOVER"], options].concat();
        let mut ordered: Option<Instant> = None;
        eventually(LIMIT, "the replica has taken the place of its primary", || {
            // It refuses while it has not copied its primary, and gives up without the votes of
            // others, which give none for a second after the last one.
            if ordered.is_none_or(|at| at.elapsed() > GIVES_UP) {
                ordered = self.node(replica).ask::<Value>(&order).map(|_| Instant::now());
            }
            self.has_slots(replica)
        });
    }

    /// Waits until this node is a primary with slots.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn wait_for_primary(&self, index: usize) {
        eventually(LIMIT, "the node is a primary", || self.has_slots(index));
    }

    fn has_slots(&self, index: usize) -> bool {
        self.view_of(index).is_some_and(|view| !view.slots.is_empty())
    }

    /// Kills a primary after it has executed something that its replica has not copied. Returns the
    /// replica, which will take its place. [`RedisServer::restart`] starts the old one again.
    #[cfg(target_os = "linux")]
    pub fn crash_with_loss(&self, primary: usize, meanwhile: impl FnOnce(&RedisServer)) -> usize {
        let replica = self.partner_of(primary);
        self.proxy(primary).isolate(&[self.node(replica).pid()]);
        meanwhile(self.node(primary));
        self.node(primary).kill();
        self.proxy(primary).isolate(&[]);
        replica
    }

    /// Ends all that was done to the nodes and to what is between them: starts those that were
    /// killed and waits until all is well and the replicas have what their primaries have.
    ///
    /// # Errors
    ///
    /// If a process cannot be started.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn heal(&self) -> io::Result<()> {
        self.heal_proxies();
        for node in &self.nodes {
            if node.is_running() {
                node.resume();
            } else {
                node.restart()?;
            }
        }
        self.wait_until_settled();
        self.primaries().into_iter().for_each(|primary| self.wait_for_copy(primary));
        Ok(())
    }

    /// Ends all faults of the proxies.
    pub fn heal_proxies(&self) {
        self.proxies.iter().for_each(FaultProxy::heal);
    }

    /// Waits until the replica of a primary has all that this has executed by now, and gets all
    /// that it will execute at once.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn wait_for_copy(&self, primary: usize) {
        let (replica, primary) = (self.node(self.partner_of(primary)), self.node(primary));
        // A replica that has just copied its primary gets nothing before it has acknowledged that.
        eventually(LIMIT, "the replica is served", || {
            let info: Option<String> = primary.ask(&["INFO", "replication"]);
            info.is_some_and(|info| info.contains("state=online"))
        });
        primary.wait_for_copy(replica);
    }

    /// Kills a node if it is running, and starts it again at another address.
    ///
    /// # Errors
    ///
    /// If the process cannot be started.
    pub fn restart_elsewhere(&mut self, index: usize) -> io::Result<()> {
        let node = &mut self.nodes[index];
        node.kill();
        let proxy = FaultProxy::start(node)?;
        node.set("cluster-announce-port", proxy.port().to_string());
        self.proxies[index] = proxy;
        node.restart()
    }

    /// Moves a slot with all its keys: the three steps of a resharding tool.
    pub fn migrate(&self, slot: u16, to: usize) {
        self.reshard(&[slot], to);
    }

    /// Moves many slots to one node, one after the other, as fast as a resharding tool does. Other
    /// nodes hear of it from the new owner, and are not told: see
    /// [`take_dropped`](Self::take_dropped).
    ///
    /// # Panics
    ///
    /// If a node does not answer or refuses.
    pub fn reshard(&self, slots: &[u16], to: usize) {
        let claims = self.claims();
        let owner = |&slot| (slot, claimant(&claims, slot).expect("a node serves the slot"));
        let moves: Vec<_> = slots.iter().map(owner).filter(|(_, from)| *from != to).collect();
        let mut links: Vec<_> =
            self.nodes.iter().map(|node| node.is_running().then(|| node.connection())).collect();
        let mut tell = |node: usize, words: &[&str]| {
            let link = links[node].as_mut().expect("the primary runs");
            let answer = redis::cmd("CLUSTER").arg("SETSLOT").arg(words).query::<Value>(link);
            answer.unwrap_or_else(|error| panic!("CLUSTER SETSLOT {words:?}: {error}"));
        };
        for &(slot, from) in &moves {
            let number = slot.to_string();
            tell(to, &[&number, "IMPORTING", &self.ids[from]]);
            tell(from, &[&number, "MIGRATING", &self.ids[to]]);
            self.move_keys(slot, from, to);
            // The new owner first: if it ended before it knew, no node would have the slot.
            tell(to, &[&number, "NODE", &self.ids[to]]);
            tell(from, &[&number, "NODE", &self.ids[to]]);
        }
        self.wait_until_known(slots, to);
    }

    /// The slot is open: its old node asks others to look at the new one for keys that it does not
    /// have.
    pub fn begin_migration(&self, slot: u16, to: usize) {
        let from = self.owner_of(slot);
        let number = slot.to_string();
        let set = ["CLUSTER", "SETSLOT", &number];
        self.node(to).command(&[&set[..], &["IMPORTING", &self.ids[from]]].concat());
        self.node(from).command(&[&set[..], &["MIGRATING", &self.ids[to]]].concat());
    }

    /// Moves the keys of an open slot.
    ///
    /// # Panics
    ///
    /// If a key cannot be moved, for example because the new node has one of that name.
    pub fn migrate_keys(&self, slot: u16, to: usize) {
        self.move_keys(slot, self.owner_of(slot), to);
    }

    /// The slot is the new node's. All running nodes learn of it.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn end_migration(&self, slot: u16, to: usize) {
        let from = self.owner_of(slot);
        let words = ["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &self.ids[to]];
        self.node(to).command(&words);
        self.node(from).command(&words);
        self.wait_until_known(&[slot], to);
    }

    fn move_keys(&self, slot: u16, from: usize, to: usize) {
        let (slot, port) = (slot.to_string(), self.node(to).port().to_string());
        let mut link = self.node(from).connection();
        eventually(LIMIT, "all keys of the slot have moved", || {
            loop {
                let mut command = redis::cmd("CLUSTER");
                command.arg("GETKEYSINSLOT").arg(&slot).arg(BATCH);
                let keys: Vec<String> = command.query(&mut link).expect("a list of names");
                if keys.is_empty() {
                    return true;
                }
                let mut command = redis::cmd("MIGRATE");
                command.arg(&["127.0.0.1", &port, "", "0", "10000", "KEYS"]).arg(&keys);
                if let Err(error) = command.query::<Value>(&mut link) {
                    // On a busy machine one of the two has not heard of most others at times.
                    let is_down = error.to_string().to_lowercase().contains("clusterdown");
                    assert!(is_down, "MIGRATE {keys:?}: {error}");
                    return false;
                }
            }
        });
    }

    /// Whether a node has dropped a slot, with all its keys, since this was asked last. It has the
    /// slot again, without the keys.
    ///
    /// Redis 7.0 from 7.0.13 on, and 7.2 before 7.2.4, do that rarely ([a bug]). A node notes that
    /// the owner of a slot has stopped to claim it, and forgets to delete the note when SETSLOT
    /// gives the slot to another one. Then it believes the next node that claims the slot, however
    /// old the claim is, also when it has the slot itself by then. The more nodes are told of a
    /// move, the more such notes there are.
    ///
    /// [a bug]: https://github.com/redis/redis/pull/12564
    #[must_use]
    pub fn take_dropped(&self) -> bool {
        self.has_dropped.swap(false, Ordering::Relaxed)
    }

    /// Gives slots that no node claims back to the primaries that have them by what others say.
    fn restore_dropped(&self) {
        let claims = self.claims();
        for (index, _) in &claims {
            let id = &self.ids[*index];
            let others = self.running().flat_map(lines_of).filter(|line| line.id == *id);
            let heard: BTreeSet<u16> = others.flat_map(|line| line.slots).flatten().collect();
            for slot in heard.into_iter().filter(|&slot| claimant(&claims, slot).is_none()) {
                let words = ["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", id];
                self.node(*index).command(&words);
                self.has_dropped.store(true, Ordering::Relaxed);
            }
        }
    }

    /// [`eventually`], and an operator who looks after the slots if it takes long.
    fn eventually(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let (start, mut is_restored) = (Instant::now(), false);
        eventually(LIMIT, what, || {
            let is_met = condition();
            if !is_met && !is_restored && start.elapsed() > HEARD {
                is_restored = true;
                self.restore_dropped();
            }
            is_met
        });
    }

    /// They also have to know the epochs of all claims: one that takes a slot next and does not
    /// know the newest epoch makes a claim that is not newer.
    fn wait_until_known(&self, slots: &[u16], to: usize) {
        self.eventually("all nodes know where the slots are", || {
            let views: Vec<_> = self.running().map(lines_of).collect();
            views.iter().all(|lines| {
                let new = lines.iter().find(|line| line.id == self.ids[to] && !line.is_failed);
                new.is_some_and(|new| slots.iter().all(|&slot| new.serves(slot)))
                    && epochs(lines).is_some_and(|known| Some(known) == epochs(&views[0]))
            })
        });
    }

    /// Waits until all nodes that run serve requests, primaries also writes, are connected to each
    /// other, agree which of them have the slots and that no such node has failed, and until all
    /// replicas are connected to their primaries.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn wait_until_settled(&self) {
        self.eventually("the cluster has settled", || {
            let claims = self.claims();
            let served: usize = claims.iter().map(|(_, view)| count(&view.slots)).sum();
            let running = self.running().count();
            served == usize::from(Self::SLOTS)
                && self.running().all(|node| is_settled(node, running, &claims))
        });
    }

    fn running(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().filter(|node| node.is_running())
    }

    /// The primaries with slots, by what they say themselves.
    fn claims(&self) -> Vec<(usize, NodeLine)> {
        let views = (0..self.nodes.len()).filter_map(|index| Some((index, self.view_of(index)?)));
        views.filter(|(_, view)| !view.slots.is_empty()).collect()
    }

    /// What a node says of itself.
    fn view_of(&self, index: usize) -> Option<NodeLine> {
        lines_of(self.node(index)).into_iter().find(|line| line.is_itself)
    }

    fn introduce(&self) {
        for (index, node) in self.nodes.iter().enumerate() {
            let epoch = (index + 1).to_string();
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
        }
        let first = &self.nodes[0];
        let (port, bus) = (first.port().to_string(), self.bus_ports[0].number().to_string());
        for node in &self.nodes[1..] {
            node.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        eventually(LIMIT, "all nodes know each other", || {
            self.nodes.iter().all(|node| {
                let lines = lines_of(node);
                self.ids.iter().all(|id| lines.iter().any(|line| line.id == *id))
            })
        });
    }

    fn assign_slots(&self, primaries: usize) {
        let each = usize::from(Self::SLOTS).div_ceil(primaries);
        for index in 0..primaries {
            let (first, next) = (each * index, usize::from(Self::SLOTS).min(each * (index + 1)));
            let range = [first, next - 1].map(|slot| slot.to_string());
            self.node(index).command(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]);
        }
    }

    fn replicate(&self, primaries: usize) {
        for replica in primaries..self.nodes.len() {
            let primary = &self.ids[replica - primaries];
            self.node(replica).command(&["CLUSTER", "REPLICATE", primary]);
        }
    }
}

fn bus_ports(count: usize) -> io::Result<Vec<ReservedPort>> {
    (0..count).map(|_| ReservedPort::for_server()).collect()
}

fn settings(bus_port: &ReservedPort) -> Builder {
    let builder = RedisServer::builder()
        .arg("cluster-enabled", "yes")
        .arg("cluster-port", bus_port.number().to_string())
        .arg("cluster-announce-ip", "127.0.0.1")
        .arg("cluster-announce-bus-port", bus_port.number().to_string());
    builder
        .arg("cluster-node-timeout", "500")
        // A part of the cluster goes on without the others.
        .arg("cluster-require-full-coverage", "no")
        // A replica may be without its primary for as long as a test wants.
        .arg("cluster-replica-validity-factor", "0")
        .arg("cluster-allow-replica-migration", "no")
        .arg("repl-diskless-sync-delay", "0")
}

/// The node that serves a slot: the one with the newest claim to it.
fn claimant(claims: &[(usize, NodeLine)], slot: u16) -> Option<usize> {
    let claims = claims.iter().filter(|(_, view)| view.serves(slot));
    claims.max_by_key(|(_, view)| view.epoch).map(|(index, _)| *index)
}

/// What a line of CLUSTER NODES says.
struct NodeLine {
    id: String,
    is_itself: bool,
    is_failed: bool,
    is_connected: bool,
    /// The id of its primary; `-` if it is one.
    primary: String,
    epoch: u64,
    slots: Vec<RangeInclusive<u16>>,
}

impl NodeLine {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split_whitespace().collect();
        let [id, _, flags, primary, _, _, epoch, state, slots @ ..] = &words[..] else {
            return None;
        };
        let range = |word: &&str| {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            Some(first.parse().ok()?..=last.parse().ok()?)
        };
        Some(Self {
            id: (*id).to_owned(),
            is_itself: flags.contains("myself"),
            is_failed: flags.contains("fail"),
            is_connected: *state == "connected",
            primary: (*primary).to_owned(),
            epoch: epoch.parse().ok()?,
            // Slots that are open are in brackets, and no range.
            slots: slots.iter().filter_map(range).collect(),
        })
    }

    fn is_primary(&self) -> bool {
        self.primary == "-"
    }

    fn serves(&self, slot: u16) -> bool {
        self.slots.iter().any(|slots| slots.contains(&slot))
    }
}

fn lines_of(node: &RedisServer) -> Vec<NodeLine> {
    let list: Option<String> = node.ask(&["CLUSTER", "NODES"]);
    list.iter().flat_map(|list| list.lines()).filter_map(NodeLine::parse).collect()
}

/// The primaries by their epochs; none while two have the same.
fn epochs(lines: &[NodeLine]) -> Option<BTreeMap<u64, &str>> {
    let primaries = lines.iter().filter(|line| line.is_primary() && !line.is_failed);
    let pairs: Vec<_> = primaries.map(|line| (line.epoch, line.id.as_str())).collect();
    let epochs: BTreeMap<_, _> = pairs.iter().copied().collect();
    (epochs.len() == pairs.len()).then_some(epochs)
}

fn is_settled(node: &RedisServer, running: usize, claims: &[(usize, NodeLine)]) -> bool {
    let lines = lines_of(node);
    // A node that has heard that a primary is none any more has no owner of its slots until it
    // hears of the new one.
    let knows = |claim: &NodeLine| {
        lines.iter().any(|line| (&line.id, &line.slots) == (&claim.id, &claim.slots))
    };
    let is_replica = lines.iter().any(|line| line.is_itself && !line.is_primary());
    let info: String = node.ask(&["CLUSTER", "INFO"]).unwrap_or_default();
    // A primary that was told of a failover takes no writes until that is over or given up, which
    // may be ten seconds later.
    let takes_writes = || node.ask::<u64>(&["PUBLISH", "settled", ""]).is_some();
    info.contains("cluster_state:ok")
        && (is_replica || takes_writes())
        && claims.iter().all(|(_, claim)| knows(claim))
        && lines.iter().filter(|line| !line.is_failed && line.is_connected).count() == running
        && (!is_replica || node.replication_says("master_link_status:up"))
}

fn count(slots: &[RangeInclusive<u16>]) -> usize {
    slots.iter().map(ExactSizeIterator::len).sum()
}

fn text(value: Value) -> String {
    redis::from_redis_value(value).expect("a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(node: &RedisServer, key: &str) -> Result<Option<String>, String> {
        let answer = redis::cmd("GET").arg(key).query(&mut node.connection());
        answer.map_err(|error| error.to_string())
    }

    #[test]
    fn a_slot_migrates_in_three_steps() {
        let all = Cluster::start().unwrap();
        let slot = all.slot_of("{tag}1");
        let (from, to) = (all.owner_of(slot), (all.owner_of(slot) + 1) % PRIMARIES);
        for number in 0..250 {
            all.node(from).command(&["SET", &format!("{{tag}}{number}"), "1"]);
        }
        all.begin_migration(slot, to);
        assert_eq!(get(all.node(from), "{tag}1"), Ok(Some("1".to_owned())));
        let asks = get(all.node(from), "{tag}none").unwrap_err();
        assert!(asks.contains(&format!("127.0.0.1:{}", all.proxy(to).port())), "{asks}");
        all.migrate_keys(slot, to);
        assert!(get(all.node(from), "{tag}1").is_err(), "it was moved");
        all.end_migration(slot, to);
        assert_eq!(get(all.node(to), "{tag}249"), Ok(Some("1".to_owned())));
        assert_eq!(all.owner_of(slot), to);
    }

    #[test]
    fn many_slots_move_and_bare_nodes_have_no_proxies() {
        let all = Cluster::bare(2).unwrap();
        assert_eq!(all.addresses()[0], format!("127.0.0.1:{}", all.node(0).port()));
        let slot = all.slot_of("{tag}");
        let (from, to) = (all.owner_of(slot), 1 - all.owner_of(slot));
        all.node(from).command(&["SET", "{tag}", "1"]);
        let slots: Vec<_> = (0..50).chain([slot]).collect();
        all.reshard(&slots, to);
        assert_eq!(get(all.node(to), "{tag}"), Ok(Some("1".to_owned())));
        assert!(slots.into_iter().all(|slot| all.owner_of(slot) == to));
        all.wait_until_settled();
    }

    #[test]
    fn keys_move_once_the_cluster_is_up() {
        let all = Cluster::bare(3).unwrap();
        let slot = all.slot_of("kept");
        let from = all.owner_of(slot);
        let (to, third) = ((from + 1) % 3, (from + 2) % 3);
        let unknown = all.slots_of(third)[0].to_string();
        all.node(from).command(&["SET", "kept", "1"]);
        all.begin_migration(slot, to);
        // One that knows no owner of a slot says that the cluster is down.
        let needs_all = |node: usize, yes| {
            all.node(node).command(&["CONFIG", "SET", "cluster-require-full-coverage", yes]);
        };
        let forgets = |node: usize| {
            all.node(node).ask::<Value>(&["CLUSTER", "DELSLOTS", &unknown]);
        };
        let is_down = |node: usize| {
            let info: Option<String> = all.node(node).ask(&["CLUSTER", "INFO"]);
            info.is_some_and(|info| info.contains("cluster_state:fail"))
        };
        forgets(third);
        for node in [from, to] {
            needs_all(node, "yes");
        }
        eventually(LIMIT, "the cluster is down", || {
            [from, to].into_iter().for_each(forgets);
            is_down(from) && is_down(to)
        });
        std::thread::scope(|scope| {
            let moving = scope.spawn(|| all.migrate_keys(slot, to));
            for node in [from, to] {
                eventually(LIMIT, "the keys are refused", || {
                    forgets(node);
                    let stats: String = all.node(node).ask(&["INFO", "errorstats"]).unwrap();
                    stats.contains("errorstat_CLUSTERDOWN")
                });
                needs_all(node, "no");
            }
            moving.join().unwrap();
        });
        all.end_migration(slot, to);
        assert_eq!(get(all.node(to), "kept"), Ok(Some("1".to_owned())));
    }

    #[test]
    fn only_two_nodes_are_told_of_a_move() {
        let all = Cluster::bare(3).unwrap();
        all.migrate(0, 1);
        let is_told = |node: &usize| {
            let stats: Option<String> = all.node(*node).ask(&["INFO", "commandstats"]);
            stats.expect("the node answers").contains("cmdstat_cluster|setslot:")
        };
        assert_eq!((0..3).filter(is_told).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_slot_that_was_dropped_is_given_back() {
        let all = Cluster::bare(3).unwrap();
        assert!(!all.take_dropped());
        all.node(1).command(&["CLUSTER", "DELSLOTS", "6000"]);
        all.wait_until_settled();
        assert_eq!(all.owner_of(6000), 1);
        assert!(all.take_dropped());
        assert!(!all.take_dropped());
    }

    #[test]
    fn a_replica_takes_the_place_of_its_primary() {
        let all = Cluster::start().unwrap();
        let slot = all.slot_of("kept");
        let old = all.owner_of(slot);
        all.node(old).command(&["SET", "kept", "1"]);
        all.fail_over(old);
        let new = all.owner_of(slot);
        assert_eq!(all.partner_of(old), new);
        assert_eq!(get(all.node(new), "kept"), Ok(Some("1".to_owned())));
        all.node(new).kill();
        all.wait_for_primary(old);
        assert_eq!(all.owner_of(slot), old);
        all.wait_until_settled();
        all.node(new).restart().unwrap();
        all.wait_until_settled();
    }

    #[test]
    fn a_node_is_found_at_another_address() {
        let mut all = Cluster::start().unwrap();
        let slot = all.slot_of("kept");
        let (old, before) = (all.owner_of(slot), all.addresses());
        all.node(old).command(&["SET", "kept", "1"]);
        all.wait_for_copy(old);
        let new = all.partner_of(old);
        all.node(old).kill();
        all.wait_for_primary(new);
        all.restart_elsewhere(old).unwrap();
        all.heal().unwrap();
        assert_ne!(all.addresses()[old], before[old]);
        all.fail_over(new);
        assert_eq!(get(all.node(old), "kept"), Ok(Some("1".to_owned())));
        let asks = get(all.node(new), "kept").unwrap_err();
        assert!(asks.contains(&all.addresses()[old]), "{asks}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_crash_with_loss_loses_what_the_replica_does_not_have() {
        let all = Cluster::start().unwrap();
        let slot = all.slot_of("{tag}");
        let old = all.owner_of(slot);
        all.node(old).command(&["SET", "{tag}kept", "1"]);
        let replica = all.partner_of(old);
        eventually(LIMIT, "the replica has it", || {
            all.node(replica).command(&["DBSIZE"]) == Value::Int(1)
        });
        let new = all.crash_with_loss(old, |primary| {
            primary.command(&["SET", "{tag}lost", "1"]);
        });
        all.wait_for_primary(new);
        eventually(LIMIT, "it serves the slot", || {
            all.node(new).ask(&["EXISTS", "{tag}kept", "{tag}lost"]) == Some(1)
        });
    }
}
