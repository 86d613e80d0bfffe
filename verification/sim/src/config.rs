//! The settings of a manager in a simulated process: those of the library's builder that a plan sets.

use std::time::Duration;

use crate::LockManager;
use crate::driver::{Node, start};
use crate::manager::Limits;
use crate::options::Options;
use crate::protocol::Timing;

/// Sets up a manager whose I/O the simulation does.
#[derive(Clone, Debug, Default)]
pub(crate) struct LockManagerBuilder {
    inbox: String,
    ttl: Duration,
    max_handoffs: u32,
    timing: Timing,
}

impl LockManagerBuilder {
    /// The channel on which its process hears of grants.
    pub(crate) fn inbox(self, inbox: String) -> Self {
        Self { inbox, ..self }
    }

    pub(crate) fn ttl(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }

    pub(crate) fn data_loss_grace(self, wait: bool) -> Self {
        Self { timing: Timing { quarantine: wait, ..self.timing }, ..self }
    }

    pub(crate) fn max_handoffs(self, max_handoffs: u32) -> Self {
        Self { max_handoffs, ..self }
    }

    /// The manager, and its I/O thread in the hands of the simulation.
    pub(crate) fn start(self) -> (Node, LockManager) {
        let patience = self.timing.outage + self.timing.reply;
        let limits = Limits { patience, margin: self.timing.margin };
        let (node, mailbox) = start(self.inbox, self.timing, self.ttl);
        let defaults = Options { ttl: Some(self.ttl), ..Options::DEFAULT };
        let server = "simulated".to_owned();
        (node, LockManager::new(mailbox, self.max_handoffs, false, defaults, limits, server, None))
    }
}
