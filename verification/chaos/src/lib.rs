//! Chaos tests: the lock on real redis-servers and real processes, with faults chosen by a seed.
//!
//! ```text
//! # One schedule, with a trace of its violations:
//! cargo run --release -p chaos -- --seed 7
//! # Many schedules, with counts:
//! cargo run --release -p chaos -- run --schedules 1000 --jobs 4
//! # The same on a cluster:
//! cargo run --release -p chaos -- run --topology cluster --schedules 1000 --jobs 4
//! # Schedules for a time, with a report:
//! cargo run --release -p chaos -- soak --for 8h --report night.html
//! # How often holds overlap and late writes arrive, for each kind of loss:
//! cargo run --release -p chaos -- lossy --rounds 100
//! # Failovers of each kind, under Sentinels and behind a name:
//! cargo run --release -p chaos -- failover --trials 20
//! ```
//!
//! `--workload` and `--fault` override what the seed would choose. The seed decides which
//! operations and faults happen and when. The outcome differs from run to run, because clocks,
//! processes and sockets are real, so `--keep` saves the histories of schedules with violations.
//!
//! - `schedule`, `fault`, `workload`, `settings`: what a seed decides.
//! - `worker_config`, `worker`, `journal`, `register`, `counters`: a process that takes locks, and
//!   what it writes to.
//! - `workers`: starts the worker processes and collects what they record.
//! - `setup`: starts the servers, proxies and workers, and injects faults.
//! - `trial`: runs one schedule and checks its history with the crate `checker`.
//! - `campaign`, `tally`, `soak`, `report`: run many schedules.
//! - `lossy`: measures how often two holds are valid at once when the server loses one.
//! - `failover`: promotes replicas under load, checks what has to hold and measures the rest.
#![allow(missing_docs, reason = "an internal tool; only what a name does not say is documented")]

pub mod campaign;
mod clock;
mod counters;
pub mod failover;
pub mod fault;
mod journal;
pub mod lossy;
pub mod options;
mod register;
mod report;
pub mod schedule;
mod settings;
mod setup;
pub mod soak;
mod tally;
pub mod trial;
pub mod verdict;
mod worker;
mod worker_config;
mod workers;
pub mod workload;

pub use settings::FailoverPause;
pub use worker::work;
