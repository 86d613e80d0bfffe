//! The lock under faults: real redis-servers, real processes, and one seed for all that befalls them.
//!
//! ```text
//! cargo run --release -p chaos -- --seed 7                             one schedule; what went wrong as a story
//! cargo run --release -p chaos -- run --schedules 1000 --jobs 4        many, with counts
//! cargo run --release -p chaos -- soak --for 8h --report night.html    until then, with a page about it
//! cargo run --release -p chaos -- lossy --rounds 100                   how often two holds are valid at once, and late writes
//! ```
//!
//! `--workload` and `--fault` fix what is else left to the seed. A seed decides what is done and when; what comes of it differs
//! from run to run, as clocks, processes and sockets are real: `--keep` stores the histories of schedules with violations.
//!
//! - `schedule`, `fault`, `workload`, `settings`: what a seed decides.
//! - `orders`, `worker`, `journal`, `register`, `counters`: a process that takes locks, and what it writes to.
//! - `cluster`: the server, the network and the workers, from the outside, and how faults are made.
//! - `trial`: one schedule from its start to the verdict of the checker in the crate `history`.
//! - `campaign`, `tally`, `soak`, `report`: many of them.
//! - `lossy`: how often two holds are valid at once when the server loses one.

pub mod campaign;
mod clock;
mod cluster;
mod counters;
pub mod fault;
mod journal;
pub mod lossy;
pub mod options;
mod orders;
mod register;
mod report;
pub mod schedule;
mod settings;
pub mod soak;
mod tally;
pub mod trial;
pub mod verdict;
mod worker;
pub mod workload;

pub use worker::work;
