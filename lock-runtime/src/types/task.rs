//! Which task runs on this thread: one of tokio's, or one of a verification crate.

#[cfg(any(distlock_sim, distlock_shuttle, distlock_loom))]
pub(crate) use crate::types::environment::{TaskId, current_task as current};
#[cfg(not(any(distlock_sim, distlock_shuttle, distlock_loom)))]
pub(crate) use tokio::task::{Id as TaskId, try_id as current};
