//! A plan, run and checked.

use history::{Event, Report, Rules, Violation, check};

use crate::plan::Plan;
use crate::world;

/// What came of a plan.
#[derive(Debug)]
pub struct Trial {
    /// All that happened.
    pub events: Vec<Event>,
    /// What the checker says of it.
    pub report: Report,
}

impl Trial {
    /// Runs a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let events = world::run(plan);
        let mut report = check(&events, &rules(plan));
        report.violations.retain(|violation| is_owed(plan, violation));
        Self { events, report }
    }
}

/// Instants are exact in a simulation, and code that is due runs within its wake-up; a list takes a last look of a millisecond.
const SLACK: u64 = 3_000_000;

fn rules(plan: &Plan) -> Rules {
    Rules { lossless: plan.is_lossless(), slack: SLACK, passed_over: None, takeover: None }
}

/// Whether a plan promises this at all. A server whose clock was set back and whose counter is lost has nothing from which it
/// could know how high its tokens were.
fn is_owed(plan: &Plan, violation: &Violation) -> bool {
    use history::Property::{Register, TokensDistinct, TokensRise};
    plan.keeps_order() || !matches!(violation.property, TokensRise | TokensDistinct | Register)
}
