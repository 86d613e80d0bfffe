//! The tunings.

use std::time::Duration;

use distlock::{LockManager, LockRequest};
use rlock::{AcquireOptions, RenewalMode};

use super::raw;
use crate::candidate::{Candidate, Tuning};

/// The default of distlock, for libraries that need a ttl.
pub const TTL: Duration = Duration::from_secs(30);

/// How long an unused lock stays with the process that released it.
pub const LINGER: Duration = Duration::from_millis(50);

/// rslock waits a random whole number of milliseconds below its setting: 0 or 1 here.
const RSLOCK_RETRY: Duration = Duration::from_millis(2);
/// Always 0.
const RSLOCK_NO_PAUSE: Duration = Duration::from_millis(1);
/// It starts over after this many, so the number matters little.
const RSLOCK_RETRIES: u32 = 1_000_000;
const RLOCK_RETRY: Duration = Duration::from_millis(1);

pub fn rslock(candidate: Candidate, url: &str) -> anyhow::Result<rslock::LockManager> {
    let mut manager = match raw::seeds(url) {
        Some(seeds) => rslock::LockManager::new_cluster(seeds)?,
        None => rslock::LockManager::new(vec![url]),
    };
    match candidate.tuning {
        Tuning::Tuned => manager.set_retry(RSLOCK_RETRIES, RSLOCK_RETRY),
        Tuning::Spinning => manager.set_retry(RSLOCK_RETRIES, RSLOCK_NO_PAUSE),
        Tuning::Default | Tuning::Strict | Tuning::Linger | Tuning::Replicas => {}
    }
    Ok(manager)
}

/// Its renewal needs a thread or a task for each hold.
pub fn rlock(candidate: Candidate) -> AcquireOptions {
    if candidate.tuning != Tuning::Tuned {
        return AcquireOptions::default();
    }
    AcquireOptions::builder()
        .ttl(TTL)
        .retry_interval(RLOCK_RETRY)
        .renewal_mode(RenewalMode::Disabled)
        .build()
        .expect("a valid set of options")
}

pub fn distlock(candidate: Candidate, manager: &LockManager, key: &str) -> LockRequest {
    let request = manager.mutex(key);
    match candidate.tuning {
        Tuning::Default | Tuning::Tuned | Tuning::Spinning => request,
        Tuning::Strict => request.strict_fifo(),
        Tuning::Linger => request.linger(LINGER),
        Tuning::Replicas => request.replicas(1),
    }
}
