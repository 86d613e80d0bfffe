//! How long to wait before connecting again.

use std::time::Duration;

/// The pause after this many failures: doubles from 20 ms to 2 s, of which half is random. Clients
/// of a server that comes back do not all connect at once.
pub fn pause(failures: u32, random: u8) -> Duration {
    let full =
        Duration::from_millis(20).saturating_mul(1 << failures.min(7)).min(Duration::from_secs(2));
    full / 2 + full / 2 * u32::from(random) / 255
}
