//! A wait inside of other locks, which may never end because it waits for itself.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::api::manager::LockManager;
use crate::error::LockError;
use crate::io::futures::DeadlockWatch;
use crate::io::mailbox::{Mailbox, WaitRegistration};
use crate::local::params::AcquireParams;
use crate::owner::frame::Frame;
use crate::types::call_site::CallSite;
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::types::{process_info as identity, time};
use crate::wire::probe::{WaitState, WaitTarget};

/// Who waits for what, and inside of what.
pub(crate) struct Waits {
    mailbox: Mailbox,
    id: RequestId,
    key: Arc<str>,
    since: Timestamp,
    owner: OwnerInfo,
    here: Arc<Frame>,
    /// The hold whose turn it waits for; else it waits for the key.
    turn: Option<Arc<Frame>>,
}

impl Waits {
    pub(crate) fn for_key(
        manager: &LockManager,
        key: &Arc<str>,
        params: &AcquireParams,
        here: &Arc<Frame>,
    ) -> Self {
        Self::new(manager, key, params.since, params.call_site, here)
    }

    pub(crate) fn for_turn(
        manager: &LockManager,
        key: &Arc<str>,
        since: Timestamp,
        call_site: CallSite,
        here: &Arc<Frame>,
        ancestor: &Arc<Frame>,
    ) -> Self {
        let turn = Some(Arc::clone(ancestor));
        Self { turn, ..Self::new(manager, key, since, call_site, here) }
    }

    fn new(
        manager: &LockManager,
        key: &Arc<str>,
        since: Timestamp,
        call_site: CallSite,
        here: &Arc<Frame>,
    ) -> Self {
        Self {
            mailbox: manager.mailbox().clone(),
            id: identity::request_id(),
            key: Arc::clone(key),
            since,
            // Nobody reads the ttl of one who waits.
            owner: manager.process().owner_info(Duration::ZERO, call_site, since),
            here: Arc::clone(here),
            turn: None,
        }
    }

    /// Begins to look for a cycle, in which the wait would never end.
    fn watch(self) -> DeadlockWatch {
        let Self { mailbox, id, key, since, owner, here, turn } = self;
        let wait_state = move || WaitState {
            chain: here.sections(),
            target: match &turn {
                None => WaitTarget::Key,
                // A turn that is free just now is nobody's.
                Some(turn) => WaitTarget::Section(turn.inside().unwrap_or(RequestId::from_bits(0))),
            },
        };
        mailbox.register_wait(WaitRegistration {
            id,
            key,
            since,
            owner,
            wait_state: Box::new(wait_state),
        })
    }
}

/// The output of a wait, unless it turns out that it waits for itself.
pub(crate) async fn watched<F: Future>(waits: Waits, wait: F) -> Result<F::Output, Box<LockError>> {
    let (key, since) = (Arc::clone(&waits.key), waits.since);
    let mut wait = pin!(wait);
    let (mut waits, mut watch) = (Some(waits), None);
    poll_fn(|context| {
        if let Poll::Ready(output) = wait.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        if let Some(waits) = waits.take() {
            watch = Some(waits.watch());
        }
        let Some(watch) = &mut watch else { return Poll::Pending };
        match Pin::new(watch).poll(context) {
            Poll::Ready(Some(cycle)) => {
                let waited = time::now().since(since);
                Poll::Ready(Err(Box::new(LockError::deadlock(&key, waited, cycle))))
            }
            // A manager that was shut down says so at the wait itself.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    })
    .await
}
