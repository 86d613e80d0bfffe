//! The two links of a manager, and the local queues in front of them.
//!
//! A call that replicas confirm has a link of its own, on which the confirmations are asked for:
//! they delay what comes behind them. Calls that ask for different replicas have different queues,
//! as none of them may be handed the lease of another. In the server all of them contend.

use std::iter::successors;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::LockError;
use crate::link::handle::{LinkHandle, Setup};
use crate::link::links::{Links, start};
use crate::local::key_queue::{QueueContext, QueueTable};
use crate::types::replicas::Replicas;

/// The queues of calls that ask for the same replicas, and their links.
pub(crate) struct Lane {
    pub(crate) links: Links,
    pub(crate) queues: QueueTable,
}

pub(crate) struct Lanes {
    plain: Lane,
    /// For the other link; `None` after a shutdown.
    setup: Mutex<Option<Setup>>,
    second: OnceLock<Links>,
    confirmed: OnceLock<Box<ConfirmedLane>>,
}

struct ConfirmedLane {
    replicas: Replicas,
    lane: Lane,
    next: OnceLock<Box<Self>>,
}

impl Lanes {
    /// `setup`: for the link of calls that replicas confirm.
    pub(crate) fn new(plain: Lane, setup: Option<Setup>) -> Self {
        Self {
            plain,
            setup: Mutex::new(setup),
            second: OnceLock::new(),
            confirmed: OnceLock::new(),
        }
    }

    pub(crate) fn plain(&self) -> &Lane {
        &self.plain
    }

    /// The link that replicas confirm, if it is used.
    pub(crate) fn second(&self) -> Option<&Links> {
        self.second.get()
    }

    /// All that are used.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Lane> {
        let first = self.confirmed.get();
        let confirmed = successors(first, |lane| lane.next.get()).map(|lane| &lane.lane);
        std::iter::once(&self.plain).chain(confirmed)
    }

    /// The lane of calls that ask for these replicas. `None` after a shutdown.
    pub(crate) fn of(
        &self,
        replicas: Replicas,
        context: impl FnOnce(&Links) -> QueueContext,
    ) -> Result<Option<&Lane>, LockError> {
        if replicas == Replicas::None {
            return Ok(Some(&self.plain));
        }
        let mut slot = &self.confirmed;
        while let Some(known) = slot.get() {
            if known.replicas == replicas {
                return Ok(Some(&known.lane));
            }
            slot = &known.next;
        }
        let Some(links) = self.open()? else { return Ok(None) };
        let mut new = Box::new(ConfirmedLane {
            replicas,
            lane: Lane { links: links.clone(), queues: QueueTable::new(context(links)) },
            next: OnceLock::new(),
        });
        // Another thread may be adding one, perhaps the same.
        while let Err(refused) = slot.set(new) {
            let known = slot.get().expect("a cell that refuses has a value");
            if known.replicas == replicas {
                return Ok(Some(&known.lane));
            }
            (slot, new) = (&known.next, refused);
        }
        Ok(slot.get().map(|known| &known.lane))
    }

    /// This is the link that replicas confirm.
    #[cfg(distlock_verification)]
    pub(crate) fn set_second(&self, links: Links) {
        assert!(self.second.set(links).is_ok(), "it is set before the first call");
    }

    fn open(&self) -> Result<Option<&Links>, LockError> {
        let setup = self.setup.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(setup) = setup.as_ref().filter(|_| self.second.get().is_none()) else {
            return Ok(self.second.get());
        };
        let links = start(setup.clone()).map_err(|error| LockError::no_thread(&error))?;
        Ok(Some(self.second.get_or_init(|| links)))
    }

    /// No link is opened from now on. Returns those that are open.
    pub(crate) fn close(&self) -> Vec<LinkHandle> {
        *self.setup.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let plain = self.plain.links.close();
        plain.into_iter().chain(self.second.get().into_iter().flat_map(Links::close)).collect()
    }
}
