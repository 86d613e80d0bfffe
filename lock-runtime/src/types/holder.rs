//! The public description of a holder, which errors and inspections contain.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::types::fence::Fence;
use crate::types::owner_info::{HolderInfo, OwnerInfo};
use crate::types::printable::printable;

/// The holder of a lock. Informational: only the fencing token identifies a hold reliably.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Holder {
    /// Its fencing token.
    pub fence: Fence,
    /// Its host.
    pub host: String,
    /// Its process id.
    pub pid: u32,
    /// The function or call site that acquired the lock.
    pub function: String,
    /// The label of the request or its manager: [`LockRequest::label`](crate::LockRequest::label).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub label: Option<String>,
    /// When it requested the lock, by its own host's clock.
    #[cfg_attr(feature = "serde", serde(rename = "since_unix_ms", with = "millis::unix_ms"))]
    pub since: SystemTime,
    /// When it acquired the lock. Equal to [`since`](Self::since) if it did not wait, otherwise by
    /// the server's clock. For a hold of this process, by its own clock.
    #[cfg_attr(feature = "serde", serde(rename = "held_since_unix_ms", with = "millis::unix_ms"))]
    pub held_since: SystemTime,
}

impl From<HolderInfo> for Holder {
    fn from(holder: HolderInfo) -> Self {
        let since = since(&holder.owner);
        let held_since = holder.held_unix_ms.map_or(since, instant);
        let (function, label) = function_and_label(&holder.owner);
        let OwnerInfo { host, pid, .. } = holder.owner;
        Self {
            fence: holder.fence,
            host: host.to_string(),
            pid,
            function,
            label,
            since,
            held_since,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.function))?;
        if let Some(label) = &self.label {
            write!(f, " ({})", printable(label))?;
        }
        let host = printable(&self.host);
        write!(f, " in process {} on {host} (fence {})", self.pid, self.fence)
    }
}

pub(crate) fn since(owner: &OwnerInfo) -> SystemTime {
    instant(owner.since_unix_ms)
}

/// Other processes may have written a value that is out of range.
fn instant(unix_ms: u64) -> SystemTime {
    let since = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(unix_ms));
    since.unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(crate) fn function_and_label(owner: &OwnerInfo) -> (String, Option<String>) {
    let (function, label) = owner.function_and_label();
    (function.to_owned(), label.map(str::to_owned))
}

/// Serializes instants and durations as whole milliseconds.
#[cfg(feature = "serde")]
pub(crate) mod millis {
    use std::time::{Duration, SystemTime};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    fn millis(span: Duration) -> u64 {
        u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) mod unix_ms {
        use super::{
            Deserialize, Deserializer, Duration, Serialize, Serializer, SystemTime, millis,
        };

        pub(crate) fn serialize<S: Serializer>(at: &SystemTime, out: S) -> Result<S::Ok, S::Error> {
            millis(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()).serialize(out)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            input: D,
        ) -> Result<SystemTime, D::Error> {
            let since = Duration::from_millis(u64::deserialize(input)?);
            let at = SystemTime::UNIX_EPOCH.checked_add(since);
            at.ok_or_else(|| serde::de::Error::custom("the instant is too far in the future"))
        }
    }

    pub(crate) mod optional_ms {
        use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, millis};

        #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
        pub(crate) fn serialize<S: Serializer>(
            span: &Option<Duration>,
            out: S,
        ) -> Result<S::Ok, S::Error> {
            span.map(millis).serialize(out)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            input: D,
        ) -> Result<Option<Duration>, D::Error> {
            Ok(Option::<u64>::deserialize(input)?.map(Duration::from_millis))
        }
    }
}
