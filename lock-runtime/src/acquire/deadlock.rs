//! Deadlock detection for a wait inside of other locks.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::acquire::core::ManagerCore;
use crate::error::LockError;
use crate::io::mailbox::{DeadlockWatch, WaitRegistration};
use crate::owner::frame::Frame;
use crate::types::environment::new_request_id;
use crate::types::owner_info::CallSite;
use crate::types::request_id::RequestId;
use crate::types::time::{self, Timestamp};
use crate::wire::command::{WaitState, WaitTarget};

/// A wait: who waits, for what, and inside of which sections.
pub(super) struct WaitInfo {
    core: Arc<ManagerCore>,
    key: Arc<str>,
    since: Timestamp,
    call_site: CallSite,
    here: Arc<Frame>,
    /// The frame whose sibling mutex it waits for, instead of the key.
    sibling_of: Option<Arc<Frame>>,
}

impl WaitInfo {
    pub(super) fn new(
        core: &Arc<ManagerCore>,
        key: &Arc<str>,
        since: Timestamp,
        call_site: CallSite,
        here: &Arc<Frame>,
    ) -> Self {
        let (core, key, here) = (Arc::clone(core), Arc::clone(key), Arc::clone(here));
        Self { core, key, since, call_site, here, sibling_of: None }
    }

    pub(super) fn for_sibling_of(self, ancestor: &Arc<Frame>) -> Self {
        Self { sibling_of: Some(Arc::clone(ancestor)), ..self }
    }

    /// Registers the wait. The future yields the cycle that it is part of, once one is found.
    fn register(self) -> DeadlockWatch {
        let Self { core, key, since, call_site, here, sibling_of } = self;
        let wait_state = move || WaitState {
            chain: here.blocked_sections(),
            target: match &sibling_of {
                None => WaitTarget::Key,
                // Zero is no section: the sibling mutex is unlocked at the moment.
                Some(frame) => {
                    WaitTarget::Section(frame.running_child().unwrap_or(RequestId::from_bits(0)))
                }
            },
        };
        // The ttl of a waiter is not used.
        let owner = core.process().owner_info(Duration::ZERO, call_site, None, since);
        let wait_state = Box::new(wait_state);
        core.mailbox().register_wait(WaitRegistration {
            id: new_request_id(),
            key,
            since,
            owner,
            wait_state,
        })
    }
}

/// The output of a wait, or the deadlock that it is part of. The wait is registered only once it is
/// pending.
pub(super) async fn with_deadlock_detection<F: Future>(
    info: WaitInfo,
    wait: F,
) -> Result<F::Output, Box<LockError>> {
    let (key, since) = (Arc::clone(&info.key), info.since);
    let mut wait = pin!(wait);
    let (mut info, mut watch) = (Some(info), None);
    poll_fn(|context| {
        if let Poll::Ready(output) = wait.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        if let Some(info) = info.take() {
            watch = Some(info.register());
        }
        let Some(watch) = &mut watch else { return Poll::Pending };
        match Pin::new(watch).poll(context) {
            Poll::Ready(Some(cycle)) => {
                let waited = time::now().since(since);
                Poll::Ready(Err(Box::new(LockError::deadlock(&key, waited, cycle))))
            }
            // After a shutdown the wait itself ends too.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    })
    .await
}
