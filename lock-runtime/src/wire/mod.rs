//! What is said to the server: key names, calls, scripts, replies. Pure functions, no I/O and no clock.

mod bound;
mod call;
mod holder;
mod keyspace;
mod nonce;
mod probe;
mod reply;
mod script;
mod together;

#[cfg(test)]
pub mod random;

pub use bound::{Quarantine, bound_for, bound_steps};
pub use call::{
    Acquire, Call, Enqueue, Give, INSPECTED, LARGEST_BLOCK, Renewal, SHORT_HOLD, SMALL_BLOCK,
    WAITER_LEASE, claim,
};
pub use holder::{Holder, OwnerInfo};
pub use keyspace::{EVERYONE, Keyspace};
pub use nonce::{Nonce, NonceMap};
pub use probe::{Member, PROBE_FRESH, PROBE_LIMIT, Probe, Probed, Standing, Target};
pub use reply::{
    AcquireReply, Answer, Busy, Decode, Grant, Inspection, Notice, Obstacle, RenewalReply, Reply,
    Waiter, parse_notice,
};
pub use script::{Invocation, Script};
pub use together::{
    MOST_TOGETHER, Together, acquire_together, acquired_together, release_together,
    released_together,
};
