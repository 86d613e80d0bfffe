//! What the I/O thread tells people who read logs.

use std::time::Duration;

use crate::lease::Lease;
use crate::printable::printable;
use crate::protocol::Loss;
use crate::wire::{Busy, Obstacle};

pub(super) fn lost(lease: &Lease, loss: Loss) {
    let (key, fence) = (&*printable(lease.key()), lease.fence().get());
    tracing::warn!(target: "distlock", key, fence, reason = %loss, "lock lost while it was held");
}

pub(super) fn still_waiting(key: &str, waited: Duration, busy: Option<&Busy>) {
    let key = &*printable(key);
    let waited = format!("{waited:.1?}");
    let ahead = busy.map_or(0, |busy| busy.ahead);
    match busy.map(|busy| &busy.obstacle) {
        Some(Obstacle::Holder(Some(holder))) => tracing::warn!(
            target: "distlock",
            key, waited, ahead,
            holder.host = %printable(&holder.who.host), holder.pid = holder.who.pid,
            holder.function = %printable(&holder.who.function), holder.fence = holder.fence.get(),
            "still waiting for a lock that another holds"
        ),
        Some(Obstacle::ForeignKey) => tracing::warn!(
            target: "distlock", key, waited, ahead,
            "still waiting: a key that is not a lock stands under the lock's name"
        ),
        Some(Obstacle::DataLoss) => tracing::warn!(
            target: "distlock", key, waited, ahead,
            "still waiting: the server lost its data, holds from before may still be valid in their processes"
        ),
        Some(Obstacle::Holder(None)) => {
            tracing::warn!(target: "distlock", key, waited, ahead, "still waiting for those ahead in the queue");
        }
        None => {
            tracing::warn!(target: "distlock", key, waited, "still waiting for an answer of the server");
        }
    }
}
