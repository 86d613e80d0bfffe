//! The time for which this process has the lock, over one section or several.

use std::time::Duration;

use crate::local::moves::StartSection;
use crate::local::waiting::{AcquireParams, LeaseTerms};
use crate::types::fence::{Fence, FenceBlock};
use crate::types::request_id::Nonce;
use crate::types::time::Timestamp;

/// How long a process hands the lock on within itself while another waits for it.
pub(crate) const SHARED_SPAN: Duration = Duration::from_millis(50);
/// How long it does so while no other is known to wait: bounds the harm of a notice that was lost.
pub(crate) const OWN_SPAN: Duration = Duration::from_secs(1);
/// What has to be left of the validity of a hold that is handed on, unless half its ttl is less.
const ENOUGH: Duration = Duration::from_millis(250);
/// A shorter `max_hold` is restarted with each section. For longer ones the second of [`OWN_SPAN`] does not count.
const SHORT_MAX_HOLD: Duration = Duration::from_secs(60 * 60);

#[derive(Debug)]
pub(crate) struct ProcessLease {
    pub(crate) nonce: Nonce,
    pub(crate) terms: LeaseTerms,
    /// What is left of the block that the grant reserved.
    pub(crate) fences: FenceBlock,
    pub(crate) valid_until: Timestamp,
    /// Until when the hold is handed on.
    pub(crate) until: Timestamp,
    /// How often it still is; `None` while no other process is expected to wait.
    left: Option<u32>,
    /// Whether another process is known to wait.
    waited_for: bool,
    /// When the latest section began.
    pub(crate) began: Timestamp,
    pub(crate) stage: Occupancy,
}

#[derive(Debug)]
pub(crate) enum Occupancy {
    /// A section runs under this token.
    Running(RunningSection),
    /// Nobody is inside; it is kept until then.
    Idle { until: Timestamp },
}

/// The section that runs, as others see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunningSection {
    pub(crate) nonce: Nonce,
    pub(crate) fence: Fence,
    pub(crate) params: AcquireParams,
    /// When it began.
    pub(crate) since: Timestamp,
}

impl ProcessLease {
    /// A tenure that has just been granted, with nobody inside yet.
    pub(crate) fn new(
        now: Timestamp,
        nonce: Nonce,
        terms: LeaseTerms,
        fences: FenceBlock,
        valid_until: Timestamp,
    ) -> Self {
        let (until, stage) = (now.plus(OWN_SPAN), Occupancy::Idle { until: now });
        Self {
            nonce,
            terms,
            fences,
            valid_until,
            until,
            left: None,
            waited_for: false,
            began: now,
            stage,
        }
    }

    /// Others wait.
    pub(crate) fn is_asked_for(&mut self, now: Timestamp, bound: u32) {
        self.waited_for = true;
        self.bind(now, bound);
    }

    /// Others wait or soon may: from now on the hold is handed on at the most `bound` times.
    pub(crate) fn bind(&mut self, now: Timestamp, bound: u32) {
        if self.left.is_none() {
            self.left = Some(bound);
            self.until = self.until.min(now.plus(SHARED_SPAN));
        }
    }

    pub(crate) const fn is_waited_for(&self) -> bool {
        self.waited_for
    }

    pub(crate) const fn is_idle(&self) -> bool {
        self.idle_until().is_some()
    }

    /// Until when it is kept with nobody inside; `None` while a section runs.
    pub(crate) const fn idle_until(&self) -> Option<Timestamp> {
        match self.stage {
            Occupancy::Idle { until } => Some(until),
            Occupancy::Running(_) => None,
        }
    }

    pub(crate) fn runs(&self, fence: Fence) -> bool {
        self.inside().is_some_and(|inside| inside.fence == fence)
    }

    /// Whether another section with these terms may run under it.
    pub(crate) fn may_go_on(&self, now: Timestamp, terms: LeaseTerms) -> bool {
        let enough = ENOUGH.min(self.terms.ttl / 2);
        self.terms == terms
            // Without renewals each section is due a ttl of its own.
            && terms.renew
            && self.left != Some(0)
            && !self.fences.is_empty()
            && now < self.until
            && self.valid_until.since(now) >= enough
    }

    /// Begins a section. `None` if the block is used up.
    pub(crate) fn serve<S>(
        &mut self,
        now: Timestamp,
        params: AcquireParams,
        slot: S,
    ) -> Option<StartSection<S>> {
        let (nonce, fence) = (self.nonce, self.fences.take()?);
        self.began = now;
        self.stage = Occupancy::Running(RunningSection { nonce, fence, params, since: now });
        Some(StartSection { slot, nonce, fence, valid_until: self.valid_until })
    }

    /// Notes that it was handed on; whether its `max_hold` is to be restarted for that.
    pub(crate) fn hand_on(&mut self) -> bool {
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.terms.max_hold.is_some_and(|span| span < SHORT_MAX_HOLD)
    }

    pub(crate) const fn inside(&self) -> Option<&RunningSection> {
        match &self.stage {
            Occupancy::Running(inside) => Some(inside),
            Occupancy::Idle { .. } => None,
        }
    }
}
