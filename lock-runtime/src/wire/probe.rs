//! The deadlock probe and its reply.

use std::time::Duration;

use crate::types::owner_info::OwnerInfo;
use crate::types::request_id::RequestId;
use crate::wire::keyspace::Keyspace;
use crate::wire::limits::WAITER_LEASE;
use crate::wire::raw_reply::RawReply;
use crate::wire::script::{Script, ScriptCall};

/// How long a registration counts without being repeated.
pub const PROBE_TTL: Duration = Duration::from_millis(1500);

/// Registrations visited by one probe: bounds its cost for the server.
pub const PROBE_LIMIT: u32 = 64;

/// A request that waits inside sections, which cannot end before it. The probe registers it for the
/// probes of other requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The request.
    pub id: RequestId,
    /// The sections around it. Without any it can be in no cycle and is not registered.
    pub chain: Vec<RequestId>,
    /// What it waits for.
    pub target: WaitTarget,
    /// The key that it waits for: for people to read, and the target of [`WaitTarget::Key`].
    pub key: String,
    /// How long it has waited; counts when it is first registered.
    pub waited: Duration,
    /// For people to read.
    pub owner: OwnerInfo,
}

/// What a request waits for at some instant, and inside of which sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitState {
    /// The sections around it.
    pub chain: Vec<RequestId>,
    /// What it waits for.
    pub target: WaitTarget,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitTarget {
    /// The section under whichever hold its key has.
    Key,
    /// This section.
    Section(RequestId),
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeReply {
    /// The server's clock.
    pub at_us: u64,
    /// The requests that form a cycle, this one first; empty without a cycle.
    pub cycle: Vec<BlockedRequest>,
}

/// A request in a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockedRequest {
    /// The request.
    pub id: RequestId,
    /// When it was last registered, by the server's clock.
    pub refreshed_us: u64,
    /// The key that it waits for.
    pub key: String,
    /// Who it is.
    pub owner: OwnerInfo,
}

impl Probe {
    pub(crate) fn encode(&self, space: &Keyspace) -> ScriptCall {
        let mut words = ScriptCall::new(Script::Probe);
        for &section in &self.chain {
            words = words.key(space.blocked(section));
        }
        let words = words
            .arg(self.id)
            .arg(space.prefix())
            .arg(WAITER_LEASE.as_millis())
            .arg(PROBE_TTL.as_millis())
            .arg(PROBE_LIMIT)
            .arg(self.waited.as_micros());
        let words = match self.target {
            WaitTarget::Key => words.arg('-'),
            WaitTarget::Section(section) => words.arg(section),
        };
        words.arg(&self.key).arg(&self.owner)
    }

    /// A valid cycle starts at this request, has no member twice and no registration in the future.
    pub(crate) fn decode(&self, answer: &RawReply) -> Option<ProbeReply> {
        let (at, words) = answer.list()?.split_first()?;
        let at_us = at.count()?;
        let cycle: Vec<_> = words.chunks(4).map(member).collect::<Option<_>>()?;
        let mut ids: Vec<_> = cycle.iter().map(|member| member.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let plausible = ids.len() == cycle.len()
            && cycle.first().is_none_or(|first| first.id == self.id)
            && cycle.iter().all(|member| member.refreshed_us <= at_us);
        plausible.then_some(ProbeReply { at_us, cycle })
    }
}

fn member(words: &[RawReply]) -> Option<BlockedRequest> {
    let [id, refreshed, key, owner] = words else { return None };
    Some(BlockedRequest {
        id: RequestId::parse(id.text()?)?,
        refreshed_us: refreshed.count()?,
        key: key.text()?.to_owned(),
        owner: OwnerInfo::parse(owner.text()?)?,
    })
}

#[cfg(test)]
mod tests;
