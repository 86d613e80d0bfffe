//! This process as shown to others, and new request ids.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::types::call_site::CallSite;
#[cfg(any(distlock_sim, distlock_shuttle, distlock_loom))]
pub(crate) use crate::types::environment::request_id;
use crate::types::owner_info::OwnerInfo;
use crate::types::time::{self, Timestamp};

#[derive(Debug)]
pub struct ProcessInfo {
    host: Arc<str>,
    pid: u32,
    /// What is stored with all locks of the manager, unless a request has a label of its own.
    label: Option<Box<str>>,
}

/// A new name for a request or a wait of this process.
#[cfg(not(any(distlock_sim, distlock_shuttle, distlock_loom)))]
pub fn request_id() -> crate::types::request_id::RequestId {
    crate::types::request_id::RequestId::from_bits(uuid::Uuid::new_v4().as_u128())
}

#[cfg(not(any(distlock_sim, distlock_shuttle, distlock_loom)))]
fn process_id() -> u32 {
    std::process::id()
}

#[cfg(any(distlock_sim, distlock_shuttle, distlock_loom))]
use crate::types::environment::process_id;

/// The wall clock, which only people read.
fn wall_clock() -> SystemTime {
    if cfg!(any(distlock_sim, distlock_shuttle, distlock_loom)) {
        SystemTime::UNIX_EPOCH + time::now().since(Timestamp::ZERO)
    } else {
        SystemTime::now()
    }
}

impl ProcessInfo {
    pub fn of_this_process() -> Self {
        let host = OwnerInfo::sanitize_host(&gethostname::gethostname().to_string_lossy());
        Self { host: host.into(), pid: process_id(), label: None }
    }

    pub fn with_label(self, label: Option<Box<str>>) -> Self {
        Self { label, ..self }
    }

    /// The same, with the label of the request, or else of the manager.
    pub fn label_owner(&self, owner: OwnerInfo, label: Option<&str>) -> OwnerInfo {
        match label.or(self.label.as_deref()) {
            Some(label) => owner.with_label(label),
            None => owner,
        }
    }

    /// Whether this process is meant.
    pub fn is(&self, owner: &OwnerInfo) -> bool {
        owner.pid == self.pid && owner.host == self.host
    }

    /// The owner info of a request that `call_site` made at `since`.
    pub fn owner_info(&self, ttl: Duration, call_site: CallSite, since: Timestamp) -> OwnerInfo {
        OwnerInfo {
            ttl,
            since_unix_ms: self.unix_ms(since),
            pid: self.pid,
            host: Arc::clone(&self.host),
            function: call_site.name(),
        }
    }

    /// An instant of this process by the wall clock, in ms since 1970.
    #[expect(clippy::unused_self, reason = "a simulated process has a clock of its own")]
    pub fn unix_ms(&self, instant: Timestamp) -> u64 {
        let ago = time::now().since(instant);
        let instant = wall_clock().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
        let since = instant.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
