//! The parts of the lock that threads share, under many schedules of those threads.
//!
//! The files of `lock-runtime` are compiled here as they are, with [shuttle]'s mutexes, atomics,
//! threads and thread-locals in the place of the standard library's (`sync`). A scheduler then
//! decides at each of them who runs next: at random, by few preemptions at random places (PCT), or,
//! for what is small, through every schedule there is.
//!
//! [shuttle]: https://docs.rs/shuttle
//!
//! What runs: the queue of a key with its seats and deliveries, the lease, the owner chain with its
//! turns and scopes, the mailbox, the wait of a thread's end for its releases, and the wait of a
//! plain thread. What is modelled: the I/O thread's loop with the server behind it
//! (`driver::server`), which grants to one at a time and has failures, losses, renewals, waiters
//! elsewhere, alarms and time befall whom it likes; the clock; and the names of requests.
//!
//! What is not seen here:
//!
//! - Orders of memory: shuttle's atomics are sequentially consistent. `verification/loom` runs the
//!   lease and the turns under all orders.
//! - The insides of `Arc` and of tokio's channels and `Notify`: each of their calls is one step.
//!   Nobody sleeps in them.
//! - The protocol and the wire, which belong to one thread and are simulated elsewhere.
//! - A patience that ends: the wait of a thread's end lasts until it is answered.
//!
//! A quarter of a minute of computing, in a build without optimisation:
//!
//! ```text
//! cargo test -p shuttle-models
//! ```
//!
//! For longer, with so many schedules of either kind for each model that is not run through all of
//! them:
//!
//! ```text
//! DISTLOCK_SCHEDULES=20000 cargo test --release -p shuttle-models -- --nocapture
//! ```
//!
//! A failure prints its schedule, in hexadecimal digits between quotes. It is run again with
//!
//! ```text
//! DISTLOCK_REPLAY=9103… cargo test -p shuttle-models -- --exact callers_take_turns
//! ```
//!
//! with line breaks in the schedule or without. A deadlock is a failure: whoever is missed by a
//! wake-up makes one. Those models that are run through every schedule have nothing to replay: they
//! fail again by themselves.
//!
//! Miri has little to find here: the runtime forbids unsafe code of its own. Its unit tests of
//! these parts run under it, without those that draw at random or that start many threads, which
//! take Miri hours:
//!
//! ```text
//! MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p distlock-runtime --lib -- \
//!     queue:: owner:: wire:: lease:: --skip random --skip threads
//! ```

#![forbid(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "a model panics where the runtime is wrong")]

#[cfg(not(distlock_shuttle))]
compile_error!(
    "run Cargo from within verification/shuttle: its .cargo/config.toml sets `--cfg \
     distlock_shuttle`"
);

mod driver;
mod environment;
mod explore;
mod keeper;
pub mod model;
mod process;
mod witness;
