//! How the lock is set up in a schedule.

use std::time::Duration;

use distlock::{LockError, LockManager};
use rand::Rng;
use rand::seq::IndexedRandom as _;
use serde::{Deserialize, Serialize};

/// How the lock is set up, the same in all processes of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How long a hold lasts without renewal.
    pub ttl: Duration,
    /// How much longer its key lives.
    pub guard: Duration,
    /// How long a server that is not there is borne.
    pub outage: Duration,
    /// How often in a row a process may hand over within.
    pub max_handoffs: u32,
    /// How long a process keeps a lock that it does not use.
    pub linger: Duration,
    /// Strict order for all requests.
    pub strict_fifo: bool,
    /// Whether releases wait for the server.
    pub confirmed: bool,
    /// Whether a loss of data is waited out.
    pub data_loss_grace: bool,
}

const TTLS_MS: [u64; 5] = [300, 500, 800, 1_200, 2_000];

impl Settings {
    /// Drawn at random.
    pub fn random(rng: &mut impl Rng) -> Self {
        let ttl = Duration::from_millis(*TTLS_MS.choose(rng).expect("there are some"));
        let strict_fifo = rng.random_bool(0.2);
        let linger = if strict_fifo || rng.random_bool(0.7) { 0 } else { 20 };
        Self {
            ttl,
            guard: Self::usual_guard(ttl),
            outage: Duration::from_millis(*[1_000, 2_000, 5_000].choose(rng).expect("three")),
            max_handoffs: if rng.random_bool(0.3) { 0 } else { 8 },
            linger: Duration::from_millis(linger),
            strict_fifo,
            confirmed: rng.random_bool(0.2),
            data_loss_grace: true,
        }
    }

    /// What the library takes if nothing is said.
    #[must_use]
    pub fn usual_guard(ttl: Duration) -> Duration {
        Duration::from_millis(2).max(ttl / 100)
    }

    /// A manager that is set up so.
    ///
    /// # Errors
    /// As [`distlock::LockManagerBuilder::build`].
    pub fn manager(&self, url: &str) -> Result<LockManager, LockError> {
        LockManager::builder()
            .url(url)
            .ttl(self.ttl)
            .server_ttl_slack(self.guard)
            .outage_timeout(self.outage)
            .max_handoffs(self.max_handoffs)
            .data_loss_grace(self.data_loss_grace)
            .warn_lock_order(false)
            .build()
    }
}
