//! The lock in a simulated cluster. One seed is one schedule: the same seed brings the same events, to the nanosecond.
//!
//! The library's own files are built into this crate, all but five modules: the clock, the random names, the settings, the server
//! and the I/O around the I/O thread are the simulation's. What runs in a simulated process is what runs in a real one: requests,
//! sections and their nesting, queues and hand-over, the protocol; the server is the in-process twin of the scripts, which is
//! compared with them elsewhere. Between them is a network that delays, cuts, loses and reorders, and faults befall all of it.
//!
//! - `plan`: what is to happen, drawn from a seed: who asks for what, and which faults come when. Can be made smaller.
//! - `world`: makes it happen: the agenda, the server, the network, the processes with their tasks.
//! - `stage`: where the library's files find the time, and the tasks write down what they see.
//! - `trial`: a plan, run and checked, with what only the plan says (`hindsight`); `campaign`: many of them; `shrink`: the least of a plan that still goes wrong.

#![forbid(unsafe_code)]

#[cfg(not(distlock_sim))]
compile_error!(
    "run Cargo from within verification/sim: its .cargo/config.toml sets `--cfg distlock_sim`"
);

mod clock;
mod node;

pub mod campaign;
mod hindsight;
pub mod plan;
pub mod shrink;
mod stage;
pub mod trial;
mod world;
