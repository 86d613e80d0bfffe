//! Instants on a clock that also runs while the machine sleeps.

#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime};

/// An instant, counted from the boot of the machine. Only differences mean something.
///
/// `std::time::Instant` stops during suspend on Linux, where a lease must not: `CLOCK_BOOTTIME`
/// does not (`clock_gettime(2)`).
///
/// Never zero, so that an `Option` of it takes no more memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroU64);

impl Timestamp {
    /// Before every other instant.
    pub const ZERO: Self = Self(NonZeroU64::MIN);

    /// An instant so many nanoseconds after boot, at least one.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        match NonZeroU64::new(nanos) {
            Some(nanos) => Self(nanos),
            None => Self::ZERO,
        }
    }

    /// Nanoseconds since boot.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0.get()
    }

    /// How long after `earlier` this is; zero if it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// The instant `span` after this one, at the latest the end of the clock.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }
}

/// A length of time in half the memory of a [`Duration`]: whole nanoseconds, at most 584 years. An
/// `Option` of it takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(
    /// One more than the nanoseconds.
    NonZeroU64,
);

impl Nanos {
    pub const ZERO: Self = Self(NonZeroU64::MIN);

    #[must_use]
    pub const fn of(length: Duration) -> Self {
        let seconds = length.as_secs().saturating_mul(1_000_000_000);
        let nanos = seconds.saturating_add(length.subsec_nanos() as u64);
        match NonZeroU64::new(nanos.saturating_add(1)) {
            Some(more) => Self(more),
            None => Self::ZERO,
        }
    }

    #[must_use]
    pub const fn get(self) -> Duration {
        Duration::from_nanos(self.0.get() - 1)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after boot", Duration::from_nanos(self.0.get()))
    }
}

#[cfg(distlock_verification)]
pub use crate::types::environment::now;

/// The current instant.
#[cfg(all(target_os = "linux", not(distlock_verification)))]
#[must_use]
pub fn now() -> Timestamp {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Timestamp::from_nanos(seconds * 1_000_000_000 + nanos)
}

/// The current instant. Elsewhere than on Linux this is the monotonic clock of the standard
/// library.
#[cfg(not(any(target_os = "linux", distlock_verification)))]
#[must_use]
pub fn now() -> Timestamp {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let elapsed = START.get_or_init(std::time::Instant::now).elapsed();
    // Later than `Timestamp::ZERO`.
    Timestamp::from_nanos(nanos(elapsed)).plus(Duration::from_nanos(1))
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// An instant of this process by the wall clock, which only people read: in ms since 1970.
pub(crate) fn unix_ms(instant: Timestamp) -> u64 {
    let since_1970 = if cfg!(distlock_verification) {
        Duration::from_nanos(now().as_nanos())
    } else {
        SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
    };
    millis(since_1970.saturating_sub(now().since(instant)))
}

/// `None` if it is too far in the future.
pub(crate) fn from_unix_ms(unix_ms: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms))
}

/// Serializes an instant as whole milliseconds since 1970.
#[cfg(feature = "serde")]
pub(crate) mod serde_unix_ms {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(at: &SystemTime, out: S) -> Result<S::Ok, S::Error> {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        out.serialize_u64(super::millis(since))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<SystemTime, D::Error> {
        let at = super::from_unix_ms(u64::deserialize(input)?);
        at.ok_or_else(|| serde::de::Error::custom("the instant is too far in the future"))
    }
}

/// Serializes a duration as whole milliseconds.
#[cfg(feature = "serde")]
pub(crate) mod serde_ms {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(span: &Duration, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u64(super::millis(*span))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        Ok(Duration::from_millis(u64::deserialize(input)?))
    }
}

/// The same of one that may be missing.
#[cfg(feature = "serde")]
pub(crate) mod serde_optional_ms {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        span.map(super::millis).serialize(out)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::deserialize(input)?.map(Duration::from_millis))
    }
}
