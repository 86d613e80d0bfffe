//! The requests of this process for one key: their order, and the hold that they hand on to one another.
//!
//! Only the first of them is known to the server. When its section ends, the next one gets the lock from it without a
//! round trip, under the next token of the block that the grant reserved: lock cohorting (Dice, Marathe and Shavit,
//! `PPoPP` 2012). How often is bounded while others wait elsewhere. A hold may also linger for a while with nobody inside.
//!
//! [`LocalQueue`] decides, without I/O and with time passed in; [`KeyQueue`] is a line that callers and the I/O thread share.

mod in_line;
mod line;
#[cfg(test)]
mod line_test;
mod moves;
mod post;
mod queues;
mod seat;
mod shared;
#[cfg(test)]
mod shared_test;
mod tenure;
mod waiters;
mod waiting;

pub use in_line::{AcquireOutcome, PendingGrant, WaitForTurn};
pub use moves::{LongSection, TickReport};
pub use post::{IoHandle, QueueContext};
pub use queues::{JoinOutcome, QueueTable};
pub use seat::{GrantReceiver, GrantSender, Nudge, seat};
pub use shared::{KeyQueue, Reclaim};
pub use waiting::{AcquireParams, LeaseTerms};
