//! A primary and two replicas that three Sentinels watch.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use redis::Value;

use crate::node::Node;
use crate::{FaultProxy, RedisServer, eventually};

/// A failover takes about a second, and the start of all processes two.
const LIMIT: Duration = Duration::from_secs(60);
const COUNT: usize = 3;

/// Three servers, at first one primary with two replicas, and three Sentinels that promote one of
/// the replicas when the primary is gone for 600 ms. Each process has a [`FaultProxy`] before it,
/// and all of them, and clients, know each other by the ports of the proxies.
///
/// ```
/// use testkit::Sentinels;
///
/// # fn main() -> std::io::Result<()> {
/// let all = Sentinels::start()?;
/// let old = all.primary();
/// all.server(old).kill();
/// all.wait_for_another_primary(old);
/// assert_ne!(all.primary(), old);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<Node>,
    sentinels: Vec<Node>,
}

impl Sentinels {
    /// The name by which the Sentinels know the primary.
    pub const NAME: &str = "locks";

    /// Starts all processes and waits until the replicas have copied the primary, and the Sentinels
    /// know each other and the replicas.
    ///
    /// # Errors
    ///
    /// If a process cannot be started.
    pub fn start() -> io::Result<Self> {
        let servers: Vec<_> = (0..COUNT).map(|_| start_server()).collect::<Result<_, _>>()?;
        let sentinels = (0..COUNT).map(|_| start_sentinel()).collect::<Result<_, _>>()?;
        let all = Self { servers, sentinels };
        let port = all.servers[0].proxy.port().to_string();
        for Node { server, .. } in &all.servers[1..] {
            server.command(&["REPLICAOF", "127.0.0.1", &port]);
        }
        all.wait_until_copied();
        for node in &all.sentinels {
            watch(node, &port);
        }
        all.wait_until_settled();
        Ok(all)
    }

    /// `redis-sentinel://127.0.0.1:PORT,127.0.0.1:PORT,127.0.0.1:PORT/locks/0`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis-sentinel://{}/{}/0", self.addresses().join(","), Self::NAME)
    }

    /// `127.0.0.1:PORT` of each Sentinel.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let address = |node: &Node| format!("127.0.0.1:{}", node.proxy.port());
        self.sentinels.iter().map(address).collect()
    }

    /// One of the three servers.
    #[must_use]
    pub fn server(&self, index: usize) -> &RedisServer {
        &self.servers[index].server
    }

    /// Between a server and everybody else.
    #[must_use]
    pub fn server_proxy(&self, index: usize) -> &FaultProxy {
        &self.servers[index].proxy
    }

    /// One of the three Sentinels.
    #[must_use]
    pub fn sentinel(&self, index: usize) -> &RedisServer {
        &self.sentinels[index].server
    }

    /// Between a Sentinel and everybody else.
    #[must_use]
    pub fn sentinel_proxy(&self, index: usize) -> &FaultProxy {
        &self.sentinels[index].proxy
    }

    /// The server that a majority of the Sentinels takes for the primary.
    ///
    /// # Panics
    ///
    /// If there is none for long.
    #[must_use]
    pub fn primary(&self) -> usize {
        let mut found = None;
        eventually(LIMIT, "a majority of the Sentinels names a primary", || {
            found = self.named_by_a_majority();
            found.is_some()
        });
        found.expect("the loop ends when there is one")
    }

    /// Waits until a majority of the Sentinels takes another server than this one for the primary,
    /// and that one is.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn wait_for_another_primary(&self, old: usize) {
        eventually(LIMIT, "another server is the primary", || {
            let new = self.named_by_a_majority().filter(|&new| new != old);
            new.is_some_and(|new| self.server(new).replication_says("role:master"))
        });
    }

    /// Has the Sentinels promote a replica although the primary is well, as an operator does for
    /// maintenance, and waits for it. The primary becomes a replica.
    pub fn fail_over(&self) {
        let old = self.primary();
        // It is refused while the one before is not over, and by a Sentinel that is gone.
        eventually(LIMIT, "a Sentinel starts the failover", || {
            self.running_sentinels().any(|sentinel| {
                sentinel.ask::<Value>(&["SENTINEL", "FAILOVER", Self::NAME]).is_some()
            })
        });
        self.wait_for_another_primary(old);
    }

    /// Kills the primary after it has executed something that no replica has copied. Returns which
    /// one it was. [`RedisServer::restart`] starts it again.
    #[cfg(target_os = "linux")]
    pub fn crash_with_loss(&self, meanwhile: impl FnOnce(&RedisServer)) -> usize {
        let primary = self.primary();
        let others: Vec<_> = (0..COUNT).filter(|&server| server != primary).collect();
        let replicas: Vec<_> = others.iter().map(|&server| self.server(server).pid()).collect();
        self.server_proxy(primary).isolate(&replicas);
        meanwhile(self.server(primary));
        self.server(primary).kill();
        self.server_proxy(primary).isolate(&[]);
        primary
    }

    /// Cuts the network in two: on one side the primary, the first Sentinel and the processes of
    /// `minority`, on the other the rest and the processes of `majority`. Nothing passes between
    /// the sides until [`heal`](Self::heal). Returns the primary of the smaller side.
    #[cfg(target_os = "linux")]
    #[allow(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn partition(&self, minority: &[u32], majority: &[u32]) -> usize {
        let primary = self.primary();
        let is_small = |node: &&Node| {
            std::ptr::eq(*node, &raw const self.servers[primary])
                || std::ptr::eq(*node, &raw const self.sentinels[0])
        };
        let (small, large): (Vec<_>, Vec<_>) =
            self.servers.iter().chain(&self.sentinels).partition(is_small);
        let processes = |nodes: &[&Node], others: &[u32]| -> Vec<u32> {
            nodes.iter().map(|node| node.server.pid()).chain(others.iter().copied()).collect()
        };
        let of_small = processes(&small, minority);
        let of_large = processes(&large, majority);
        for (side, others) in [(small, of_large), (large, of_small)] {
            for node in side {
                node.proxy.isolate(&others);
            }
        }
        primary
    }

    /// Ends a partition, and all other faults of the proxies.
    pub fn heal(&self) {
        self.servers.iter().chain(&self.sentinels).for_each(|node| node.proxy.heal());
    }

    /// Three Sentinels that watch a server without replicas, and the URL by which they are asked.
    /// There is no proxy before any of them, so nothing is added to what clients and the server do.
    ///
    /// # Errors
    ///
    /// If a process cannot be started.
    pub fn watching(server: &RedisServer) -> io::Result<(Vec<RedisServer>, String)> {
        let start = || RedisServer::builder().sentinel().start();
        let sentinels: Vec<_> = (0..COUNT).map(|_| start()).collect::<Result<_, _>>()?;
        for sentinel in &sentinels {
            let port = server.port().to_string();
            sentinel.command(&["SENTINEL", "MONITOR", Self::NAME, "127.0.0.1", &port, "2"]);
        }
        let address = |sentinel: &RedisServer| format!("127.0.0.1:{}", sentinel.port());
        let addresses: Vec<_> = sentinels.iter().map(address).collect();
        Ok((sentinels, format!("redis-sentinel://{}/{}", addresses.join(","), Self::NAME)))
    }

    /// Waits until two servers, of three that run, have copied the third and acknowledged it.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn wait_until_copied(&self) {
        eventually(LIMIT, "the replicas have copied the primary", || {
            let has_copied = |node: &&Node| node.server.replication_says("master_link_status:up");
            self.servers.iter().filter(has_copied).count() == COUNT - 1
        });
        let is_primary = |node: &&Node| node.server.replication_says("role:master");
        let primary = self.servers.iter().find(is_primary).expect("they copy a primary");
        primary.server.wait_for_acknowledgment(COUNT - 1);
    }

    /// Waits until each Sentinel that runs knows the others and two replicas that are well.
    ///
    /// # Panics
    ///
    /// If that takes too long.
    pub fn wait_until_settled(&self) {
        for sentinel in self.running_sentinels() {
            eventually(LIMIT, "the Sentinel knows all others and the replicas", || {
                let reported = |name: &str| primary_known_to(sentinel)?.remove(name);
                let well = |what: &str| {
                    let listed: Option<Vec<HashMap<String, String>>> =
                        sentinel.ask(&["SENTINEL", what, Self::NAME]);
                    listed.is_some_and(|listed| {
                        listed.iter().all(|one| {
                            !one["flags"].contains("down") && !one["flags"].contains("disconnected")
                        })
                    })
                };
                reported("num-other-sentinels").as_deref() == Some("2")
                    && reported("num-slaves").as_deref() == Some("2")
                    && well("REPLICAS")
                    && well("SENTINELS")
            });
        }
    }

    fn running_sentinels(&self) -> impl Iterator<Item = &RedisServer> {
        self.sentinels.iter().map(|node| &node.server)
    }

    fn named_by_a_majority(&self) -> Option<usize> {
        let named: Vec<_> = self
            .running_sentinels()
            .filter_map(|sentinel| {
                let reported = primary_known_to(sentinel)?;
                let port = reported.get("port")?.parse::<u16>().ok()?;
                self.servers.iter().position(|node| node.proxy.port() == port)
            })
            .collect();
        (0..COUNT).find(|server| named.iter().filter(|named| *named == server).count() > COUNT / 2)
    }
}

fn start_server() -> io::Result<Node> {
    Node::start(|announced| {
        RedisServer::builder()
            .arg("repl-diskless-sync-delay", "0")
            .arg("replica-announce-ip", "127.0.0.1")
            .arg("replica-announce-port", announced.to_string())
    })
}

fn start_sentinel() -> io::Result<Node> {
    Node::start(|_| RedisServer::builder().sentinel())
}

/// Has a Sentinel watch the primary behind this port.
fn watch(node: &Node, port: &str) {
    let own = node.proxy.port().to_string();
    let sentinel = |words: &[&str]| node.server.command(&[&["SENTINEL"], words].concat());
    sentinel(&["CONFIG", "SET", "announce-ip", "127.0.0.1"]);
    sentinel(&["CONFIG", "SET", "announce-port", &own]);
    // Only saves time; Redis 6.2 does not know it.
    for period in ["info-period", "publish-period", "ask-period"] {
        node.server.ask::<Value>(&["SENTINEL", "DEBUG", period, "200"]);
    }
    // Well below the limit, or a new primary counts as down because its connections have been
    // closed by the failover. A Sentinel takes no replica that it has not heard of for five.
    node.server.ask::<Value>(&["SENTINEL", "DEBUG", "ping-period", "250"]);
    sentinel(&["MONITOR", Sentinels::NAME, "127.0.0.1", port, "2"]);
    sentinel(&["SET", Sentinels::NAME, "down-after-milliseconds", "600"]);
    sentinel(&["SET", Sentinels::NAME, "failover-timeout", "1000"]);
}

fn primary_known_to(sentinel: &RedisServer) -> Option<HashMap<String, String>> {
    sentinel.ask(&["SENTINEL", "MASTER", Sentinels::NAME])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failover_makes_another_server_the_primary() {
        let all = Sentinels::start().unwrap();
        let old = all.primary();
        all.fail_over();
        let new = all.primary();
        assert_ne!(new, old);
        eventually(LIMIT, "the old primary follows", || {
            all.server(old).replication_says("role:slave")
        });
        all.server(new).kill();
        all.wait_for_another_primary(new);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_crash_with_loss_loses_what_no_replica_has() {
        let all = Sentinels::start().unwrap();
        all.server(0).command(&["SET", "kept", "1"]);
        eventually(LIMIT, "the replicas have it", || {
            (1..3).all(|server| all.server(server).command(&["EXISTS", "kept"]) == Value::Int(1))
        });
        let old = all.crash_with_loss(|primary| drop(primary.command(&["SET", "lost", "1"])));
        all.wait_for_another_primary(old);
        let new = all.server(all.primary());
        assert_eq!(new.command(&["EXISTS", "kept", "lost"]), Value::Int(1));
        all.server(old).restart().unwrap();
        all.wait_until_settled();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn in_a_partition_both_sides_have_a_primary() {
        let all = Sentinels::start().unwrap();
        let this_process = [std::process::id()];
        let old = all.partition(&this_process, &[]);
        all.wait_for_another_primary(old);
        let new = all.primary();
        assert!(all.server(old).replication_says("role:master"));
        let connect = |index: usize| {
            let client = redis::Client::open(all.server_proxy(index).url()).unwrap();
            client.get_connection_with_timeout(Duration::from_millis(300))
        };
        connect(old).unwrap();
        assert!(connect(new).is_err(), "nothing passes");
        all.heal();
        connect(new).unwrap();
        eventually(LIMIT, "the old primary follows", || {
            all.server(old).replication_says("role:slave")
        });
    }
}
