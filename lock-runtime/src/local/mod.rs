//! The requests of this process for one key: their order, and the hold that they hand on to one another.
//!
//! Only the first of them is known to the server. When its section ends, the next one gets the lock from it without a
//! round trip, under the next token of the block that the grant reserved: lock cohorting (Dice, Marathe and Shavit,
//! `PPoPP` 2012). How often is bounded while others wait elsewhere. A hold may also linger for a while with nobody inside.
//!
//! [`LocalQueue`] decides, without I/O and with time passed in; [`KeyQueue`] is a line that callers and the I/O thread share.

pub(crate) mod in_line;
pub(crate) mod key_queue;
pub(crate) mod lease;
#[cfg(test)]
mod line_test;
pub(crate) mod moves;
pub(crate) mod post;
pub(crate) mod queue;
pub(crate) mod seat;
#[cfg(test)]
mod shared_test;
pub(crate) mod table;
pub(crate) mod tenure;
pub(crate) mod waiters;
pub(crate) mod waiting;
