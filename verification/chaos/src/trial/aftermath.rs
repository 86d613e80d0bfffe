//! What is left when all workers are gone.

use std::thread;
use std::time::Duration;

use checker::{Event, EventKind, Nanos};
use distlock::LockManager;
use redis::RedisResult;

use crate::clock;
use crate::cluster::{Cluster, LEADER};
use crate::fault::Kind;
use crate::schedule::Schedule;
use crate::worker::refusal;
use crate::workload::key_name;

/// Companions of a lock live twice the lease of a waiter.
const COMPANIONS: Duration = Duration::from_secs(5);
const SLACK: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);

/// Looks for what the workers have left in the server: every key must be had by somebody new in time, and then nothing be
/// there but the counter of tokens.
pub(super) fn look(cluster: &mut Cluster, schedule: &Schedule) {
    set_the_clock(cluster, schedule);
    let within = schedule.freed_within() + SLACK;
    match schedule.settings.manager(&cluster.url()) {
        Ok(locks) => {
            let until = clock::now() + clock::nanos(within);
            let events = (0..schedule.workload.keys()).flat_map(|key| take(&locks, key, until));
            let events = events.collect();
            cluster.take_note_of(events);
        }
        Err(error) => cluster.complain(format!("managers that cannot be made: {error}"), 1),
    }
    let limit = clock::now() + clock::nanos(within.max(COMPANIONS) + SLACK);
    for (kind, count) in Remains::until_none(cluster, limit).counts() {
        cluster.complain(kind, count);
    }
}

/// A clock that is behind keeps everything alive for as long.
fn set_the_clock(cluster: &Cluster, schedule: &Schedule) {
    let back = schedule.faults.iter().filter(|fault| fault.kind == Kind::ClockBack);
    cluster.jump_ahead(back.map(|fault| fault.jump).sum());
}

/// Takes a lock that must be free by then.
fn take(locks: &LockManager, key: u32, until: Nanos) -> Vec<Event> {
    let request = u64::from(key) + 1;
    let event = |at, kind| Event { at, process: LEADER, task: 0, kind };
    let at = clock::now();
    let deadline = Some(until.max(at));
    let asked = event(at, EventKind::Requested { request, key, deadline, must_succeed: true });
    let guard = locks.mutex(key_name(key)).wait(clock::left(until)).acquire_blocking();
    let at = clock::now();
    match guard {
        Ok(guard) => {
            let valid_until = at + clock::nanos(guard.hold().remaining());
            let fence = guard.fence().get();
            let entered = EventKind::Acquired { request, fence, valid_until, outer: None };
            let left = event(clock::now(), EventKind::Released { request });
            drop(guard);
            vec![asked, event(at, entered), left]
        }
        Err(error) => {
            vec![asked, event(at, EventKind::Refused { request, why: refusal(&error) })]
        }
    }
}

/// What is in a server.
#[derive(Debug, Default)]
struct Remains {
    keys: Vec<String>,
    for_good: u64,
    clients: u64,
    channels: u64,
}

impl Remains {
    fn until_none(cluster: &Cluster, limit: Nanos) -> Self {
        loop {
            let remains = Self::of(cluster).unwrap_or_default();
            let nothing = remains.keys.is_empty() && remains.clients + remains.channels == 0;
            if nothing || clock::now() > limit {
                return remains;
            }
            thread::sleep(POLL);
        }
    }

    fn of(cluster: &Cluster) -> RedisResult<Self> {
        let keys: Vec<String> = cluster.server.ask(&["KEYS", "*"])?;
        let (tombs, keys): (Vec<_>, Vec<_>) =
            keys.into_iter().filter(|key| key != "lock:fence").partition(|key| is_tomb(key));
        let mut for_good = 0;
        for tomb in tombs {
            let ttl: i64 = cluster.server.ask(&["PTTL", &tomb])?;
            for_good += u64::from(ttl == -1);
        }
        let channels: Vec<String> = cluster.server.ask(&["PUBSUB", "CHANNELS"])?;
        let clients: String = cluster.server.ask(&["CLIENT", "LIST"])?;
        let clients = clients.lines().count() as u64;
        Ok(Self { keys, for_good, clients: clients - 1, channels: channels.len() as u64 })
    }

    fn counts(self) -> [(String, u64); 4] {
        let keys = self.keys.len() as u64;
        [
            (format!("keys in the server: {}", self.keys.join(" ")), keys),
            ("tombstones without an end".to_owned(), self.for_good),
            ("connections of the server".to_owned(), self.clients),
            ("channels that somebody listens to".to_owned(), self.channels),
        ]
    }
}

fn is_tomb(key: &str) -> bool {
    key.ends_with(":cancelled")
}
