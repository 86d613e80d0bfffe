//! The least of a plan that still goes wrong: what is left tells the story.

use history::Property;

use crate::plan::{Plan, Step};
use crate::trial::Trial;

/// As many attempts as are made: what can be left out is found in far fewer.
const ATTEMPTS: usize = 3_000;

/// Leaves out of a plan what is not needed to break `property`.
#[must_use]
pub fn shrink(mut plan: Plan, property: Property) -> Plan {
    let mut attempts = ATTEMPTS;
    loop {
        let smaller = candidates(&plan).into_iter().find(|candidate| {
            attempts = attempts.saturating_sub(1);
            attempts > 0 && breaks(candidate, property)
        });
        match smaller {
            Some(candidate) => plan = candidate,
            None => return plan,
        }
    }
}

fn breaks(plan: &Plan, property: Property) -> bool {
    Trial::of(plan).report.violations.iter().any(|violation| violation.property == property)
}

/// All plans that are smaller by one thing, the largest things first.
fn candidates(plan: &Plan) -> Vec<Plan> {
    let mut all = Vec::new();
    for process in 0..plan.processes.len() {
        // Its place is kept, as faults name processes by their places.
        all.extend(without(plan, |plan| take_all(&mut plan.processes[process].tasks)));
    }
    for fault in 0..plan.faults.len() {
        all.extend(without(plan, |plan| {
            plan.faults.remove(fault);
            true
        }));
    }
    for process in 0..plan.processes.len() {
        for task in 0..plan.processes[process].tasks.len() {
            all.extend(without(plan, |plan| {
                take_all(&mut plan.processes[process].tasks[task].steps)
            }));
            let steps = plan.processes[process].tasks[task].steps.len();
            for step in 0..steps {
                all.extend(without(plan, |plan| {
                    plan.processes[process].tasks[task].steps.remove(step);
                    true
                }));
                all.extend(without(plan, |plan| {
                    simplify(&mut plan.processes[process].tasks[task].steps[step])
                }));
            }
        }
    }
    all
}

fn without(plan: &Plan, change: impl FnOnce(&mut Plan) -> bool) -> Option<Plan> {
    let mut smaller = plan.clone();
    change(&mut smaller).then_some(smaller)
}

fn take_all<T>(list: &mut Vec<T>) -> bool {
    !std::mem::take(list).is_empty()
}

/// Takes out of a step what is inside of it, if there is anything.
fn simplify(step: &mut Step) -> bool {
    take_all(&mut step.inside)
}
