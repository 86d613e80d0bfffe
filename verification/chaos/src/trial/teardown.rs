//! Checks what is left on the server when all workers have ended.

use std::thread;
use std::time::Duration;

use checker::Nanos;
use redis::RedisResult;

use crate::clock;
use crate::cluster::Cluster;
use crate::fault::FaultKind;
use crate::schedule::Schedule;

/// The ttl of the keys beside a hold: twice the lease of a waiter, and some slack.
const SUBKEY_TTL: Duration = Duration::from_secs(5);
const SLACK: Duration = Duration::from_secs(2);
/// The keys that stay.
const LASTING: [&str; 2] = ["lock:max_lease", "lock:tokens"];
const POLL: Duration = Duration::from_millis(10);

/// Checks that every key can be acquired in time, and that afterwards the server has no keys but
/// those that stay: the counter of tokens and the longest lease.
pub(super) fn check(cluster: &mut Cluster, schedule: &Schedule) {
    set_the_clock(cluster, schedule);
    let within = schedule.release_limit() + SLACK;
    let url = cluster.url();
    cluster.workers.acquire_all(&url, within);
    let limit = clock::now() + clock::nanos(within.max(SUBKEY_TTL) + SLACK);
    for (kind, count) in ServerState::wait_until_empty(cluster, limit).counts() {
        cluster.workers.report_leak(kind, count);
    }
}

/// Undoes jumps back, which would keep all keys alive for longer.
fn set_the_clock(cluster: &Cluster, schedule: &Schedule) {
    let back = schedule.faults.iter().filter(|fault| fault.kind == FaultKind::ClockBack);
    cluster.jump_ahead(back.map(|fault| fault.jump).sum());
}

#[derive(Debug, Default)]
struct ServerState {
    keys: Vec<String>,
    without_ttl: u64,
    clients: u64,
    channels: u64,
}

impl ServerState {
    fn wait_until_empty(cluster: &Cluster, limit: Nanos) -> Self {
        loop {
            let state = Self::of(cluster).unwrap_or_default();
            let nothing = state.keys.is_empty() && state.clients + state.channels == 0;
            if nothing || clock::now() > limit {
                return state;
            }
            thread::sleep(POLL);
        }
    }

    fn of(cluster: &Cluster) -> RedisResult<Self> {
        let found: Vec<String> = cluster.server.command(&["KEYS", "*"])?;
        let (mut keys, mut without_ttl) = (Vec::new(), 0);
        for key in found.into_iter().filter(|key| !LASTING.contains(&key.as_str())) {
            // A queue in which nobody waits has tombstones.
            let is_queue = key.ends_with(":queue");
            if is_queue && cluster.server.command::<i64>(&["ZCOUNT", &key, "0", "+inf"])? == 0 {
                let ttl: i64 = cluster.server.command(&["PTTL", &key])?;
                without_ttl += u64::from(ttl == -1);
            } else {
                keys.push(key);
            }
        }
        let channels: Vec<String> = cluster.server.command(&["PUBSUB", "CHANNELS"])?;
        let clients: String = cluster.server.command(&["CLIENT", "LIST"])?;
        let clients = clients.lines().count() as u64;
        Ok(Self { keys, without_ttl, clients: clients - 1, channels: channels.len() as u64 })
    }

    fn counts(self) -> [(String, u64); 4] {
        let keys = self.keys.len() as u64;
        [
            (format!("keys in the server: {}", self.keys.join(" ")), keys),
            ("tombstones without a ttl".to_owned(), self.without_ttl),
            ("connections to the server".to_owned(), self.clients),
            ("channels with subscribers".to_owned(), self.channels),
        ]
    }
}
