//! A plan, run and checked.

use checker::{Event, EventKind, Property, Report, Rules, Violation, check};

use crate::hindsight;
use crate::plan::Plan;
use crate::world::{self, Ran};

/// What came of a plan.
#[derive(Debug)]
pub struct Trial {
    /// All that happened.
    pub events: Vec<Event>,
    /// What the checker says of it.
    pub report: Report,
    /// Whether the server never forgot a hold that was still valid: then no two are valid at once.
    pub lossless: bool,
    /// Tokens that did not rise where the server had forgotten a hold. Its process goes on to hand it over until it learns of
    /// that; storage that compares tokens refuses what is written there.
    pub stale_grants: u64,
}

impl Trial {
    /// Runs a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let Ran { events, unaware, panic } = world::run(plan);
        let lossless = plan.is_lossless() && !unaware;
        let takeover = plan.takeover().map(world::nanos);
        let rules = Rules { lossless, slack: SLACK, max_bypass: plan.passed_over(), takeover };
        let mut report = check(&events, &rules);
        report.violations.extend(panic.map(|text| Violation {
            property: Property::WellFormed,
            at: 0,
            text: format!("the library panicked: {text}"),
            requests: Vec::new(),
        }));
        report.violations.extend(hindsight::violations(plan, &events));
        let before = report.violations.len();
        report.violations.retain(|violation| is_owed(plan, lossless, &events, violation));
        let stale_grants = (before - report.violations.len()) as u64;
        Self { events, report, lossless, stale_grants }
    }
}

/// Instants are exact in a simulation, and code that is due runs within its wake-up; a list takes a last look of a millisecond.
const SLACK: u64 = 3_000_000;

/// Whether a violation is about this lock.
fn is_about(events: &[Event], violation: &Violation, key: u32) -> bool {
    events.iter().any(|event| match event.kind {
        EventKind::Requested { request, key: asked, .. } => {
            asked == key && violation.requests.contains(&request)
        }
        _ => false,
    })
}

/// Whether a plan promises this at all.
fn is_owed(plan: &Plan, lossless: bool, events: &[Event], violation: &Violation) -> bool {
    match violation.property {
        Property::MutualExclusion | Property::TokensRise
            if plan.careless_key().is_some_and(|key| is_about(events, violation, key)) =>
        {
            false
        }
        Property::TokensRise => lossless && plan.keeps_order(),
        // A server whose clock was set back and whose counter is lost has nothing from which it could know how high its
        // tokens were.
        Property::TokensDistinct => plan.keeps_order(),
        _ => true,
    }
}
