//! Log events of a link.

use std::time::Duration;

use crate::local::lease::Lease;
use crate::local::queue::LongSection;
use crate::protocol::request::Loss;
use crate::types::owner_info::ProcessInfo;
use crate::types::text::{printable, words};
use crate::user_code;
use crate::wire::reply::{BlockedBy, BusyReply};

pub(crate) fn lost(lease: &Lease, loss: Loss) {
    let (key, fence) = (printable(lease.key()).into_owned(), lease.fence().get());
    user_code::event!(WARN, key, fence, reason = %loss, "lock lost while it was held");
}

pub(crate) fn reclaimed(key: &str) {
    let key = printable(key).into_owned();
    user_code::event!(INFO, key, "a failover had lost this lock; its holder has put it back");
}

pub(crate) fn not_taken_up(key: &str) {
    let key = printable(key).into_owned();
    user_code::event!(
        WARN,
        key,
        "a granted lock was given back: the future that waits for it is kept but not polled"
    );
}

pub(crate) fn data_lost(left: Option<Duration>) {
    let left = left.map_or("unknown".to_owned(), |left| format!("{left:.1?}"));
    user_code::event!(
        WARN,
        left,
        "the server lost its data; nothing is granted until all leases from before have ended"
    );
}

pub(crate) fn failed_over(left: Option<Duration>) {
    let left = left.map_or("unknown".to_owned(), |left| format!("{left:.1?}"));
    user_code::event!(
        WARN,
        left,
        "the server has failed over or restarted; it grants no locks until its grace period is over"
    );
}

/// This many calls timed out waiting.
pub(crate) fn timed_out(key: &str, calls: usize) {
    if user_code::is_wanted(tracing::Level::DEBUG) {
        let key = printable(key).into_owned();
        user_code::event!(DEBUG, key, calls, "gave up waiting for a lock that is busy");
    }
}

pub(crate) fn long_section(key: &str, here: &LongSection) {
    let (key, function) = (printable(key).into_owned(), printable(&here.function).into_owned());
    let (held, waited) = (format!("{:.1?}", here.held), format!("{:.1?}", here.waited));
    let calls = here.calls;
    user_code::event!(
        WARN,
        key,
        calls,
        waited,
        holder.function = function,
        held,
        "calls wait for a lock that this process holds: if the holder waits for one of them, share \
         the hold with it (`Hold::share`); if it needs the thread of one of them, both are stuck: \
         a blocking call blocks the runtime that has to finish the holder"
    );
}

/// The server refused to renew this many leases, this one among them.
pub(crate) fn renewals_refused(key: &str, holds: usize, why: &str) {
    let (key, why) = (printable(key).into_owned(), words(why));
    user_code::event!(
        WARN,
        key,
        holds,
        why,
        "the server refuses to renew locks; they will be lost if this continues"
    );
}

pub(crate) fn release_refused(key: &str, why: &str) {
    let (key, why) = (printable(key).into_owned(), words(why));
    user_code::event!(
        WARN,
        key,
        why,
        "the server refuses to release a lock; it is free after its ttl at the latest"
    );
}

/// This many calls of this process wait, the longest for `waited`.
pub(crate) fn still_waiting(key: &str, calls: usize, waited: Duration, busy: Option<&BusyReply>) {
    let (key, waited) = (printable(key).into_owned(), format!("{waited:.1?}"));
    let ahead = busy.map_or(0, |busy| busy.ahead);
    match busy.map(|busy| busy.blocked_by.clone()) {
        Some(BlockedBy::Holder(Some(holder)))
            if ProcessInfo::of_this_process().is(&holder.owner) =>
        {
            user_code::event!(
                WARN, key, calls, waited, ahead,
                holder.function = %printable(holder.owner.function_and_label().0),
                holder.fence = holder.fence.get(),
                "still waiting for a lock that this process holds: \
                 if the holder needs this thread, both are stuck"
            );
        }
        Some(BlockedBy::Holder(Some(holder))) => user_code::event!(WARN, key, calls, waited, ahead,
            holder.host = %printable(&holder.owner.host), holder.pid = holder.owner.pid,
            holder.function = %printable(holder.owner.function_and_label().0),
            holder.label =
                holder.owner.function_and_label().1.map(|label| printable(label).into_owned()),
            holder.fence = holder.fence.get(),
            "still waiting for a lock that another process holds"
        ),
        Some(BlockedBy::KeyConflict) => user_code::event!(
            WARN,
            key,
            calls,
            waited,
            ahead,
            "still waiting: the lock's Redis key exists but was not created by distlock"
        ),
        Some(BlockedBy::DataLoss) => user_code::event!(
            WARN,
            key,
            calls,
            waited,
            ahead,
            "still waiting: the server lost its data, \
             and leases from before may still be valid in their processes"
        ),
        Some(BlockedBy::Failover) => user_code::event!(
            WARN,
            key,
            calls,
            waited,
            ahead,
            "still waiting: the server has failed over, and its grace period is not over"
        ),
        Some(BlockedBy::Holder(None)) => {
            user_code::event!(
                WARN,
                key,
                calls,
                waited,
                ahead,
                "still waiting behind others in the queue"
            );
        }
        None => {
            user_code::event!(WARN, key, calls, waited, "still waiting for a reply of the server");
        }
    }
}
