//! The models, one part each.

pub mod block_on;
pub mod cancel;
pub mod foreign_task;
pub mod frameless;
pub mod grant_channel;
pub mod lease;
pub mod linger;
pub mod link;
pub mod loss;
pub mod queue;
pub mod renewal;
pub mod shared_hold;
pub mod sibling_mutex;
