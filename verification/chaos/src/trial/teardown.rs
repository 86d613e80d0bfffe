//! Checks what is left on the server when all workers have ended.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use checker::Nanos;

use crate::clock;
use crate::fault::FaultKind;
use crate::schedule::Schedule;
use crate::setup::{Servers, Setup};

/// The ttl of the keys beside a hold: twice the lease of a waiter, and some slack.
const SUBKEY_TTL: Duration = Duration::from_secs(5);
const SLACK: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);

/// Checks that every key can be acquired in time, and that afterwards the servers have no keys but
/// those that stay: the counters of tokens and the longest lease.
pub(super) fn check(setup: &mut Setup, schedule: &Schedule) {
    set_the_clock(&setup.servers, schedule);
    let within = schedule.release_limit() + SLACK;
    let url = setup.servers.url();
    setup.workers.acquire_all(&url, within);
    let limit = clock::now() + clock::nanos(within.max(SUBKEY_TTL) + SLACK);
    for (kind, count) in ServerState::wait_until_empty(&setup.servers, limit).counts() {
        setup.workers.report_leak(kind, count);
    }
}

/// Undoes jumps back, which would keep all keys alive for longer.
fn set_the_clock(servers: &Servers, schedule: &Schedule) {
    let back = schedule.faults.iter().filter(|fault| fault.kind == FaultKind::ClockBack);
    if let Servers::One(server) = servers
        && let Some(clock) = server.clock()
    {
        clock.jump_ahead(back.map(|fault| fault.jump).sum());
    }
}

#[derive(Debug, Default)]
struct ServerState {
    keys: BTreeSet<String>,
    without_ttl: u64,
    clients: u64,
    channels: u64,
}

impl ServerState {
    fn wait_until_empty(servers: &Servers, limit: Nanos) -> Self {
        loop {
            let state = Self::of(servers);
            let is_empty =
                |state: &Self| state.keys.is_empty() && state.clients + state.channels == 0;
            if state.as_ref().is_some_and(is_empty) || clock::now() > limit {
                return state.unwrap_or_default();
            }
            thread::sleep(POLL);
        }
    }

    /// None if a server does not answer.
    fn of(servers: &Servers) -> Option<Self> {
        let mut state = Self::default();
        // A replica has the keys of its primary.
        let found = servers.ask_each::<Vec<String>>(&["KEYS", "lock:*"])?.concat();
        let found: BTreeSet<_> = found.into_iter().filter(|key| !stays(key)).collect();
        for key in found {
            // A queue in which nobody waits has tombstones.
            let is_queue = key.ends_with(":queue");
            let ttl: i64 = servers.ask(&key, &["PTTL", &key])?;
            if is_queue && servers.ask::<i64>(&key, &["ZCOUNT", &key, "0", "+inf"])? == 0 {
                state.without_ttl += u64::from(ttl == -1);
            } else {
                state.keys.insert(format!("{key} for {ttl} ms"));
            }
        }
        for clients in servers.ask_each::<String>(&["CLIENT", "LIST"])? {
            let clients = clients.lines().filter(|line| !is_of_a_node(line)).count() as u64;
            // One is that of this question.
            state.clients += clients - 1;
        }
        let channels = ["PUBSUB", servers.channels()];
        state.channels = servers.ask_each::<Vec<String>>(&channels)?.concat().len() as u64;
        Some(state)
    }

    fn counts(self) -> [(String, u64); 4] {
        let keys = self.keys.len() as u64;
        [
            (format!("keys in the server: {:?}", self.keys), keys),
            ("tombstones without a ttl".to_owned(), self.without_ttl),
            ("connections to the server".to_owned(), self.clients),
            ("channels with subscribers".to_owned(), self.channels),
        ]
    }
}

/// The counter of tokens, or that of a slot, and the longest lease.
fn stays(key: &str) -> bool {
    key == "lock:max_lease" || key.starts_with("lock:tokens")
}

/// Whether a line of CLIENT LIST is the connection of another node: of a replica, of the primary,
/// or one on which keys were moved, which is kept for seconds.
fn is_of_a_node(line: &str) -> bool {
    [" flags=S", " flags=M", " cmd=restore-asking"].iter().any(|word| line.contains(word))
}
