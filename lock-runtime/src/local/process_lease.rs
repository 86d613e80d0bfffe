//! The lease that this process got from the server, over one section or several.

use std::time::Duration;

use crate::local::actions::StartSection;
use crate::local::params::{AcquireParams, LeaseTerms};
use crate::types::fence::{Fence, FenceRange};
use crate::types::request_id::RequestId;
use crate::types::time::Timestamp;

/// How long a process keeps handing the lock to its own callers while another process waits.
pub(super) const MAX_STREAK_CONTENDED: Duration = Duration::from_millis(50);
/// The same while no other process is known to wait. Bounds the harm of a lost notification.
pub(super) const MAX_LOCAL_STREAK: Duration = Duration::from_secs(1);
/// The validity that a lease needs for a handoff, unless half of its ttl is less.
const MIN_VALIDITY_FOR_HANDOFF: Duration = Duration::from_millis(250);
/// A shorter `max_hold` restarts with each section. For a longer one the error of at most
/// [`MAX_LOCAL_STREAK`] does not matter.
const SHORT_MAX_HOLD: Duration = Duration::from_secs(60 * 60);

#[derive(Debug)]
pub(super) struct ProcessLease {
    pub(super) id: RequestId,
    pub(super) terms: LeaseTerms,
    /// The fencing tokens that the grant reserved and no section has used.
    pub(super) fences: FenceRange,
    pub(super) valid_until: Timestamp,
    /// No handoff from this instant on.
    pub(super) handoff_until: Timestamp,
    /// `None` while no other process is expected to wait.
    handoffs_left: Option<u32>,
    /// Whether another process is known to wait.
    contended: bool,
    /// When the latest section started.
    pub(super) section_started: Timestamp,
    pub(super) occupancy: Occupancy,
}

#[derive(Debug)]
pub(super) enum Occupancy {
    Running(RunningSection),
    /// No section runs. The lease is kept until then.
    Idle {
        until: Timestamp,
    },
}

/// What others see of the section that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunningSection {
    pub(super) id: RequestId,
    pub(super) fence: Fence,
    pub(super) params: AcquireParams,
    pub(super) since: Timestamp,
}

impl ProcessLease {
    /// A lease that was just granted. No section runs yet.
    pub(super) fn new(
        now: Timestamp,
        id: RequestId,
        terms: LeaseTerms,
        fences: FenceRange,
        valid_until: Timestamp,
    ) -> Self {
        Self {
            id,
            terms,
            fences,
            valid_until,
            handoff_until: now.plus(MAX_LOCAL_STREAK),
            handoffs_left: None,
            contended: false,
            section_started: now,
            occupancy: Occupancy::Idle { until: now },
        }
    }

    /// Another process waits.
    pub(super) fn mark_contended(&mut self, now: Timestamp, max_handoffs: u32) {
        self.contended = true;
        self.limit_handoffs(now, max_handoffs);
    }

    /// Another process waits or soon may: allows at most `max_handoffs` handoffs from now on.
    pub(super) fn limit_handoffs(&mut self, now: Timestamp, max_handoffs: u32) {
        if self.handoffs_left.is_none() {
            self.handoffs_left = Some(max_handoffs);
            self.handoff_until = self.handoff_until.min(now.plus(MAX_STREAK_CONTENDED));
        }
    }

    pub(super) const fn is_contended(&self) -> bool {
        self.contended
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.idle_until().is_some()
    }

    pub(super) const fn idle_until(&self) -> Option<Timestamp> {
        match self.occupancy {
            Occupancy::Idle { until } => Some(until),
            Occupancy::Running(_) => None,
        }
    }

    pub(super) fn runs(&self, fence: Fence) -> bool {
        self.running().is_some_and(|running| running.fence == fence)
    }

    /// Whether another section with these terms may run under this lease.
    pub(super) fn can_start_section(&self, now: Timestamp, terms: LeaseTerms) -> bool {
        let enough = MIN_VALIDITY_FOR_HANDOFF.min(self.terms.ttl / 2);
        self.terms == terms
            // Without renewals each section is entitled to a ttl of its own.
            && terms.renew
            && self.handoffs_left != Some(0)
            && !self.fences.is_empty()
            && now < self.handoff_until
            && self.valid_until.since(now) >= enough
    }

    /// Starts a section. `None` if no fencing token is left.
    pub(super) fn start<S>(
        &mut self,
        now: Timestamp,
        params: AcquireParams,
        sender: S,
    ) -> Option<StartSection<S>> {
        let (id, fence) = (self.id, self.fences.take()?);
        self.section_started = now;
        self.occupancy = Occupancy::Running(RunningSection { id, fence, params, since: now });
        Some(StartSection { sender, id, fence, valid_until: self.valid_until })
    }

    /// Counts a handoff. Returns whether `max_hold` restarts with it.
    pub(super) fn record_handoff(&mut self) -> bool {
        self.handoffs_left = self.handoffs_left.map(|left| left.saturating_sub(1));
        self.terms.max_hold.is_some_and(|span| span < SHORT_MAX_HOLD)
    }

    pub(super) const fn running(&self) -> Option<&RunningSection> {
        match &self.occupancy {
            Occupancy::Running(running) => Some(running),
            Occupancy::Idle { .. } => None,
        }
    }
}
