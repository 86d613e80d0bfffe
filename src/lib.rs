//! Run a function under a Redis lock: annotate it, nest it freely, and its body runs one at a time in the cluster.
pub use lock_macros::distributed_lock;
#[doc(hidden)]
pub use lock_runtime::__private;
pub use lock_runtime::*;
