//! Deadlock detection for a wait inside of other locks.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::acquire::core::ManagerCore;
use crate::error::LockError;
use crate::link::deadlock::DeadlockWatch;
use crate::link::effect::WaitRegistration;
use crate::owner::frame::Frame;
use crate::types::environment::new_request_id;
use crate::types::owner_info::CallSite;
use crate::types::request_id::RequestId;
use crate::types::time::{self, Timestamp};
use crate::wire::command::{WaitState, WaitTarget};

/// A wait: who waits, for what, and inside of which sections.
pub(super) struct WaitInfo<'a> {
    pub(super) core: &'a ManagerCore,
    pub(super) key: &'a Arc<str>,
    pub(super) since: Timestamp,
    pub(super) call_site: CallSite,
    /// The frame around the caller. A call that holds nothing is in no cycle.
    pub(super) here: Option<&'a Arc<Frame>>,
    /// The frame whose sibling mutex it waits for, instead of the key.
    pub(super) sibling_of: Option<&'a Arc<Frame>>,
}

impl WaitInfo<'_> {
    /// Registers the wait. The future yields the cycle that it is part of, once one is found.
    fn register(&self) -> Option<DeadlockWatch> {
        let (here, sibling_of) = (Arc::clone(self.here?), self.sibling_of.cloned());
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
        let wait = WaitRegistration {
            id: new_request_id(),
            key: Arc::clone(self.key),
            since: self.since,
            // The ttl of a waiter is not used.
            owner: self.core.process().owner_info(Duration::ZERO, self.call_site, None, self.since),
            wait_state: Box::new(wait_state),
        };
        Some(DeadlockWatch::new(self.core.links(), wait))
    }
}

/// The output of a wait, or the deadlock that it is part of. The wait is registered only once it is
/// pending.
pub(super) async fn with_deadlock_detection<F: Future>(
    info: WaitInfo<'_>,
    wait: F,
) -> Result<F::Output, Box<LockError>> {
    let (mut wait, mut watch) = (pin!(wait), None);
    poll_fn(|context| match wait.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => poll_deadlock(&info, &mut watch, context).map(Err),
    })
    .await
}

/// The deadlock that a pending wait is part of. `watch` is `None` before the first call; most waits
/// have none, so it is boxed.
pub(super) fn poll_deadlock(
    info: &WaitInfo<'_>,
    watch: &mut Option<Box<DeadlockWatch>>,
    context: &mut Context<'_>,
) -> Poll<Box<LockError>> {
    if watch.is_none() {
        *watch = info.register().map(Box::new);
    }
    let Some(watch) = watch else { return Poll::Pending };
    match Pin::new(&mut **watch).poll(context) {
        Poll::Ready(Some(cycle)) => {
            let waited = time::now().since(info.since);
            Poll::Ready(Box::new(LockError::deadlock(info.key, waited, cycle)))
        }
        // After a shutdown the wait itself ends too.
        Poll::Ready(None) | Poll::Pending => Poll::Pending,
    }
}
