//! The workloads.

mod cancel_storm;
mod failover;
mod lock_order;
mod long_holds;
mod multi_key;
mod nesting;
mod simple;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::worker::{Agent, Ops};

/// What the agents of all workers repeat until the run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
pub enum Workload {
    /// Writes to a register that compares tokens, even after the lease has expired.
    Register,
    /// Reads an unfenced counter, pauses, and writes it plus one.
    Counter,
    /// Many keys and short holds.
    ManyKeys,
    /// One key and 64 agents in 4 processes.
    HotKey,
    /// Annotated functions nested up to five levels deep, blocking and async, joined and raced.
    Nesting,
    /// Drops half of all requests at random points.
    CancelStorm,
    /// Holds that outlive their ttl by renewal.
    LongHolds,
    /// Nested keys in random order, which may deadlock.
    LockOrder,
    /// Several keys at once.
    MultiKey,
    /// Holds that last longer than a failover, and short ones of other keys. No seed chooses it.
    Failover,
}

impl Workload {
    pub const ALL: [Self; 9] = [
        Self::Register,
        Self::Counter,
        Self::ManyKeys,
        Self::HotKey,
        Self::Nesting,
        Self::CancelStorm,
        Self::LongHolds,
        Self::LockOrder,
        Self::MultiKey,
    ];

    #[must_use]
    pub fn keys(self) -> u32 {
        match self {
            Self::HotKey => 1,
            Self::Register | Self::Counter => 2,
            Self::CancelStorm | Self::LockOrder => 3,
            Self::LongHolds => 4,
            Self::Nesting | Self::MultiKey | Self::Failover => 6,
            Self::ManyKeys => 32,
        }
    }

    /// The number of processes, if the workload fixes it.
    #[must_use]
    pub fn processes(self) -> Option<u32> {
        (self == Self::HotKey).then_some(4)
    }

    /// The number of agents of each process.
    #[must_use]
    pub fn agents(self) -> u32 {
        match self {
            Self::HotKey => 16,
            Self::ManyKeys => 8,
            Self::LockOrder | Self::LongHolds => 3,
            _ => 4,
        }
    }

    /// The longest pause between two rounds.
    pub(crate) fn pause(self) -> Duration {
        Duration::from_micros(match self {
            Self::ManyKeys => 1_500,
            Self::HotKey | Self::LockOrder | Self::LongHolds => 5_000,
            _ => 1_000,
        })
    }

    /// The key, the wait and the section of a round that has one section.
    fn section(self, agent: &mut Agent) -> (u32, Duration, Ops) {
        match self {
            Self::LongHolds => long_holds::plan(agent),
            Self::Failover => failover::plan(agent),
            _ => simple::plan(self, agent),
        }
    }

    /// One round of a thread. Returns whether all requests succeeded.
    pub(crate) fn round(self, agent: &mut Agent) -> bool {
        match self {
            Self::Register
            | Self::Counter
            | Self::ManyKeys
            | Self::HotKey
            | Self::LongHolds
            | Self::Failover => {
                let (key, wait, ops) = self.section(agent);
                agent.run_section(key, wait, &ops)
            }
            Self::Nesting => nesting::round(agent),
            Self::CancelStorm => cancel_storm::round(agent),
            Self::LockOrder => lock_order::round(agent),
            Self::MultiKey => multi_key::round(agent),
        }
    }

    pub(crate) async fn round_async(self, agent: &mut Agent) -> bool {
        match self {
            Self::Register
            | Self::Counter
            | Self::ManyKeys
            | Self::HotKey
            | Self::LongHolds
            | Self::Failover => {
                let (key, wait, ops) = self.section(agent);
                agent.run_section_async(key, wait, &ops).await
            }
            Self::Nesting => nesting::round_async(agent).await,
            Self::CancelStorm => cancel_storm::round_async(agent).await,
            Self::LockOrder => lock_order::round_async(agent).await,
            Self::MultiKey => multi_key::round_async(agent).await,
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = clap::ValueEnum::to_possible_value(self).expect("none is skipped");
        f.pad(value.get_name())
    }
}

#[must_use]
pub fn key_name(key: u32) -> String {
    format!("trial:{key}")
}
