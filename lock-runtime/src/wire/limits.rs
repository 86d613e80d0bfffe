//! Limits that both sides keep: times, and how much one command asks for.

use std::time::Duration;

/// How long a waiter keeps its place without being heard of, unless its process has a crowd of them; and how long a grant
/// waits at the most to be taken up.
pub const WAITER_LEASE: Duration = Duration::from_secs(2);

/// A hold that lasts shorter than this is over before those behind it next hear of it: the first of them is sent how long it
/// lasts. As long as a waiter takes at the most to look.
pub const SHORT_HOLD: Duration = Duration::from_millis(600);

/// How long a grant waits to be taken up, of a hold whose key is to last for `ttl`.
#[must_use]
pub fn claim(ttl: Duration) -> Duration {
    ttl.min(WAITER_LEASE)
}

/// The most fencing tokens that one grant reserves.
pub const MAX_FENCE_RANGE: u32 = 1024;

/// The largest block that is drawn without a look at how far the counter is ahead of the server's clock.
pub const SMALL_FENCE_RANGE: u32 = 16;

/// How many waiters an inspection lists.
pub const MAX_LISTED_WAITERS: u32 = 100;
