//! Acquires several keys in one command, all or none.

use crate::protocol::Protocol;
use crate::protocol::commands::CommandKind;
use crate::protocol::request::{GroupOutput, Phase, RequestParams, RequestState};
use crate::protocol::timing::TtlWrite;
use crate::types::fence::FenceRange;
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;
use crate::wire::command::{Acquire, Command};
use crate::wire::keyspace::MAX_FENCE_RANGE;
use crate::wire::reply::Grant;

/// What may be left on the server of requests that were not granted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Residue {
    /// Nothing: the server said so.
    None,
    /// Perhaps holds; what is sent next on this connection arrives after the acquire.
    Held,
    /// Perhaps holds, and the acquire may still arrive from a dead connection.
    InFlight,
}

impl Protocol {
    /// Acquires several different keys in one command. If any of them is not free, none is
    /// acquired, and one [`GroupOutput::NotTogether`] reports it.
    pub fn acquire_all(&mut self, now: Timestamp, requests: Vec<RequestParams>) {
        let ids: Vec<_> = requests.iter().map(|params| params.id).collect();
        if ids.is_empty() {
            return;
        }
        let too_many = u32::try_from(ids.len()).map_or(true, |count| count > MAX_FENCE_RANGE);
        if self.down_since.is_some() || too_many {
            return self.signals.push_back(GroupOutput::NotTogether(ids));
        }
        for params in requests {
            let mut request = RequestState::new(self.min_fence, params, None);
            request.phase = Phase::Acquiring;
            request.may_be_on_server = true;
            self.track(now, request);
        }
        let acquires = ids.iter().filter_map(|&id| self.one_of_all(id)).collect();
        self.send(now, CommandKind::AcquireAll(ids.clone()), Command::AcquireAll(acquires));
        for id in ids {
            self.rearm(id);
        }
    }

    fn one_of_all(&self, id: RequestId) -> Option<Acquire> {
        let acquire = self.acquire_command(id, None)?;
        Some(Acquire { fence_count: 1, ..acquire })
    }

    pub(crate) fn acquired_all(
        &mut self,
        now: Timestamp,
        sent: Timestamp,
        ids: &[RequestId],
        fences: Option<FenceRange>,
    ) {
        let Some(mut fences) = fences else {
            return self.not_together(now, ids, Residue::None);
        };
        self.min_fence = self.min_fence.max(fences.last());
        if !ids.iter().all(|&id| self.is_sound(now, sent, id, fences)) {
            return self.not_together(now, ids, Residue::Held);
        }
        for &id in ids {
            let Some(fence) = fences.take() else { return };
            let grant = Grant { fences: FenceRange::new(fence, 1), contended: false };
            let Some(request) = self.requests.get(&id) else { continue };
            let written = TtlWrite { sent, ttl: request.params.ttl };
            self.granted_by_reply(now, written, id, grant);
            self.rearm(id);
        }
    }

    /// Whether this grant is usable: its token is higher than those seen before, and it has not
    /// expired. A withdrawn request does not matter; its release is in flight.
    fn is_sound(&self, now: Timestamp, sent: Timestamp, id: RequestId, fences: FenceRange) -> bool {
        self.requests.get(&id).filter(|request| request.is_wanted()).is_none_or(|request| {
            let valid_until = self.timing.valid_until(sent, request.params.ttl);
            fences.first > request.min_fence && valid_until > now
        })
    }

    /// The server did nothing.
    pub(crate) fn all_refused(&mut self, now: Timestamp, ids: &[RequestId]) {
        self.not_together(now, ids, Residue::None);
    }

    /// The server may have executed the command, or may still.
    pub(crate) fn no_reply_to_all(&mut self, now: Timestamp, ids: &[RequestId]) {
        self.not_together(now, ids, Residue::InFlight);
    }

    /// Fails all requests of the group if one of them timed out before the reply. Returns whether
    /// the request belongs to a group.
    pub(crate) fn fail_group(&mut self, now: Timestamp, id: RequestId) -> bool {
        let group = self.in_flight.values().find_map(|sent| match &sent.kind {
            CommandKind::AcquireAll(ids) if ids.contains(&id) => Some(ids.clone()),
            _ => None,
        });
        // A request that was granted is not part of it any more: its command is done.
        if let Some(ids) = &group {
            self.not_together(now, ids, Residue::Held);
        }
        group.is_some()
    }

    /// Reports the failure unless all requests were withdrawn, and undoes what is left on the
    /// server. A withdrawn request is being undone already.
    fn not_together(&mut self, now: Timestamp, ids: &[RequestId], left: Residue) {
        let mut wanted = false;
        for &id in ids {
            let Some(request) = self.requests.get_mut(&id) else {
                continue;
            };
            request.may_arrive_late |= left == Residue::InFlight;
            if request.is_wanted() {
                wanted = true;
                request.may_be_on_server = left != Residue::None;
                self.release(now, id);
            }
        }
        if wanted {
            self.signals.push_back(GroupOutput::NotTogether(ids.to_vec()));
        }
    }
}
