//! What is compared: a library, in a tuning, used by threads or by tasks.

use std::fmt;

use clap::{Args, ValueEnum};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Library {
    /// Not a lock: the two commands that every lock of this kind sends, each worker on its own
    /// key.
    Raw,
    Distlock,
    Rslock,
    Rlock,
    RedisPy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tuning {
    Default,
    /// Polls at the highest rate, without optional features.
    Tuned,
    /// Polls without a pause.
    Spinning,
    /// distlock in strict order across processes.
    Strict,
    /// distlock with `linger`.
    Linger,
    /// distlock with grants that a replica confirms.
    Replicas,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workers {
    Threads,
    /// Of a multi-thread runtime.
    Tasks,
    /// Of a current-thread runtime.
    CurrentThreadTasks,
}

#[derive(Args, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    #[arg(long, value_enum)]
    pub library: Library,
    #[arg(long, value_enum)]
    pub tuning: Tuning,
    #[arg(long, value_enum)]
    pub by: Workers,
}

use Library::{Distlock, Raw, RedisPy, Rlock, Rslock};
use Tuning::{Default, Linger, Replicas, Spinning, Strict, Tuned};
use Workers::{CurrentThreadTasks, Tasks, Threads};

impl Candidate {
    pub const RAW_THREADS: Self = Self::new(Raw, Default, Threads);
    pub const RAW_TASKS: Self = Self::new(Raw, Default, Tasks);
    pub const DISTLOCK_THREADS: Self = Self::new(Distlock, Default, Threads);
    pub const DISTLOCK_TASKS: Self = Self::new(Distlock, Default, Tasks);
    pub const STRICT_THREADS: Self = Self::new(Distlock, Strict, Threads);
    pub const STRICT_TASKS: Self = Self::new(Distlock, Strict, Tasks);
    pub const LINGER_THREADS: Self = Self::new(Distlock, Linger, Threads);
    pub const LINGER_TASKS: Self = Self::new(Distlock, Linger, Tasks);
    pub const REPLICAS_THREADS: Self = Self::new(Distlock, Replicas, Threads);
    pub const REPLICAS_TASKS: Self = Self::new(Distlock, Replicas, Tasks);
    pub const RSLOCK: Self = Self::new(Rslock, Default, Tasks);
    pub const RSLOCK_TUNED: Self = Self::new(Rslock, Tuned, Tasks);
    pub const RSLOCK_SPINNING: Self = Self::new(Rslock, Spinning, Tasks);
    pub const RLOCK_THREADS: Self = Self::new(Rlock, Default, Threads);
    pub const RLOCK_THREADS_TUNED: Self = Self::new(Rlock, Tuned, Threads);
    pub const RLOCK_TASKS: Self = Self::new(Rlock, Default, Tasks);
    pub const RLOCK_TASKS_TUNED: Self = Self::new(Rlock, Tuned, Tasks);
    pub const REDIS_PY: Self = Self::new(RedisPy, Default, Threads);
    pub const REDIS_PY_TUNED: Self = Self::new(RedisPy, Tuned, Threads);

    /// The other libraries, in each tuning.
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

    const fn new(library: Library, tuning: Tuning, by: Workers) -> Self {
        Self { library, tuning, by }
    }

    /// The same with other workers.
    pub const fn by(self, workers: Workers) -> Self {
        Self { by: workers, ..self }
    }

    /// The command-line options of a child process.
    pub fn arguments(self) -> [String; 6] {
        let word = |value: Option<clap::builder::PossibleValue>| {
            value.map_or_else(String::new, |value| value.get_name().to_owned())
        };
        [
            "--library".to_owned(),
            word(self.library.to_possible_value()),
            "--tuning".to_owned(),
            word(self.tuning.to_possible_value()),
            "--by".to_owned(),
            word(self.by.to_possible_value()),
        ]
    }

    pub fn workers(self) -> &'static str {
        match self.by {
            Threads => "threads",
            Tasks => "tasks",
            CurrentThreadTasks => "tasks, current-thread",
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let library = match self.library {
            Raw => "raw baseline",
            Distlock => "distlock",
            Rslock => "rslock",
            Rlock => "rlock",
            RedisPy => "redis-py",
        };
        let tuning = match self.tuning {
            Default => "",
            Tuned => ", tuned",
            Spinning => ", spinning",
            Strict => ", strict",
            Linger => ", linger",
            Replicas => ", replicas = 1",
        };
        write!(f, "{library}{tuning}")
    }
}
