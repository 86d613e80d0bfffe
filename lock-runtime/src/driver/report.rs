//! What the I/O thread tells people who read logs.

use std::time::Duration;

use crate::lease::Lease;
use crate::printable::printable;
use crate::protocol::Loss;
use crate::user_code;
use crate::wire::{Busy, Obstacle};

pub(super) fn lost(lease: &Lease, loss: Loss) {
    let (key, fence) = (printable(lease.key()).into_owned(), lease.fence().get());
    user_code::event!(warn, key, fence, reason = %loss, "lock lost while it was held");
}

pub(super) fn not_taken_up(key: &str) {
    let key = printable(key).into_owned();
    user_code::event!(
        warn,
        key,
        "a granted lock was given back: the future that waited for it is kept and not polled"
    );
}

pub(super) fn still_waiting(key: &str, waited: Duration, busy: Option<&Busy>) {
    let (key, waited) = (printable(key).into_owned(), format!("{waited:.1?}"));
    let ahead = busy.map_or(0, |busy| busy.ahead);
    match busy.map(|busy| busy.obstacle.clone()) {
        Some(Obstacle::Holder(Some(holder))) => user_code::event!(warn, key, waited, ahead,
            holder.host = %printable(&holder.who.host), holder.pid = holder.who.pid,
            holder.function = %printable(holder.who.function_and_label().0),
            holder.label = holder.who.function_and_label().1.map(|label| printable(label).into_owned()), holder.fence = holder.fence.get(),
            "still waiting for a lock that another holds"
        ),
        Some(Obstacle::ForeignKey) => user_code::event!(
            warn,
            key,
            waited,
            ahead,
            "still waiting: a key that is not a lock stands under the lock's name"
        ),
        Some(Obstacle::DataLoss) => user_code::event!(
            warn,
            key,
            waited,
            ahead,
            "still waiting: the server lost its data, holds from before may still be valid in their processes"
        ),
        Some(Obstacle::Holder(None)) => {
            user_code::event!(
                warn,
                key,
                waited,
                ahead,
                "still waiting for those ahead in the queue"
            );
        }
        None => {
            user_code::event!(warn, key, waited, "still waiting for an answer of the server");
        }
    }
}
