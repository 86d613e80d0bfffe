use std::fmt;
use std::time::Duration;

use distlock::{AfterFailover, LockError, LockManager};
use rand::Rng;
use rand::seq::IndexedRandom as _;
use serde::{Deserialize, Serialize};

/// The settings of the lock, the same in all processes of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub ttl: Duration,
    pub server_ttl_slack: Duration,
    pub outage_timeout: Duration,
    pub max_handoffs: u32,
    pub linger: Duration,
    pub strict_fifo: bool,
    pub wait_for_release: bool,
    pub data_loss_grace: bool,
    pub after_failover: FailoverPause,
    /// How many replicas confirm each grant.
    pub replicas: u8,
}

/// How long nothing is granted after a failover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum FailoverPause {
    AtOnce,
    /// For the default, two seconds.
    #[default]
    Grace,
    WholeTtl,
}

impl FailoverPause {
    /// How long it is at most if this is the longest ttl.
    #[must_use]
    pub fn at_most(self, ttl: Duration) -> Duration {
        match self {
            Self::AtOnce => Duration::ZERO,
            Self::Grace => Duration::from_secs(2),
            // Leases are known in steps of a tenth.
            Self::WholeTtl => ttl * 11 / 10,
        }
    }
}

impl fmt::Display for FailoverPause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = clap::ValueEnum::to_possible_value(self).expect("none is skipped");
        f.pad(value.get_name())
    }
}

impl From<FailoverPause> for AfterFailover {
    fn from(pause: FailoverPause) -> Self {
        match pause {
            FailoverPause::AtOnce => Self::AtOnce,
            FailoverPause::Grace => Self::default(),
            FailoverPause::WholeTtl => Self::WholeTtl,
        }
    }
}

const TTLS_MS: [u64; 5] = [300, 500, 800, 1_200, 2_000];

impl Settings {
    pub fn random(rng: &mut impl Rng) -> Self {
        let ttl = Duration::from_millis(*TTLS_MS.choose(rng).expect("not empty"));
        let strict_fifo = rng.random_bool(0.2);
        let linger = if strict_fifo || rng.random_bool(0.7) { 0 } else { 20 };
        Self {
            ttl,
            server_ttl_slack: Self::default_server_ttl_slack(ttl),
            outage_timeout: Duration::from_millis(
                *[1_000, 2_000, 5_000].choose(rng).expect("not empty"),
            ),
            max_handoffs: if rng.random_bool(0.3) { 0 } else { 8 },
            linger: Duration::from_millis(linger),
            strict_fifo,
            wait_for_release: rng.random_bool(0.2),
            data_loss_grace: true,
            after_failover: FailoverPause::default(),
            replicas: 0,
        }
    }

    /// The default of the library.
    #[must_use]
    pub fn default_server_ttl_slack(ttl: Duration) -> Duration {
        Duration::from_millis(2).max(ttl / 100)
    }

    /// A manager of this server, or of the primary that these Sentinels name.
    pub fn manager(&self, url: &str) -> Result<LockManager, LockError> {
        LockManager::builder()
            .url(url)
            .ttl(self.ttl)
            .server_ttl_slack(self.server_ttl_slack)
            .outage_timeout(self.outage_timeout)
            .max_handoffs(self.max_handoffs)
            .data_loss_grace(self.data_loss_grace)
            .after_failover(self.after_failover.into())
            .replicas(self.replicas)
            .warn_lock_order(false)
            .build()
    }
}
