//! Owners: which leases the running code is inside of.
//!
//! Each section has a [`Frame`], linked to the frame around it. A thread-local points at the
//! innermost frame: synchronous code sets it for the duration of a call, a future for the duration
//! of each poll. It counts only for the tokio task that set it, because an executor may run another
//! task further up on the same stack.
//!
//! A guard or a share can also be entered in another place than where its lock was acquired. Such
//! code has a frame of its own, which leads to the section and to the frames around the code: it
//! re-enters what the section re-enters, and all of them wait for it.
//!
//! A request re-enters if and only if a frame of its own chain holds the same key, the rule of
//! nested transactions (Moss, 1981). Children of one frame that ask for its key run one at a time,
//! under its sibling mutex.

pub(crate) mod context;
pub(crate) mod frame;
pub(crate) mod frameless;
pub(crate) mod section;
