//! The lock protocol of one process with one server, as a state machine without I/O, clock or
//! randomness.
//!
//! Inputs are method calls that carry the current time:
//! [`Protocol::acquire`](state::Protocol::acquire), replies, notifications, ticks and connection
//! events. Results come out as [`Output`](state::Output)s: commands to send and events for the
//! owners of requests. The I/O thread drives it with a real connection; the simulation and the unit
//! tests drive it with a simulated one.
//!
//! # A request
//!
//! `Pending` -> `Acquiring` -> (`Queued` | `BackingOff`) -> `Held` -> `Releasing` -> removed, or
//! `Held` -> `Lost` -> `Releasing`.
//!
//! - **Acquire.** One command takes the lock or queues the request. Repeating it with the same
//!   request id changes nothing on the server, so it is sent again after a lost connection.
//! - **Queued.** The server notifies the process when it grants the lock. A queued request never
//!   relies on that: it refreshes its lease in the queue, and acquires again when the holder's TTL
//!   runs out.
//! - **Validity.** A hold is valid for its ttl minus the clock margin, counted from the *send time*
//!   of the command that wrote the TTL. A pushed grant has no send time; it counts from the last
//!   command that the server answered with "queued", because the grant is later than that.
//! - **Renewal.** After a third of the ttl, many holds in one command. A late or failed renewal
//!   never extends a hold.
//! - **Release.** A hold is released if none of its acquires can still arrive, else it is
//!   cancelled. If an acquire may arrive from a dead connection the cancel leaves a tombstone that
//!   refuses it.
//!
//! # Files
//!
//! `state` has the inputs and the table of requests, `request` the state of one, `commands` what is
//! sent, `replies` what replies and notifications change, `timers` what is due when. `multi`
//! acquires several keys in one command, `deadlock` probes for cycles, `backlog` limits the
//! commands in flight, `max_lease` tracks the longest lease for the data-loss grace period,
//! `reply_timeout` decides when a silent connection is dead, and `timing` has all durations.

pub(crate) mod backlog;
pub(crate) mod commands;
pub(crate) mod deadlock;
pub(crate) mod in_flight;
pub(crate) mod max_lease;
pub(crate) mod multi;
pub(crate) mod replies;
pub(crate) mod reply_timeout;
pub(crate) mod request;
pub(crate) mod signal;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod timers;
pub(crate) mod timing;
