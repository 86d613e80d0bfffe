//! Runs a plan and checks its history.

use std::time::Duration;

use checker::{Event, EventKind, Property, Report, Rules, Violation, check};

use crate::plan::Plan;
use crate::plan_checks;
use crate::world::{self, RunResult};

/// The result of a plan.
#[derive(Debug)]
pub struct Trial {
    /// All events.
    pub events: Vec<Event>,
    /// The report of the checker.
    pub report: Report,
    /// Whether the server never forgot a valid hold. Then no two holds are valid at once.
    pub lossless: bool,
    /// Tokens that did not rise after the server had forgotten a hold. Its process continues to
    /// hand it off until it detects the loss. Storage that compares tokens rejects its writes.
    pub stale_grants: u64,
}

impl Trial {
    /// Runs a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let RunResult { events, undetected_data_loss, grants, panic } = world::run(plan);
        let lossless = plan.is_lossless() && !undetected_data_loss;
        let takeover = plan.takeover(|key| first_grant(&events, key)).map(world::nanos);
        let rules = Rules { lossless, slack: SLACK, max_bypass: plan.passed_over(), takeover };
        let mut report = check(&events, &rules);
        report.violations.extend(panic.map(|text| Violation {
            property: Property::WellFormed,
            at: 0,
            text: format!("the library panicked: {text}"),
            requests: Vec::new(),
        }));
        let of_plan = plan_checks::violations(plan, &events, &grants, undetected_data_loss);
        report.violations.extend(of_plan);
        let before = report.violations.len();
        report.violations.retain(|violation| is_promised(plan, lossless, &events, violation));
        let stale_grants = (before - report.violations.len()) as u64;
        Self { events, report, lossless, stale_grants }
    }
}

/// Instants are exact in a simulation, and code runs within its wake-up time. A multi-key request
/// makes a final attempt of a millisecond.
const SLACK: u64 = 3_000_000;

/// When this lock was granted for the first time.
fn first_grant(events: &[Event], key: u32) -> Option<Duration> {
    let is_of_key = |of| {
        events.iter().any(|event| match event.kind {
            EventKind::Requested { request, key: asked, .. } => request == of && asked == key,
            _ => false,
        })
    };
    let grant = events.iter().find(|event| match event.kind {
        EventKind::Acquired { request, .. } => is_of_key(request),
        _ => false,
    });
    grant.map(|event| Duration::from_nanos(event.at))
}

/// Whether a violation is about this lock.
fn is_about(events: &[Event], violation: &Violation, key: u32) -> bool {
    events.iter().any(|event| match event.kind {
        EventKind::Requested { request, key: asked, .. } => {
            asked == key && violation.requests.contains(&request)
        }
        _ => false,
    })
}

/// Whether this property is guaranteed under the plan.
fn is_promised(plan: &Plan, lossless: bool, events: &[Event], violation: &Violation) -> bool {
    match violation.property {
        Property::MutualExclusion | Property::KeptKey | Property::TokensRise
            if plan.unprotected_key().is_some_and(|key| is_about(events, violation, key)) =>
        {
            false
        }
        // A hold is put back after a failover, a release that left the key taken is not.
        Property::KeptKey => !plan.loses_writes(),
        Property::TokensRise => lossless && plan.keeps_token_order(),
        // A server whose clock was set back and whose counter is lost cannot know how high its
        // tokens were.
        Property::TokensDistinct => plan.keeps_token_order(),
        _ => true,
    }
}
