//! A request: what it asks for, and what the protocol reports of it.

use std::sync::Arc;
use std::time::Duration;

use crate::types::owner_info::OwnerInfo;
use crate::types::replicas::Confirm;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::Command;
use crate::wire::reply::{BlockedRequest, BusyReply, Grant};
use crate::wire::slot::Slot;

/// The parameters of a request.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the request")]
pub struct RequestParams {
    /// The user's key.
    pub key: Arc<str>,
    /// The name of this request.
    pub id: RequestId,
    /// When the caller in this process asked for the lock.
    pub since: Timestamp,
    /// How long the hold lasts without a renewal.
    pub ttl: Duration,
    /// When to stop waiting; `None` waits as long as it takes.
    pub deadline: Option<Timestamp>,
    /// Whether to queue behind others, or to try once.
    pub queue: bool,
    /// Whether the hold is renewed.
    pub renew: bool,
    /// The longest the hold may last, renewals included.
    pub max_hold: Option<Duration>,
    /// Whether it waited in the queue of its own process first.
    pub queued_locally: bool,
    /// Whether the lock is expected to be free.
    pub likely_free: bool,
    /// How many fencing tokens to reserve, at least one.
    pub fence_count: u32,
    /// What confirms its holds, on a connection for that.
    pub confirm: Option<Confirm>,
    /// For others to read.
    pub owner: OwnerInfo,
}

/// Why a request ended without a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The lock was not available until the deadline.
    Busy(BusyReply),
    /// The server could not be reached, or grants no locks at present.
    Unavailable(String),
    /// No reply came by the deadline. What the request may have done is being undone.
    NoReply,
    /// The server refused the request, and will until its configuration is changed.
    Refused(String),
    /// The server granted the lock several times, and each reply took longer than the ttl.
    RepliesTooSlow {
        /// How long the hold was to last.
        ttl: Duration,
        /// How long the latest reply took.
        round_trip: Duration,
    },
}

/// Why a hold ended before it was released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// No renewal was confirmed in time.
    Expired,
    /// The server does not know the hold: its data was lost or the key was deleted.
    NotOnServer,
    /// An operator released it.
    ForceReleased,
    /// It reached its `max_hold`.
    MaxHold,
    /// The manager was shut down.
    Shutdown,
    /// The link ended by a panic.
    Panicked,
    /// The server refused all renewals until the deadline; the text of the latest refusal.
    Refused(Arc<str>),
}

impl Loss {
    /// One word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotOnServer => "not_on_server",
            Self::MaxHold => "max_hold",
            Self::Shutdown => "shutdown",
            Self::Panicked => "panicked",
            Self::Refused(_) => "refused",
            Self::ForceReleased => "force_released",
        }
    }

    pub fn reason(&self) -> &str {
        match self {
            Self::Expired => "no renewal was confirmed before its deadline",
            Self::NotOnServer => "the server does not know the hold any more",
            Self::ForceReleased => "an operator released it",
            Self::MaxHold => "it reached its max_hold",
            Self::Shutdown => "the lock manager was shut down",
            Self::Panicked => "the lock manager has stopped after a panic",
            Self::Refused(words) => words,
        }
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason())
    }
}

/// What is known of the release of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// It was held to the end.
    Held,
    /// It was not held any more.
    NotHeld,
    /// The server did not say.
    Unknown,
    /// The server refused the release with this text. It is retried in the background.
    Refused(Arc<str>),
}

/// Numbers the commands in the order in which they are sent.
pub type CommandId = u64;

/// The node of a cluster that a command belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The slot of the command.
    pub slot: Slot,
    /// The node: `host:port`.
    pub address: Box<str>,
}

/// Why a command has no reply of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// Refused. Nothing was done, and a retry fails too.
    Refused(String),
    /// The server does not know the script, which is being loaded again. Nothing was done.
    ScriptMissing,
    /// Cannot be part of a batch: send it alone. Nothing was done.
    NotBatchable,
    /// Temporarily impossible. Nothing was done.
    TryAgain(String),
    /// Refused until the server is repaired or recovers. Nothing was done.
    Unhealthy(String),
    /// The server is not the primary any more. Another one may answer at its address. Nothing was
    /// done.
    NotPrimary(String),
    /// This node of a cluster does not serve the slot any more, and another one does. Nothing was
    /// done.
    Moved(Redirect),
    /// The slot is being migrated, and the keys of the command are on the other node already or
    /// nowhere. Nothing was done.
    Asked(Redirect),
    /// The tokens of the slot are those of another master: open them first. Nothing was done.
    Unopened,
    /// An invalid reply: anything may have been done.
    InvalidReply(String),
    /// The connection was lost: anything may have been done.
    ConnectionLost,
}

impl CommandError {
    /// Whether to try again at once, because another way of sending helps.
    pub(crate) const fn is_retried_at_once(&self) -> bool {
        matches!(self, Self::ScriptMissing | Self::NotBatchable | Self::ConnectionLost)
    }

    /// Whether it is likely to last.
    pub(crate) const fn is_for_long(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Unhealthy(_) | Self::InvalidReply(_))
    }

    /// Whether a slot of a cluster is on its way to another node, or has just arrived. That is over
    /// soon, so a request that tries once waits for it too.
    pub(crate) fn is_migration(&self) -> bool {
        match self {
            Self::Moved(_) | Self::Asked(_) | Self::Unopened => true,
            Self::TryAgain(why) => why.starts_with("TRYAGAIN"),
            _ => false,
        }
    }

    /// Whether another node of a cluster may serve the slot by now.
    pub(crate) fn suggests_failover(&self) -> bool {
        match self {
            Self::NotPrimary(_) => true,
            Self::TryAgain(why) => why.starts_with("CLUSTERDOWN"),
            _ => false,
        }
    }

    /// Why a request ends if this is the last that the server said.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Refused(_) | Self::InvalidReply(_) => Failure::Refused(self.why()),
            _ => Failure::Unavailable(self.why()),
        }
    }

    /// The same for a request in this slot of a cluster.
    pub(crate) fn failure_in(&self, slot: Slot) -> Failure {
        let number = slot.number();
        Failure::Unavailable(match self {
            Self::Moved(to) => format!(
                "slot {number} is served neither by this node nor by {}; run `redis-cli --cluster \
                 check`",
                to.address
            ),
            error if error.is_migration() => format!(
                "slot {number} is being migrated; finish it, or run `redis-cli --cluster fix`"
            ),
            error if error.suggests_failover() => format!(
                "no node serves slot {number} ({}); start the nodes that are missing, or run \
                 `redis-cli --cluster fix`",
                error.why()
            ),
            error => return error.failure(),
        })
    }

    /// What the server said, or what is wrong.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Refused(why)
            | Self::Unhealthy(why)
            | Self::InvalidReply(why)
            | Self::TryAgain(why)
            | Self::NotPrimary(why) => why.clone(),
            Self::ScriptMissing | Self::NotBatchable => {
                "NOSCRIPT: the server lost its scripts".to_owned()
            }
            Self::ConnectionLost => "the connection broke".to_owned(),
            Self::Moved(to) => format!("MOVED {} {}", to.slot.number(), to.address),
            Self::Asked(to) => format!("ASK {} {}", to.slot.number(), to.address),
            Self::Unopened => "UNOPENED: the tokens are those of another master".to_owned(),
        }
    }

    /// Why the server refuses a command, and will until something is changed.
    pub(crate) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused(why) | Self::Unhealthy(why) => Some(why),
            _ => None,
        }
    }
}

/// A command to send, or an event for the owner of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this call and report its reply under the number.
    Send(CommandId, Command),
    /// The lock was granted.
    Granted {
        /// Whose request it was.
        id: RequestId,
        /// What it was given.
        grant: Grant,
        /// Until when, unless it is extended.
        valid_until: Timestamp,
    },
    /// Other processes wait for this hold.
    Contended(RequestId),
    /// The server grants this key to no request before then.
    NoGrantBefore(RequestId, Timestamp),
    /// The request ended without a hold.
    Failed(RequestId, Failure),
    /// A renewal moved the end of a hold.
    Extended(RequestId, Timestamp),
    /// The server has lost this hold, perhaps by a failover: describe its owner with
    /// [`Protocol::put_back`](super::Protocol::put_back). Not kept here: a process may have many
    /// holds.
    PutBack(RequestId),
    /// The server had lost this hold by a failover, and has it again.
    Reclaimed(RequestId),
    /// A hold ended before it was released.
    Lost(RequestId, Loss),
    /// The request is gone from the server.
    Finished(RequestId, ReleaseOutcome),
    /// The server refuses to renew these holds. They are lost if it keeps refusing.
    RenewalsRefused(Vec<RequestId>, Arc<str>),
    /// The server refused a release, which will be retried.
    ReleaseRefused {
        /// Whose.
        id: RequestId,
        /// For which key.
        key: Arc<str>,
        /// What the server said.
        why: Arc<str>,
    },
    /// A release is not confirmed, and the server has been unreachable for the outage timeout.
    ReleaseUnconfirmed(RequestId),
    /// Check that a caller took this hold; release it if not.
    CheckClaimed(RequestId),
    /// A request is waiting for a long time.
    StillWaiting {
        /// Whose.
        id: RequestId,
        /// How long.
        waited: Duration,
        /// What the server said last.
        busy: Option<BusyReply>,
    },
    /// Probe this wait: answer with [`Protocol::send_probe`](super::Protocol::send_probe), or with
    /// [`Protocol::stop_probing`](super::Protocol::stop_probing) if it is over.
    Probe(RequestId),
    /// This wait is part of a deadlock of these requests, this one first. It is not probed any
    /// more.
    Deadlock(RequestId, Vec<BlockedRequest>),
    /// Of [`Protocol::acquire_all`](super::Protocol::acquire_all): these requests are not granted
    /// together. They have ended.
    NotTogether(Vec<RequestId>),
    /// The connection does not answer: drop it and connect again.
    Reconnect,
    /// Another node of the cluster serves this slot: [`Protocol::take`](super::Protocol::take) its
    /// requests, and have that node's protocol [`adopt`](super::Protocol::adopt) them.
    Moved(Redirect),
    /// Send this call as [`Command::Asking`] to the node with this address, and report its reply
    /// here under the number. If that is not possible, report
    /// [`ConnectionLost`](CommandError::ConnectionLost).
    SendAsking(CommandId, Command, Box<str>),
    /// Another node of the cluster may serve some slots of this one by now.
    RefreshTopology,
}
