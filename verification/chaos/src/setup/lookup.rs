//! Finds the worker that holds a lock or waits for it. Reads the keys directly, because a manager
//! of the library would change what happens after the server has lost its data.

use super::Setup;
use crate::workload::key_name;

impl Setup {
    pub(super) fn holder(&self, key: u32) -> Option<usize> {
        let name = hold_name(key);
        let hold: Option<String> = self.servers.ask(&name, &["GET", &name])?;
        self.worker_of(&hold?)
    }

    pub(super) fn first_waiter(&self, key: u32) -> Option<usize> {
        let name = hold_name(key);
        let queue = format!("{name}:queue");
        let first = ["ZRANGE", &queue, "0", "+inf", "BYSCORE", "LIMIT", "0", "1"];
        let request_ids: Vec<String> = self.servers.ask(&name, &first)?;
        let waiters = format!("{name}:waiters");
        let entry: Option<String> =
            self.servers.ask(&name, &["HGET", &waiters, request_ids.first()?])?;
        self.worker_of(&entry?)
    }

    /// The entries of holds and waiters have the process in the same field.
    fn worker_of(&self, entry: &str) -> Option<usize> {
        let pid: u32 = entry.split(' ').nth(6)?.parse().ok()?;
        self.workers.processes.iter().position(|worker| worker.pid() == pid && !worker.killed)
    }
}

pub(crate) fn hold_name(key: u32) -> String {
    format!("lock:{{{}}}", key_name(key))
}
