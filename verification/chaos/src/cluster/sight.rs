//! Which worker holds a lock or waits for it, read off the server without the library: a manager that looks would change
//! what happens when the server has lost its data.

use super::Cluster;
use crate::workload::key_name;

impl Cluster {
    /// The worker that holds a key.
    pub(super) fn holder(&self, key: u32) -> Option<usize> {
        let hold: Option<String> = self.server.ask(&["GET", &hold_name(key)]).ok()?;
        self.worker_of(&hold?)
    }

    /// The worker that waits for a key first.
    pub(super) fn first_waiter(&self, key: u32) -> Option<usize> {
        let name = hold_name(key);
        let queue = format!("{name}:queue");
        let nonces: Vec<String> = self.server.ask(&["ZRANGE", &queue, "0", "0"]).ok()?;
        let waiters = format!("{name}:waiters");
        let entry: Option<String> = self.server.ask(&["HGET", &waiters, nonces.first()?]).ok()?;
        self.worker_of(&entry?)
    }

    /// Holds and waiters name their process in the same place.
    fn worker_of(&self, entry: &str) -> Option<usize> {
        let pid: u32 = entry.split(' ').nth(6)?.parse().ok()?;
        self.workers.iter().position(|worker| worker.pid() == pid && !worker.killed)
    }
}

/// The name of a hold in the server.
pub(crate) fn hold_name(key: u32) -> String {
    format!("lock:{{{}}}", key_name(key))
}
