//! How long to leave a server alone that could not be reached.

use std::time::Duration;

/// The pause before attempt number `failures + 1`: doubling from 20 ms to 2 s, halved at random so that
/// the clients of a server that comes back do not all knock at once.
pub fn pause(failures: u32, random: u8) -> Duration {
    let full =
        Duration::from_millis(20).saturating_mul(1 << failures.min(7)).min(Duration::from_secs(2));
    full / 2 + full / 2 * u32::from(random) / 255
}
