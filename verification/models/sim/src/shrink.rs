//! Shrinks a plan that fails.

use checker::Property;

use crate::plan::{Plan, Step};
use crate::trial::Trial;

/// The limit of attempts. Far fewer usually suffice.
const ATTEMPTS: usize = 3_000;

/// Removes from a plan what is not needed to violate `property`.
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

/// All plans with one part removed, the largest parts first.
fn candidates(plan: &Plan) -> Vec<Plan> {
    let smaller = cuts(plan).into_iter().filter_map(|cut| {
        let mut smaller = plan.clone();
        cut.make(&mut smaller).then_some(smaller)
    });
    smaller.collect()
}

/// A part that can be removed, by its indices.
#[derive(Clone, Copy)]
enum Cut {
    /// All tasks of a process. Its index stays, because faults refer to it.
    Process(usize),
    Fault(usize),
    /// All steps of a task. Its index stays.
    Task(usize, usize),
    Step(usize, usize, usize),
    /// The nested steps of a step.
    Nested(usize, usize, usize),
}

fn cuts(plan: &Plan) -> Vec<Cut> {
    let mut cuts: Vec<_> = (0..plan.processes.len()).map(Cut::Process).collect();
    cuts.extend((0..plan.faults.len()).map(Cut::Fault));
    for (process, member) in plan.processes.iter().enumerate() {
        for (task, steps) in member.tasks.iter().map(|task| task.steps.len()).enumerate() {
            cuts.push(Cut::Task(process, task));
            cuts.extend((0..steps).map(|step| Cut::Step(process, task, step)));
            cuts.extend((0..steps).map(|step| Cut::Nested(process, task, step)));
        }
    }
    cuts
}

impl Cut {
    /// Removes the part. Returns whether there was any.
    fn make(self, plan: &mut Plan) -> bool {
        match self {
            Self::Process(process) => take_all(&mut plan.processes[process].tasks),
            Self::Fault(fault) => {
                plan.faults.remove(fault);
                true
            }
            Self::Task(process, task) => take_all(steps(plan, process, task)),
            Self::Step(process, task, step) => {
                steps(plan, process, task).remove(step);
                true
            }
            Self::Nested(process, task, step) => {
                take_all(&mut steps(plan, process, task)[step].nested)
            }
        }
    }
}

fn steps(plan: &mut Plan, process: usize, task: usize) -> &mut Vec<Step> {
    &mut plan.processes[process].tasks[task].steps
}

fn take_all<T>(list: &mut Vec<T>) -> bool {
    !std::mem::take(list).is_empty()
}
