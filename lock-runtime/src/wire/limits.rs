//! Limits and durations that client and scripts share.

use std::time::Duration;

/// How long a queue entry is kept without a refresh, unless its process has very many waiters; and
/// the longest claim of a pushed grant.
pub const WAITER_LEASE: Duration = Duration::from_secs(2);

/// The first waiter behind a hold that ends sooner than this is notified of when it ends, because
/// it would not check by then.
pub const SHORT_HOLD: Duration = Duration::from_millis(600);

/// How long a grant waits to be taken up, of a hold whose key is to last for `ttl`.
#[must_use]
pub fn claim(ttl: Duration) -> Duration {
    ttl.min(WAITER_LEASE)
}

/// The most fencing tokens that one grant reserves.
pub const MAX_FENCE_RANGE: u32 = 1024;

/// The largest block that is drawn without a look at how far the counter is ahead of the server's
/// clock.
pub const SMALL_FENCE_RANGE: u32 = 16;

/// How many waiters an inspection lists.
pub const MAX_LISTED_WAITERS: u32 = 100;
