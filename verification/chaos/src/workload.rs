//! What workers do.

mod cancel_storm;
mod crossing;
mod long_holds;
mod nesting;
mod simple;
mod together;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::worker::Agent;

/// What all workers of a schedule do, in rounds, until it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
pub enum Workload {
    /// Writes to a register that compares tokens, also when the hold is over.
    Register,
    /// Reads an unfenced counter, pauses, and writes one more.
    Counter,
    /// Many keys and short holds.
    ManyKeys,
    /// One key, and 64 who want it in 4 processes.
    HotKey,
    /// Annotated functions inside each other up to five levels deep, sync and async, joined and raced.
    Nesting,
    /// Half of all requests are dropped at random points.
    CancelStorm,
    /// Holds that live by being renewed.
    LongHolds,
    /// Keys inside each other in random order, which may end in deadlocks.
    Crossing,
    /// Several keys at once.
    Together,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Register,
        Self::Counter,
        Self::ManyKeys,
        Self::HotKey,
        Self::Nesting,
        Self::CancelStorm,
        Self::LongHolds,
        Self::Crossing,
        Self::Together,
    ];

    /// How many keys it uses.
    #[must_use]
    pub fn keys(self) -> u32 {
        match self {
            Self::HotKey => 1,
            Self::Register | Self::Counter => 2,
            Self::CancelStorm | Self::Crossing => 3,
            Self::LongHolds => 4,
            Self::Nesting | Self::Together => 6,
            Self::ManyKeys => 32,
        }
    }

    /// How many processes do it, if that is not left to chance.
    #[must_use]
    pub fn processes(self) -> Option<u32> {
        (self == Self::HotKey).then_some(4)
    }

    /// How many threads and tasks of each process do it.
    #[must_use]
    pub fn agents(self) -> u32 {
        match self {
            Self::HotKey => 16,
            Self::ManyKeys => 8,
            Self::Crossing | Self::LongHolds => 3,
            _ => 4,
        }
    }

    /// The longest pause between two rounds.
    pub(crate) fn pause(self) -> Duration {
        Duration::from_micros(match self {
            Self::ManyKeys => 1_500,
            Self::HotKey | Self::Crossing | Self::LongHolds => 5_000,
            _ => 1_000,
        })
    }

    /// One round of a thread; whether it had all it asked for.
    pub(crate) fn round(self, agent: &mut Agent) -> bool {
        match self {
            Self::Register | Self::Counter | Self::ManyKeys | Self::HotKey => {
                simple::round(self, agent)
            }
            Self::Nesting => nesting::round(agent),
            Self::CancelStorm => cancel_storm::round(agent),
            Self::LongHolds => long_holds::round(agent),
            Self::Crossing => crossing::round(agent),
            Self::Together => together::round(agent),
        }
    }

    /// One round of a task.
    pub(crate) async fn round_async(self, agent: &mut Agent) -> bool {
        match self {
            Self::Register | Self::Counter | Self::ManyKeys | Self::HotKey => {
                simple::round_async(self, agent).await
            }
            Self::Nesting => nesting::round_async(agent).await,
            Self::CancelStorm => cancel_storm::round_async(agent).await,
            Self::LongHolds => long_holds::round_async(agent).await,
            Self::Crossing => crossing::round_async(agent).await,
            Self::Together => together::round_async(agent).await,
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = clap::ValueEnum::to_possible_value(self).expect("none is skipped");
        f.pad(value.get_name())
    }
}

/// What a key is called in the lock.
#[must_use]
pub fn key_name(key: u32) -> String {
    format!("trial:{key}")
}
