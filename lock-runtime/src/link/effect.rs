//! What happens to callers once the link is unlocked.

use std::sync::{Arc, Weak};

use tokio::sync::{oneshot, watch};

use crate::local::key_queue::KeyQueue;
use crate::protocol::listing::ScanCursor;
use crate::protocol::request::{CommandError, CommandId, Failure, Redirect};
use crate::types::fence::Fence;
use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Command, Probe, WaitState};
use crate::wire::reply::{Grant, LockState, Reply};

/// The answer of the server to a question of a caller.
pub(crate) type DirectAnswer<T> = Result<T, NotAnswered>;

/// Why there is none.
pub(crate) enum NotAnswered {
    /// The slot of the key is being moved to another node: ask again.
    NotNow(Failure),
    Failed(Failure),
}

/// What a caller asks about a key.
pub(crate) enum KeyQuestion {
    /// The state of its lock.
    Inspect(oneshot::Sender<DirectAnswer<LockState>>),
    /// Whether its lock is held under this token; it is released then.
    ForceRelease(Fence, oneshot::Sender<DirectAnswer<bool>>),
}

/// A step of a walk over the locks of one server, and where to go on; `None` at the end.
pub(crate) type ScanAnswer = Result<(Vec<String>, Option<ScanCursor>), Failure>;

/// The answer to a command of deadlock detection.
pub(crate) type LookAnswer = Result<Reply, CommandError>;

/// Wakes those who watch the status of a manager.
pub(crate) type StatusChanges = watch::Sender<()>;

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

/// Passes a reply on to another link. Not with this one locked.
pub(crate) type AnswerElsewhere = Box<dyn FnOnce(Result<Reply, CommandError>) + Send>;

/// Who gets the reply to a command.
pub(crate) enum ReplyTo {
    Protocol(CommandId),
    KeyQuestion(KeyQuestion),
    Scan(oneshot::Sender<ScanAnswer>),
    /// Deadlock detection in a cluster.
    Look(oneshot::Sender<LookAnswer>),
    /// The protocol of another link: its node has sent the command here.
    Elsewhere(AnswerElsewhere),
}

/// What touches a caller. It may lock a queue, wake a waker, ask the link for something, or run
/// code of users, so it is carried out with the link unlocked.
pub(crate) enum Effect {
    Granted {
        queue: Arc<KeyQueue>,
        id: RequestId,
        grant: Grant,
        valid_until: Timestamp,
    },
    /// A timer of the queue has fired.
    Tick(Weak<KeyQueue>),
    /// Take back a grant that its caller has not received. A future that is kept and not polled
    /// would hold the lock for as long as it is renewed.
    Reclaim(Arc<KeyQueue>, RequestId),
    /// The subscription of a queue has ended, which may end the queue and wake its waiters.
    Drop(Arc<KeyQueue>),
    /// Describe the section that runs under this hold, so that the server can have it back.
    PutBack(Arc<KeyQueue>, RequestId),
    /// Ask a waiting caller what it waits for now.
    Probe(Arc<WaitRegistration>),
    /// A node of a cluster has named another one.
    Redirected(Redirect),
    /// Send this to the node at this address, to which its slot is being moved.
    SendAsking(CommandId, Command, Box<str>),
    /// Find out which nodes have which slots.
    LookAgain,
    /// A node is connected.
    NodeConnected,
    Run(Box<dyn FnOnce() + Send>),
}

impl Effect {
    /// Whether it wakes a party that waits.
    pub(crate) const fn wakes(&self) -> bool {
        matches!(self, Self::Granted { .. })
    }
}
