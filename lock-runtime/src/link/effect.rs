//! What happens to callers once the link is unlocked.

use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use crate::link::router::LogTopic;
use crate::link::{Link, observe};
use crate::local::key_queue::KeyQueue;
use crate::local::queue::TickReport;
use crate::protocol::request::{CommandId, Failure};
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Probe, WaitState};
use crate::wire::reply::{Grant, LockState};

pub(crate) type InspectAnswer = Result<LockState, Failure>;

/// A wait of a caller that holds other locks.
pub(crate) struct WaitRegistration {
    pub(crate) id: RequestId,
    pub(crate) key: Arc<str>,
    pub(crate) since: Timestamp,
    pub(crate) owner: OwnerInfo,
    /// What it waits for now, and which sections it is in.
    pub(crate) wait_state: Box<dyn Fn() -> WaitState + Send + Sync>,
}

impl WaitRegistration {
    pub(crate) fn probe(&self, now: Timestamp) -> Probe {
        let WaitState { chain, target } = (self.wait_state)();
        Probe {
            id: self.id,
            chain,
            target,
            key: self.key.to_string(),
            waited: now.since(self.since),
            owner: self.owner.clone(),
        }
    }
}

/// Who gets the reply to a command.
pub(crate) enum ReplyTo {
    Protocol(CommandId),
    Inspect(oneshot::Sender<InspectAnswer>),
}

/// What touches a caller. It may lock a queue, wake a waker, ask the link for something, or run
/// code of users, so it is carried out with the link unlocked.
pub(crate) enum Effect {
    Granted { queue: Arc<KeyQueue>, id: RequestId, grant: Grant, valid_until: Timestamp },
    Tick(Weak<KeyQueue>),
    Drop(Arc<KeyQueue>),
    Run(Box<dyn FnOnce(&Link) + Send>),
}

impl Effect {
    /// Whether it wakes a party that waits.
    pub(crate) const fn wakes(&self) -> bool {
        matches!(self, Self::Granted { .. })
    }

    pub(crate) fn carry_out(self, link: &Link) {
        match self {
            Self::Granted { queue, id, grant, valid_until } => {
                if let Some(grant) = queue.granted(link.now(), id, grant, valid_until) {
                    grant.deliver();
                }
            }
            Self::Tick(queue) => {
                if let Some(queue) = queue.upgrade() {
                    tick(link, &queue);
                }
            }
            Self::Drop(queue) => drop(queue),
            Self::Run(act) => act(link),
        }
    }
}

fn tick(link: &Link, queue: &KeyQueue) {
    let now = link.now();
    let TickReport { slow_waits, long_section, timed_out } =
        queue.tick(now, |id| link.blocked_by(id));
    if timed_out > 0 {
        observe::timed_out(queue.key(), timed_out);
    }
    let key = || Arc::clone(queue.key());
    if let Some(held) = long_section
        && link.should_log(LogTopic::LongSection(key()))
    {
        observe::long_section(queue.key(), &held);
    }
    // One log line for all of them, with the longest wait.
    if let Some(longest) = slow_waits.into_iter().max_by_key(|long| long.waited)
        && link.should_log(LogTopic::SlowWait(key()))
    {
        let calls = queue.waiter_count();
        observe::still_waiting(queue.key(), calls, longest.waited, longest.busy.as_ref());
    }
}
