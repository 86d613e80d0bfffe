//! Whom the I/O thread acts for.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::lease::Lease;
use crate::queue::{Answer, Queue};

/// Who hears what becomes of a request and of its hold.
pub(super) enum Party {
    /// A caller that waits for its answer.
    Asking(Arc<str>, oneshot::Sender<Answer>),
    /// A hold of one section.
    Holding(Arc<Lease>),
    /// The queue of a key.
    Queue(Arc<Queue>),
}

impl Party {
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Asking(key, _) => key,
            Self::Holding(lease) => lease.key(),
            Self::Queue(queue) => queue.key(),
        }
    }
}
