//! The lock under faults: real redis-servers, real processes, and one seed for all that befalls them.

pub mod campaign;
pub mod clock;
pub mod cluster;
pub mod counters;
pub mod fault;
pub mod journal;
pub mod lossy;
pub mod options;
pub mod orders;
pub mod register;
pub mod report;
pub mod schedule;
pub mod settings;
pub mod soak;
pub mod tally;
pub mod trial;
pub mod verdict;
pub mod worker;
pub mod workload;
