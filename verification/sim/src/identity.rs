//! Who a simulated process is, and the names of what it asks: from the seed, where the library's come from chance.

use std::sync::Arc;
use std::time::Duration;

use crate::place::CallSite;
use crate::time::Timestamp;
use crate::wire::{Nonce, OwnerInfo};

#[derive(Debug)]
pub(crate) struct ProcessInfo {
    pid: u32,
    host: Arc<str>,
}

/// A new name for a request or a wait.
pub(crate) fn nonce() -> Nonce {
    crate::stage::nonce()
}

impl ProcessInfo {
    pub(crate) fn of_this_process() -> Self {
        Self { pid: crate::stage::process(), host: "simulated".into() }
    }

    pub(crate) fn with_label(self, _label: Option<Box<str>>) -> Self {
        self
    }

    #[expect(clippy::unused_self, reason = "as the library's, whose place this takes")]
    pub(crate) fn labelled(&self, who: OwnerInfo, _label: Option<&str>) -> OwnerInfo {
        who
    }

    pub(crate) fn is(&self, who: &OwnerInfo) -> bool {
        who.pid == self.pid && who.host == self.host
    }

    pub(crate) fn owner_info(
        &self,
        ttl: Duration,
        _place: CallSite,
        _since: Timestamp,
    ) -> OwnerInfo {
        let host = Arc::clone(&self.host);
        OwnerInfo { ttl, since_unix_ms: 0, pid: self.pid, host, function: String::new() }
    }

    #[expect(clippy::unused_self, reason = "as in the library")]
    pub(crate) const fn unix_ms(&self, _instant: Timestamp) -> u64 {
        0
    }
}
