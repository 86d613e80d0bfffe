//! When two replies say the same. Durations may differ by the time a call takes; tokens and places
//! may differ in value, because both sides seed them from clocks of their own, but not in order.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::HolderInfo;
use crate::types::request_id::RequestId;
use crate::wire::probe::ProbeReply;
use crate::wire::reply::{
    AcquireReply, BlockedBy, BusyReply, LockState, Notification, RenewalReply, Reply,
};

/// What a stalled machine may add between the two answers; the spans of the tests differ by more.
const SLACK: Duration = Duration::from_millis(300);

pub(crate) type Same = Result<(), String>;

/// Which number of the twin's stands for which of the server's.
#[derive(Debug, Default)]
pub(crate) struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    /// Notes that these two are one and the same, unless that contradicts what was noted before.
    fn pair(&mut self, what: &str, server: u64, twin: u64) -> Same {
        let below = self.0.range(..server).next_back().is_none_or(|(_, &other)| other < twin);
        let above = self.0.range(server + 1..).next().is_none_or(|(_, &other)| other > twin);
        let noted = *self.0.entry(server).or_insert(twin);
        ensure(noted == twin && below && above, || {
            format!("{what} {server} of the server is not the twin's {twin}, given {:?}", self.0)
        })
    }

    pub(crate) fn fence(&mut self, server: Fence, twin: Fence) -> Same {
        self.pair("fence", server.get(), twin.get())
    }

    fn fences(&mut self, server: FenceRange, twin: FenceRange) -> Same {
        equal("size of the block", &server.size(), &twin.size())?;
        self.fence(server.first(), twin.first())?;
        self.fence(server.last(), twin.last())
    }

    pub(crate) fn reply(&mut self, server: &Reply, twin: &Reply) -> Same {
        match (server, twin) {
            (Reply::Acquire(server), Reply::Acquire(twin)) => self.acquire(server, twin),
            (Reply::AcquiredAll(Some(server)), Reply::AcquiredAll(Some(twin))) => {
                self.fences(*server, *twin)
            }
            (Reply::Renewed(server), Reply::Renewed(twin)) => renewed(server, twin),
            (Reply::Inspection(server), Reply::Inspection(twin)) => self.inspection(server, twin),
            (Reply::Probed(server), Reply::Probed(twin)) => probed(server, twin),
            _ => equal("reply", server, twin),
        }
    }

    fn acquire(&mut self, server: &AcquireReply, twin: &AcquireReply) -> Same {
        match (server, twin) {
            (AcquireReply::Granted(server), AcquireReply::Granted(twin)) => {
                equal("waited for", &server.contended, &twin.contended)?;
                self.fences(server.fences, twin.fences)
            }
            (AcquireReply::Busy(server), AcquireReply::Busy(twin)) => self.busy(server, twin),
            _ => equal("reply", server, twin),
        }
    }

    fn busy(&mut self, server: &BusyReply, twin: &BusyReply) -> Same {
        match (&server.blocked_by, &twin.blocked_by) {
            (BlockedBy::Holder(server), BlockedBy::Holder(twin)) => {
                self.holder(server.as_deref(), twin.as_deref())?;
            }
            (server, twin) => equal("obstacle", server, twin)?,
        }
        left(server.left, twin.left)?;
        equal("number ahead", &server.ahead, &twin.ahead)?;
        match (server.ticket, twin.ticket) {
            (Some(server), Some(twin)) => self.pair("ticket", server, twin),
            (server, twin) => equal("ticket", &server, &twin),
        }
    }

    fn holder(&mut self, server: Option<&HolderInfo>, twin: Option<&HolderInfo>) -> Same {
        if let (Some(server), Some(twin)) = (server, twin) {
            equal("holder", &(server.id, &server.owner), &(twin.id, &twin.owner))?;
            return self.fence(server.fence, twin.fence);
        }
        equal("holder", &server, &twin)
    }

    fn inspection(&mut self, server: &LockState, twin: &LockState) -> Same {
        self.holder(server.holder.as_ref(), twin.holder.as_ref())?;
        left(server.left, twin.left)?;
        let rest = |seen: &LockState| (seen.not_a_lock, seen.waiting, seen.waiters.clone());
        equal("inspection", &rest(server), &rest(twin))
    }

    /// What was told during one call: to whom and in which order.
    pub(crate) fn messages(&mut self, server: &[PubSubMessage], twin: &[PubSubMessage]) -> Same {
        let names = |messages: &[PubSubMessage]| -> Vec<_> {
            messages.iter().map(|message| (message.inbox.clone(), message.about())).collect()
        };
        equal("messages", &names(server), &names(twin))?;
        server.iter().zip(twin).try_for_each(|(server, twin)| match (server.notice, twin.notice) {
            (Notification::Granted(_, server), Notification::Granted(_, twin)) => {
                self.fences(server, twin)
            }
            (server, twin) => equal("message", &server, &twin),
        })
    }
}

/// A message to a waiter or to a holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PubSubMessage {
    pub(crate) inbox: String,
    pub(crate) notice: Notification,
}

impl PubSubMessage {
    fn about(&self) -> Option<RequestId> {
        match self.notice {
            Notification::Granted(id, _)
            | Notification::Contended(id)
            | Notification::FirstInQueue(id, _) => Some(id),
            Notification::MaxLease(_) => None,
        }
    }

    pub(crate) fn granted(&self) -> Option<(RequestId, FenceRange)> {
        match self.notice {
            Notification::Granted(id, fences) => Some((id, fences)),
            Notification::Contended(_)
            | Notification::MaxLease(_)
            | Notification::FirstInQueue(..) => None,
        }
    }

    pub(crate) fn asked(&self) -> Option<RequestId> {
        match self.notice {
            Notification::Contended(id) => Some(id),
            Notification::Granted(..)
            | Notification::MaxLease(_)
            | Notification::FirstInQueue(..) => None,
        }
    }
}

fn renewed(server: &[RenewalReply], twin: &[RenewalReply]) -> Same {
    equal("number of answers", &server.len(), &twin.len())?;
    server.iter().zip(twin).try_for_each(|pair| match pair {
        (RenewalReply::Waiting(server), RenewalReply::Waiting(twin)) => left(*server, *twin),
        (server, twin) => equal("renewal", server, twin),
    })
}

/// The two clocks differ by what was skipped; the ages are the same.
fn probed(server: &ProbeReply, twin: &ProbeReply) -> Same {
    let owner = |seen: &ProbeReply| -> Vec<_> {
        let members = seen.cycle.iter();
        members.map(|member| (member.id, member.key.clone(), member.owner.clone())).collect()
    };
    equal("cycle", &owner(server), &owner(twin))?;
    let age = |seen: &ProbeReply, at: usize| {
        Some(Duration::from_micros(seen.at_us - seen.cycle[at].refreshed_us))
    };
    (0..server.cycle.len()).try_for_each(|at| left(age(server, at), age(twin, at)))
}

fn left(server: Option<Duration>, twin: Option<Duration>) -> Same {
    let alike = match (server, twin) {
        (Some(server), Some(twin)) => server.abs_diff(twin) <= SLACK,
        (server, twin) => server == twin,
    };
    ensure(alike, || format!("time left: the server says {server:?}, the twin {twin:?}"))
}

fn equal<T: PartialEq + Debug>(what: &str, server: &T, twin: &T) -> Same {
    ensure(server == twin, || format!("{what}: the server says {server:?}, the twin {twin:?}"))
}

fn ensure(fine: bool, text: impl FnOnce() -> String) -> Same {
    if fine { Ok(()) } else { Err(text()) }
}
