//! The servers of the accounts and of the locks, which are the same without `--sentinel` and
//! `--cluster`, and what happens to those of the locks.

use std::fmt;
use std::time::Instant;

use anyhow::Context as _;
use testkit::{Cluster, RedisServer, Sentinels};

use crate::options::Options;
use crate::support::Server;

/// How many slots of the cluster move.
const MOVED_SLOTS: usize = 200;
/// Nodes that have slots before anything happens; they are the first.
const PRIMARIES: usize = 3;

pub struct Servers {
    accounts: Server,
    locks: Locks,
}

/// The servers end with this value.
enum Locks {
    WithAccounts,
    /// A primary, its replicas and the Sentinels.
    Sentinels(Sentinels),
    Cluster {
        all: Cluster,
        slots: Vec<u16>,
    },
}

/// Something that happens while money is transferred. Panics if it does not.
pub type Event<'a> = Box<dyn FnOnce() + Send + 'a>;

impl Servers {
    pub fn start(options: &Options) -> anyhow::Result<Self> {
        let accounts = Server::find()?;
        let locks = if options.sentinel {
            let all = Sentinels::start().context("redis-server is needed for --sentinel")?;
            Locks::Sentinels(all)
        } else if options.cluster {
            let all = Cluster::start().context("redis-server is needed for --cluster")?;
            let slots = (0..options.branches).map(|branch| all.slot_of(&format!("bank:{branch}")));
            let slots = slots.collect();
            Locks::Cluster { all, slots }
        } else {
            Locks::WithAccounts
        };
        Ok(Self { accounts, locks })
    }

    pub fn accounts_url(&self) -> &str {
        self.accounts.url()
    }

    pub fn locks_url(&self) -> String {
        match &self.locks {
            Locks::WithAccounts => self.accounts.url().to_owned(),
            Locks::Sentinels(all) => all.url(),
            Locks::Cluster { all, .. } => all.url(),
        }
    }

    /// What happens, in this order.
    pub fn events(&self) -> Vec<Event<'_>> {
        match &self.locks {
            Locks::WithAccounts => Vec::new(),
            Locks::Sentinels(all) => vec![Box::new(|| replace_primary(all))],
            Locks::Cluster { all, slots } => {
                vec![Box::new(|| move_slots(all, slots)), Box::new(|| replace_node(all, slots))]
            }
        }
    }
}

fn replace_primary(all: &Sentinels) {
    let old = all.primary();
    freeze(all.server(old), || {
        all.wait_for_another_primary(old);
        all.server(all.primary())
    });
}

/// The node that has the locks.
fn replace_node(all: &Cluster, slots: &[u16]) {
    let old = all.owner_of(slots[0]);
    let replica = all.partner_of(old);
    freeze(all.node(old), || {
        all.wait_for_primary(replica);
        all.node(replica)
    });
}

/// Freezes a primary until another server, which is returned, has taken its place. When it goes on
/// it still takes writes, until it learns that it was replaced.
fn freeze<'a>(primary: &RedisServer, wait_for_another: impl FnOnce() -> &'a RedisServer) {
    println!("failover      the primary, on port {}, is frozen", primary.port());
    let start = Instant::now();
    primary.pause();
    let new = wait_for_another();
    let elapsed = start.elapsed();
    primary.resume();
    println!(
        "              after {elapsed:.1?} the primary is on port {}; the old one goes on",
        new.port()
    );
}

/// Moves the slots of all locks, with others, to the node after that of the first lock.
fn move_slots(all: &Cluster, locks: &[u16]) {
    let from = all.owner_of(locks[0]);
    let to = (from + 1) % PRIMARIES;
    let others = all.slots_of(from).into_iter().filter(|slot| !locks.contains(slot));
    let slots: Vec<_> = locks.iter().copied().chain(others).take(MOVED_SLOTS).collect();
    println!(
        "resharding    {} slots, with those of the locks, move to the node on port {}",
        slots.len(),
        all.node(to).port()
    );
    let start = Instant::now();
    all.reshard(&slots, to);
    println!("              after {:.1?} they are there", start.elapsed());
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server: {}", self.accounts)?;
        match &self.locks {
            Locks::Sentinels(_) | Locks::Cluster { .. } => {
                write!(f, "; locks: {}", self.locks_url())
            }
            Locks::WithAccounts if self.accounts_url().starts_with("memory://") => {
                f.write_str("; groups of threads replace the processes")
            }
            Locks::WithAccounts => Ok(()),
        }
    }
}
