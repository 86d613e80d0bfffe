//! The lock in a simulated cluster. One seed is one schedule: the same seed causes the same events,
//! to the nanosecond.
//!
//! `--cfg distlock_verification` makes the runtime take time, request ids, tasks and process ids
//! from this crate. A simulated process runs the runtime's own code: requests, sections and their
//! nesting, local queues and handoffs, the protocol, and the dispatcher of the I/O thread. The
//! server is the in-memory server, which a property test compares with a real one. Simulated are
//! the clocks, the connections and the event loop of the I/O thread. The network delays, cuts,
//! loses and reorders, and faults hit all of it.
//!
//! - `plan`: what happens, generated from a seed: the requests, and the faults.
//! - `world`: runs a plan: the event queue, the server, the network, the processes with their
//!   tasks.
//! - `context`: where the runtime finds the time, and where tasks record what they observe.
//! - `trial`: runs a plan and checks its history, also by what only the plan knows (`plan_checks`).
//! - `campaign`: runs many plans. `shrink`: reduces a plan that fails.

#![forbid(unsafe_code)]

#[cfg(not(distlock_verification))]
compile_error!("run Cargo in verification/models/sim, where it sets `--cfg distlock_verification`");

mod clock;
mod io_thread;

pub mod campaign;
mod context;
pub mod plan;
mod plan_checks;
pub mod shrink;
pub mod trial;
mod world;
