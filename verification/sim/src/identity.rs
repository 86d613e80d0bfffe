//! Who a simulated process is, and the names of what it asks: from the seed, where the library's come from chance.

use std::sync::Arc;
use std::time::Duration;

use crate::place::Place;
use crate::time::Timestamp;
use crate::wire::{Claimant, Nonce};

#[derive(Debug)]
pub(crate) struct Identity {
    pid: u32,
    host: Arc<str>,
}

/// A new name for a request or a wait.
pub(crate) fn nonce() -> Nonce {
    crate::stage::nonce()
}

impl Identity {
    pub(crate) fn of_this_process() -> Self {
        Self { pid: crate::stage::process(), host: "simulated".into() }
    }

    pub(crate) fn with_label(self, _label: Option<Box<str>>) -> Self {
        self
    }

    #[expect(clippy::unused_self, reason = "as the library's, whose place this takes")]
    pub(crate) fn labelled(&self, who: Claimant, _label: Option<&str>) -> Claimant {
        who
    }

    pub(crate) fn is(&self, who: &Claimant) -> bool {
        who.pid == self.pid && who.host == self.host
    }

    pub(crate) fn claimant(&self, ttl: Duration, _place: Place, _since: Timestamp) -> Claimant {
        let host = Arc::clone(&self.host);
        Claimant { ttl, since_unix_ms: 0, pid: self.pid, host, function: String::new() }
    }

    #[expect(clippy::unused_self, reason = "as in the library")]
    pub(crate) const fn unix_ms(&self, _instant: Timestamp) -> u64 {
        0
    }
}
