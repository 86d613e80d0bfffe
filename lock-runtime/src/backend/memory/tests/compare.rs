//! When two replies say the same. Durations may differ by the time a call takes; tokens and places
//! may differ in value, because both sides seed them from clocks of their own, but not in order.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use crate::types::fence::{Fence, FenceRange};
use crate::types::owner_info::HolderInfo;
use crate::types::request_id::RequestId;
use crate::wire::reply::{
    AcquireReply, BlockedBy, BlockedWait, BusyReply, LockState, Notification, ProbeReply,
    RenewalReply, Reply,
};

/// What a stalled machine may add between the two answers; the spans of the tests differ by more.
const SLACK: Duration = Duration::from_millis(300);

pub(crate) type Same = Result<(), String>;

/// Which number of the memory's stands for which of the server's.
#[derive(Debug, Default)]
pub(crate) struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    /// Notes that these two are one and the same, unless that contradicts what was noted before.
    fn pair(&mut self, what: &str, server: u64, memory: u64) -> Same {
        let below = self.0.range(..server).next_back().is_none_or(|(_, &other)| other < memory);
        let above = self.0.range(server + 1..).next().is_none_or(|(_, &other)| other > memory);
        let noted = *self.0.entry(server).or_insert(memory);
        ensure(noted == memory && below && above, || {
            format!(
                "{what} {server} of the server is not the memory's {memory}, given {:?}",
                self.0
            )
        })
    }

    /// The token of the server that stands for this one of the memory.
    pub(crate) fn on_server(&self, memory: Fence) -> Fence {
        let pair = self.0.iter().find(|&(_, &other)| other == memory.get());
        pair.map_or(Fence::ZERO, |(&server, _)| Fence::new(server))
    }

    pub(crate) fn fence(&mut self, server: Fence, memory: Fence) -> Same {
        self.pair("fence", server.get(), memory.get())
    }

    fn fences(&mut self, server: FenceRange, memory: FenceRange) -> Same {
        equal("size of the block", &server.size, &memory.size)?;
        self.fence(server.first, memory.first)?;
        self.fence(server.last(), memory.last())
    }

    pub(crate) fn reply(&mut self, server: &Reply, memory: &Reply) -> Same {
        match (server, memory) {
            (Reply::Acquire(server), Reply::Acquire(memory)) => self.acquire(server, memory),
            (Reply::AcquiredAll(Some(server)), Reply::AcquiredAll(Some(memory))) => {
                self.fences(*server, *memory)
            }
            (Reply::Renewed(server), Reply::Renewed(memory)) => renewed(server, memory),
            (Reply::Inspection(server), Reply::Inspection(memory)) => {
                self.inspection(server, memory)
            }
            (Reply::Probed(server), Reply::Probed(memory)) => probed(server, memory),
            (Reply::Blocked(server), Reply::Blocked(memory)) => {
                equal("registrations", &without_times(server), &without_times(memory))
            }
            _ => equal("reply", server, memory),
        }
    }

    fn acquire(&mut self, server: &AcquireReply, memory: &AcquireReply) -> Same {
        match (server, memory) {
            (AcquireReply::Granted(server), AcquireReply::Granted(memory)) => {
                equal("waited for", &server.contended, &memory.contended)?;
                self.fences(server.fences, memory.fences)
            }
            (AcquireReply::Busy(server), AcquireReply::Busy(memory)) => self.busy(server, memory),
            _ => equal("reply", server, memory),
        }
    }

    fn busy(&mut self, server: &BusyReply, memory: &BusyReply) -> Same {
        match (&server.blocked_by, &memory.blocked_by) {
            (BlockedBy::Holder(server), BlockedBy::Holder(memory)) => {
                self.holder(server.as_deref(), memory.as_deref())?;
            }
            (server, memory) => equal("obstacle", server, memory)?,
        }
        left(server.left, memory.left)?;
        equal("number ahead", &server.ahead, &memory.ahead)?;
        match (server.ticket, memory.ticket) {
            (Some(server), Some(memory)) => self.pair("ticket", server, memory),
            (server, memory) => equal("ticket", &server, &memory),
        }
    }

    fn holder(&mut self, server: Option<&HolderInfo>, memory: Option<&HolderInfo>) -> Same {
        if let (Some(server), Some(memory)) = (server, memory) {
            equal("holder", &(server.id, &server.owner), &(memory.id, &memory.owner))?;
            return self.fence(server.fence, memory.fence);
        }
        equal("holder", &server, &memory)
    }

    fn inspection(&mut self, server: &LockState, memory: &LockState) -> Same {
        self.holder(server.holder.as_ref(), memory.holder.as_ref())?;
        left(server.left, memory.left)?;
        let pause = |seen: &LockState| seen.pause.as_ref().map(|pause| pause.left);
        left(pause(server), pause(memory))?;
        let rest = |seen: &LockState| {
            let reason = seen.pause.as_ref().map(|pause| pause.reason);
            (seen.not_a_lock, seen.waiting, seen.waiters.clone(), seen.mark, reason)
        };
        equal("inspection", &rest(server), &rest(memory))
    }

    /// The messages of one call: to whom, and in which order.
    pub(crate) fn messages(&mut self, server: &[PubSubMessage], memory: &[PubSubMessage]) -> Same {
        let names = |messages: &[PubSubMessage]| -> Vec<_> {
            messages.iter().map(|message| (message.inbox.clone(), message.about())).collect()
        };
        equal("messages", &names(server), &names(memory))?;
        server.iter().zip(memory).try_for_each(|(server, memory)| {
            match (server.notice, memory.notice) {
                (Notification::Granted(_, server), Notification::Granted(_, memory)) => {
                    self.fences(server, memory)
                }
                (
                    Notification::ForceReleased(server_id, server),
                    Notification::ForceReleased(memory_id, memory),
                ) => {
                    equal("released request", &server_id, &memory_id)?;
                    self.fence(server, memory)
                }
                (server, memory) => equal("message", &server, &memory),
            }
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
            | Notification::ForceReleased(id, _)
            | Notification::FirstInQueue(id, _) => Some(id),
            Notification::MaxLease(_) | Notification::Unsubscribed(_) => None,
        }
    }

    pub(crate) fn granted(&self) -> Option<(RequestId, FenceRange)> {
        match self.notice {
            Notification::Granted(id, fences) => Some((id, fences)),
            Notification::Contended(_)
            | Notification::ForceReleased(..)
            | Notification::MaxLease(_)
            | Notification::Unsubscribed(_)
            | Notification::FirstInQueue(..) => None,
        }
    }

    pub(crate) fn asked(&self) -> Option<RequestId> {
        match self.notice {
            Notification::Contended(id) => Some(id),
            Notification::Granted(..)
            | Notification::ForceReleased(..)
            | Notification::MaxLease(_)
            | Notification::Unsubscribed(_)
            | Notification::FirstInQueue(..) => None,
        }
    }
}

fn renewed(server: &[RenewalReply], memory: &[RenewalReply]) -> Same {
    equal("number of answers", &server.len(), &memory.len())?;
    server.iter().zip(memory).try_for_each(|pair| match pair {
        (RenewalReply::Waiting(server), RenewalReply::Waiting(memory)) => left(*server, *memory),
        (server, memory) => equal("renewal", server, memory),
    })
}

/// The two clocks differ by what was skipped; the ages are the same.
/// In the order of the ids: that of a hash means nothing.
fn without_times(waits: &[BlockedWait]) -> Vec<BlockedWait> {
    let mut waits = waits.to_vec();
    for wait in &mut waits {
        wait.request.refreshed_us = 0;
    }
    waits.sort_by_key(|wait| wait.request.id);
    waits
}

fn probed(server: &ProbeReply, memory: &ProbeReply) -> Same {
    let owner = |seen: &ProbeReply| -> Vec<_> {
        let members = seen.cycle.iter();
        members.map(|member| (member.id, member.key.clone(), member.owner.clone())).collect()
    };
    equal("cycle", &owner(server), &owner(memory))?;
    let age = |seen: &ProbeReply, at: usize| {
        Some(Duration::from_micros(seen.at_us - seen.cycle[at].refreshed_us))
    };
    (0..server.cycle.len()).try_for_each(|at| left(age(server, at), age(memory, at)))
}

fn left(server: Option<Duration>, memory: Option<Duration>) -> Same {
    let alike = match (server, memory) {
        (Some(server), Some(memory)) => server.abs_diff(memory) <= SLACK,
        (server, memory) => server == memory,
    };
    ensure(alike, || format!("time left: the server says {server:?}, the memory {memory:?}"))
}

fn equal<T: PartialEq + Debug>(what: &str, server: &T, memory: &T) -> Same {
    ensure(server == memory, || {
        format!("{what}: the server says {server:?}, the memory {memory:?}")
    })
}

fn ensure(fine: bool, text: impl FnOnce() -> String) -> Same {
    if fine { Ok(()) } else { Err(text()) }
}
