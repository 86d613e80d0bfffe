//! Who the running code is: the chain of holds around it. Knows leases, nothing of Redis.
//!
//! A thread-local points at the innermost frame. Synchronous code sets it for the length of a call, a future
//! for the length of each poll. It is that of the task that entered it: another task of tokio that runs further up on the same
//! stack has no frame around it. A request re-enters iff a frame of its own chain holds the same key (the rule
//! of Moss' nested transactions, 1981); children of one frame that ask for its key take turns.

pub(crate) mod context;
pub(crate) mod frame;
pub(crate) mod scope;
pub(crate) mod section;
pub(crate) mod turn;
