//! Four processes that wait for each other: in cycles, and in orders that only resemble them. The
//! locks are on one server, or on the nodes of a Redis Cluster.

mod cycles;
mod legal;
mod lookalikes;
mod nest;
mod steps;

use std::time::{Duration, Instant};
use std::{env, thread};

use redis::Connection;
use testkit::{Cluster, RedisServer};

use super::fairness::wall_clock;
use crate::support::process::{Orders, Process};
use crate::support::{LIMIT, server, traces};

const PROCESSES: usize = 4;

/// A number from the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Where the locks are, and a server where the processes and the test leave messages.
struct Place {
    board: RedisServer,
    cluster: Option<Cluster>,
}

impl Place {
    /// One server for both.
    fn server() -> Self {
        Self { board: server(), cluster: None }
    }

    fn cluster() -> Self {
        Self { cluster: Some(Cluster::bare(3).expect("a cluster starts")), ..Self::server() }
    }

    fn start(&self, test: impl Fn() + Copy) -> Vec<Process> {
        let board = self.board.url();
        let url = match &self.cluster {
            Some(cluster) => format!("{} {board}", cluster.url()),
            None => board,
        };
        let start = |number: usize| Process::start(test, &url, &number.to_string());
        (0..PROCESSES).map(start).collect()
    }

    /// The primaries that have the locks.
    fn primaries(&self) -> Vec<&RedisServer> {
        match &self.cluster {
            Some(cluster) => (0..3).map(|node| cluster.node(node)).collect(),
            None => vec![&self.board],
        }
    }

    /// Waits until no keys of the library are left, but for tombstones, which a busy machine makes
    /// when a reply takes too long.
    fn until_nothing_is_left(&self) {
        let mut left = Vec::new();
        let limit = Instant::now() + LIMIT;
        while Instant::now() < limit {
            left = self.primaries().into_iter().flat_map(remains).collect();
            if left.is_empty() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("left in the servers: {left:?}");
    }
}

/// Keys of the tests begin with `test:`.
fn remains(server: &RedisServer) -> Vec<String> {
    let mut connection = server.connection();
    let mut keys = traces(server);
    keys.retain(|key| {
        let mut waiters = redis::cmd("ZCOUNT");
        waiters.arg(key).arg(0).arg("+inf");
        let is_tombstones = key.ends_with(":queue") && waiters.query(&mut connection) == Ok(0);
        !is_tombstones && !key.starts_with("test:") && !key.starts_with("lock:tokens:")
    });
    keys
}

/// The URLs of the locks and of the board, from the orders to a process.
fn urls(orders: &Orders) -> (&str, &str) {
    orders.url.split_once(' ').unwrap_or((&orders.url, &orders.url))
}

fn open(url: &str) -> Connection {
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

/// Random numbers (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    /// `DISTLOCK_SEED` sets the seed.
    fn new() -> Self {
        let seed = setting("DISTLOCK_SEED", wall_clock());
        println!("DISTLOCK_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// An independent generator.
    fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is less than the bound")
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn millis(&mut self, bound: u64) -> Duration {
        Duration::from_millis(self.next() % bound)
    }
}
