//! Who is compared: a make of lock, in a tuning, wanted by threads or by tasks.

use std::fmt;

use clap::{Args, ValueEnum};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Make {
    /// Not a lock: the two commands that every lock of this kind is made of, each worker on a key
    /// of its own.
    Raw,
    Distlock,
    Rslock,
    Rlock,
    RedisPy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tuning {
    Default,
    /// Polls as fast as it can be set to, and does nothing that a bare lock would not.
    Tuned,
    /// Polls without a pause.
    Spinning,
    /// distlock in strict order across processes.
    Global,
    /// distlock with a lock that stays where it was.
    Linger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workers {
    Threads,
    Tasks,
}

#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contender {
    #[arg(long, value_enum)]
    pub make: Make,
    #[arg(long, value_enum)]
    pub tuning: Tuning,
    #[arg(long, value_enum)]
    pub by: Workers,
}

use Make::{Distlock, Raw, RedisPy, Rlock, Rslock};
use Tuning::{Default, Global, Linger, Spinning, Tuned};
use Workers::{Tasks, Threads};

impl Contender {
    pub const RAW_THREADS: Self = Self::new(Raw, Default, Threads);
    pub const RAW_TASKS: Self = Self::new(Raw, Default, Tasks);
    pub const DISTLOCK_THREADS: Self = Self::new(Distlock, Default, Threads);
    pub const DISTLOCK_TASKS: Self = Self::new(Distlock, Default, Tasks);
    pub const GLOBAL_THREADS: Self = Self::new(Distlock, Global, Threads);
    pub const GLOBAL_TASKS: Self = Self::new(Distlock, Global, Tasks);
    pub const LINGER_THREADS: Self = Self::new(Distlock, Linger, Threads);
    pub const LINGER_TASKS: Self = Self::new(Distlock, Linger, Tasks);
    pub const RSLOCK: Self = Self::new(Rslock, Default, Tasks);
    pub const RSLOCK_TUNED: Self = Self::new(Rslock, Tuned, Tasks);
    pub const RSLOCK_SPINNING: Self = Self::new(Rslock, Spinning, Tasks);
    pub const RLOCK_THREADS: Self = Self::new(Rlock, Default, Threads);
    pub const RLOCK_THREADS_TUNED: Self = Self::new(Rlock, Tuned, Threads);
    pub const RLOCK_TASKS: Self = Self::new(Rlock, Default, Tasks);
    pub const RLOCK_TASKS_TUNED: Self = Self::new(Rlock, Tuned, Tasks);
    pub const REDIS_PY: Self = Self::new(RedisPy, Default, Threads);
    pub const REDIS_PY_TUNED: Self = Self::new(RedisPy, Tuned, Threads);

    /// What a user would otherwise pick, in every way it is measured.
    pub const PEERS: [Self; 9] = [
        Self::RLOCK_THREADS,
        Self::RLOCK_THREADS_TUNED,
        Self::RLOCK_TASKS,
        Self::RLOCK_TASKS_TUNED,
        Self::RSLOCK,
        Self::RSLOCK_TUNED,
        Self::RSLOCK_SPINNING,
        Self::REDIS_PY,
        Self::REDIS_PY_TUNED,
    ];

    const fn new(make: Make, tuning: Tuning, by: Workers) -> Self {
        Self { make, tuning, by }
    }

    /// As the options of a child process.
    pub fn arguments(self) -> [String; 6] {
        let word = |value: Option<clap::builder::PossibleValue>| {
            value.map_or_else(String::new, |value| value.get_name().to_owned())
        };
        [
            "--make".to_owned(),
            word(self.make.to_possible_value()),
            "--tuning".to_owned(),
            word(self.tuning.to_possible_value()),
            "--by".to_owned(),
            word(self.by.to_possible_value()),
        ]
    }

    /// What a table calls its workers.
    pub fn workers(self) -> &'static str {
        match self.by {
            Threads => "threads",
            Tasks => "tasks",
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let make = match self.make {
            Raw => "raw floor",
            Distlock => "distlock",
            Rslock => "rslock",
            Rlock => "rlock",
            RedisPy => "redis-py",
        };
        let tuning = match self.tuning {
            Default => "",
            Tuned => ", tuned",
            Spinning => ", spinning",
            Global => ", global",
            Linger => ", linger",
        };
        write!(f, "{make}{tuning}")
    }
}
