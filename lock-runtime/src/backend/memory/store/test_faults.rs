//! Faults for tests and simulations, and checks that nothing is left.

use crate::backend::memory::store::MemoryStore;
#[cfg(distlock_sim)]
use crate::backend::memory::store::fence_counter::FenceCounter;
#[cfg(any(test, distlock_sim))]
use crate::backend::memory::store::with_ttl::ServerTime;

impl MemoryStore {
    /// Forgets all data, as FLUSHALL does.
    pub fn flush(&mut self) {
        *self = Self { max_lease: self.max_lease, ..Self::default() };
    }

    /// The bound on all leases, as last announced to the server.
    #[cfg(any(test, distlock_sim))]
    #[must_use]
    pub const fn max_lease(&self) -> std::time::Duration {
        self.max_lease
    }

    /// Forgets what it knew of the longest lease, as SCRIPT FLUSH does.
    #[cfg(distlock_sim)]
    pub fn forget_scripts(&mut self) {
        self.max_lease = std::time::Duration::ZERO;
    }

    /// A client that has just found out loads its scripts again.
    #[cfg(distlock_sim)]
    pub fn load_scripts(&mut self, max_lease: std::time::Duration) {
        self.max_lease = self.max_lease.max(max_lease);
    }

    /// Deletes the hold of a lock, no matter which process has it.
    #[cfg(any(distlock_sim, feature = "test-util"))]
    pub fn delete_hold(&mut self, key: &str) {
        self.records.entry(key.into()).or_default().delete_hold();
    }

    /// Deletes the queue of a lock, with all who wait in it.
    #[cfg(distlock_sim)]
    pub fn delete_queue(&mut self, key: &str) {
        self.records.entry(key.into()).or_default().delete_queue();
    }

    /// Deletes the tombstones of a lock.
    #[cfg(distlock_sim)]
    pub fn delete_cancelled(&mut self, key: &str) {
        self.records.entry(key.into()).or_default().delete_cancelled();
    }

    /// Whether there is a fence counter, or the grace period after a data loss.
    #[cfg(distlock_sim)]
    #[must_use]
    pub const fn has_counter(&self) -> bool {
        !matches!(self.counter, FenceCounter::Missing)
    }

    /// Deletes the fence counter.
    #[cfg(distlock_sim)]
    pub fn delete_counter(&mut self) {
        self.counter = FenceCounter::default();
    }

    /// Puts a key that is not a lock under the name of this lock, for good.
    #[cfg(any(test, distlock_sim))]
    pub fn put_not_a_lock(&mut self, key: &str) {
        self.records.entry(key.into()).or_default().put_not_a_lock();
    }

    /// Puts the lock of another kind of client under the name of this lock.
    #[cfg(test)]
    pub fn put_other_client_lock(&mut self, now_us: u64, key: &str, ttl: std::time::Duration) {
        let record = self.records.entry(key.into()).or_default();
        record.put_other_client_lock(ServerTime::from_micros(now_us), ttl);
    }

    /// Whether nothing is stored but the fence counter.
    #[cfg(any(test, distlock_sim))]
    #[must_use]
    pub fn is_empty(&self, now_us: u64) -> bool {
        let now = ServerTime::from_micros(now_us);
        self.records.values().all(|record| record.is_empty(now)) && self.blocked.is_empty(now)
    }
}
