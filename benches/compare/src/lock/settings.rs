//! The tunings, spelt out.

use std::time::Duration;

use distlock::{LockManager, LockRequest};
use rlock::{AcquireOptions, RenewalMode};

use crate::contender::{Contender, Tuning};

/// Where a peer wants to be told a ttl: the default of distlock.
pub const TTL: Duration = Duration::from_secs(30);

/// How long an unneeded lock stays with the process that let it go.
pub const LINGER: Duration = Duration::from_millis(50);

/// rslock waits a random whole number of milliseconds below its setting: 0 or 1 here.
const RSLOCK_RETRY: Duration = Duration::from_millis(2);
/// Always 0.
const RSLOCK_NO_PAUSE: Duration = Duration::from_millis(1);
/// It starts over after this many, so the number matters little.
const RSLOCK_RETRIES: u32 = 1_000_000;
const RLOCK_RETRY: Duration = Duration::from_millis(1);

pub fn rslock(contender: Contender, url: &str) -> rslock::LockManager {
    let mut manager = rslock::LockManager::new(vec![url]);
    match contender.tuning {
        Tuning::Tuned => manager.set_retry(RSLOCK_RETRIES, RSLOCK_RETRY),
        Tuning::Spinning => manager.set_retry(RSLOCK_RETRIES, RSLOCK_NO_PAUSE),
        Tuning::Default | Tuning::Global | Tuning::Linger => {}
    }
    manager
}

/// Its renewal takes a thread or a task for each hold, which a lock without renewal does not need.
pub fn rlock(contender: Contender) -> AcquireOptions {
    if contender.tuning != Tuning::Tuned {
        return AcquireOptions::default();
    }
    AcquireOptions::builder()
        .ttl(TTL)
        .retry_interval(RLOCK_RETRY)
        .renewal_mode(RenewalMode::Disabled)
        .build()
        .expect("a valid set of options")
}

pub fn distlock(contender: Contender, manager: &LockManager, key: &str) -> LockRequest {
    let request = manager.mutex(key);
    match contender.tuning {
        Tuning::Default | Tuning::Tuned | Tuning::Spinning => request,
        Tuning::Global => request.strict_fifo(),
        Tuning::Linger => request.linger(LINGER),
    }
}
