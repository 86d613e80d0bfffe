//! The library's clock: that of the simulated process whose code runs just now.

pub use crate::boot::Timestamp;

/// The current instant, by the clock of this process.
pub fn now() -> Timestamp {
    crate::stage::local_now()
}
