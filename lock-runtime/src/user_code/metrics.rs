//! Metrics, by the feature of that name, for the recorder that the program has installed.
//!
//! A recorder is code of users, as a `tracing` subscriber is: it is called with nothing locked, on
//! an I/O thread by a helper thread, and its panics are caught. Without the feature all types here
//! are empty, and all functions do nothing.
//!
//! The series of a lock have the template of its key as a label, so that there are only as many as
//! places in the source that take locks. The label is made once for each template. The handles of
//! the facade are not kept: they belong to the recorder that made them, and a test may have one of
//! its own.
#![cfg_attr(
    not(feature = "metrics"),
    allow(
        unused_variables,
        clippy::needless_pass_by_value,
        clippy::unused_self,
        reason = "the feature has a use for them"
    )
)]

#[cfg(feature = "metrics")]
mod recorder;

#[cfg(feature = "metrics")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::types::owner_info::CallSite;
use crate::types::time::Timestamp;
#[cfg(feature = "metrics")]
use crate::{
    types::time,
    user_code::metrics::recorder::{self as to, Series, Via},
};

/// Says what the metrics are, to the recorder of this thread.
pub(crate) fn describe() {
    #[cfg(feature = "metrics")]
    to::describe();
}

/// The labels of the series of a lock.
#[derive(Clone, Debug)]
pub(crate) struct LockLabels(#[cfg(feature = "metrics")] Series);

impl LockLabels {
    /// `label`: of the request. `key`: if the series are to have the rendered key.
    pub(crate) fn of(call_site: CallSite, label: Option<&'static str>, key: Option<&str>) -> Self {
        Self(
            #[cfg(feature = "metrics")]
            Series::of(call_site, label, key),
        )
    }

    pub(crate) fn reentered(&self) {
        #[cfg(feature = "metrics")]
        to::count(self.0.key(to::REENTRIES));
    }

    pub(crate) fn failed(&self, kind: &'static str) {
        #[cfg(feature = "metrics")]
        to::count(self.0.key_with(to::ERRORS, "kind", kind));
    }
}

/// Of the lease of one section.
#[derive(Debug)]
pub(crate) struct LeaseMetrics {
    #[cfg(feature = "metrics")]
    series: Series,
    #[cfg(feature = "metrics")]
    via: Via,
    #[cfg(feature = "metrics")]
    granted_at: Timestamp,
    #[cfg(feature = "metrics")]
    waited: Duration,
    /// A section runs, or has run, under it.
    #[cfg(feature = "metrics")]
    has_begun: AtomicBool,
    #[cfg(feature = "metrics")]
    is_lost: AtomicBool,
}

impl LeaseMetrics {
    pub(crate) fn new(
        labels: LockLabels,
        asked_at: Timestamp,
        granted_at: Timestamp,
        by_handoff: bool,
    ) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            series: labels.0,
            #[cfg(feature = "metrics")]
            via: if by_handoff { Via::Handoff } else { Via::Server },
            #[cfg(feature = "metrics")]
            granted_at,
            #[cfg(feature = "metrics")]
            waited: granted_at.since(asked_at),
            #[cfg(feature = "metrics")]
            has_begun: AtomicBool::new(false),
            #[cfg(feature = "metrics")]
            is_lost: AtomicBool::new(false),
        }
    }

    /// Its caller has received it.
    pub(crate) fn begin(&self) {
        #[cfg(feature = "metrics")]
        {
            self.has_begun.store(true, Ordering::Relaxed);
            to::count(self.series.acquisitions(self.via));
            to::observe(self.series.key(to::WAIT), self.waited);
            to::add(self.series.key(to::HOLDS), 1.0);
        }
    }

    /// It was lost, which counts once.
    pub(crate) fn lost(&self, reason: &'static str) {
        #[cfg(feature = "metrics")]
        if self.has_begun.load(Ordering::Relaxed) && !self.is_lost.swap(true, Ordering::Relaxed) {
            to::count(self.series.key_with(to::LOSSES, "reason", reason));
        }
    }

    pub(crate) fn released(&self) {
        #[cfg(feature = "metrics")]
        if self.has_begun.load(Ordering::Relaxed) {
            to::observe(self.series.key(to::HOLD), time::now().since(self.granted_at));
            to::add(self.series.key(to::HOLDS), -1.0);
        }
    }
}

/// Counts a request as waiting, until it is dropped.
#[derive(Debug)]
pub(crate) struct WaitMetrics(#[cfg(feature = "metrics")] Option<Series>);

impl WaitMetrics {
    /// Of a request that is not counted yet.
    pub(crate) const fn new() -> Self {
        Self(
            #[cfg(feature = "metrics")]
            None,
        )
    }

    pub(crate) fn begin(&mut self, labels: LockLabels) {
        #[cfg(feature = "metrics")]
        to::add(self.0.insert(labels.0).key(to::WAITING), 1.0);
    }
}

#[cfg(feature = "metrics")]
impl Drop for WaitMetrics {
    fn drop(&mut self) {
        if let Some(series) = &self.0 {
            to::add(series.key(to::WAITING), -1.0);
        }
    }
}

/// Of the connection to one server.
#[derive(Clone, Debug)]
pub(crate) struct LinkMetrics(#[cfg(feature = "metrics")] std::sync::Arc<str>);

impl LinkMetrics {
    /// `server`: its address.
    pub(crate) fn of(server: &str) -> Self {
        Self(
            #[cfg(feature = "metrics")]
            server.into(),
        )
    }

    /// It is to be connected, unless it is.
    pub(crate) fn opened(&self, is_down: bool) {
        #[cfg(feature = "metrics")]
        {
            to::add(to::of_server(to::DISCONNECTED, &self.0), f64::from(u8::from(is_down)));
            // So that a rate shows the first one.
            to::count_by(to::of_server(to::RECONNECTS, &self.0), 0);
        }
    }

    /// `again`: it was connected before.
    pub(crate) fn connected(&self, outage: Duration, again: bool) {
        #[cfg(feature = "metrics")]
        {
            to::add(to::of_server(to::DISCONNECTED, &self.0), -1.0);
            if again {
                to::count(to::of_server(to::RECONNECTS, &self.0));
                to::observe(to::of_server(to::OUTAGE, &self.0), outage);
            }
        }
    }

    pub(crate) fn disconnected(&self) {
        #[cfg(feature = "metrics")]
        to::add(to::of_server(to::DISCONNECTED, &self.0), 1.0);
    }

    /// It was down, and is not connected again.
    pub(crate) fn closed(&self) {
        #[cfg(feature = "metrics")]
        to::add(to::of_server(to::DISCONNECTED, &self.0), -1.0);
    }

    /// The server grants nothing for so long.
    pub(crate) fn paused(&self, left: Duration) {
        #[cfg(feature = "metrics")]
        to::set_time(to::of_server(to::GRANTS_RESUME, &self.0), left);
    }
}
