//! Simulated schedules: that they hold, that they are the same for the same seed, and that what goes wrong is told well.

use checker::Property;
use sim::campaign::Campaign;
use sim::plan::{Fault, Misfortune, Part, Plan};
use sim::shrink::shrink;
use sim::trial::Trial;

/// As many as take a few seconds; `cargo run --release` runs more.
const SCHEDULES: u64 = 20_000;

#[test]
fn twenty_thousand_schedules_keep_every_promise() {
    let campaign = Campaign { seeds: 1..SCHEDULES + 1, jobs: 2, enough: 1 };
    let outcome = campaign.run(|_| {});
    assert!(outcome.findings.is_empty(), "{:?}", outcome.findings);
    assert_eq!(outcome.schedules, SCHEDULES);
    // What they put the lock through is no walk in the park, and most of them are held to the whole promise.
    assert!(outcome.lossless > SCHEDULES / 2, "{outcome:?}");
    assert!(outcome.report.pairs > 10 * SCHEDULES, "{outcome:?}");
    assert!(outcome.report.losses > SCHEDULES / 10, "{outcome:?}");
    assert!(outcome.report.double_holds > 0, "no loss of data shows: {outcome:?}");
}

#[test]
fn the_same_seed_brings_the_same_events() {
    for seed in 1..200 {
        let plan = Plan::draw(seed);
        assert_eq!(Trial::of(&plan).events, Trial::of(&plan).events, "seed {seed}");
    }
}

/// A schedule in which a hold is deleted behind its owner's back, held to the promise of one in which nothing is.
fn broken() -> (Plan, Trial) {
    let trials = (1..).map(|seed| {
        let mut plan = Plan::draw(seed);
        let key = 0;
        let delete = Misfortune::Delete { key, part: Part::Hold };
        plan.faults = vec![Fault { at: std::time::Duration::from_millis(20), what: delete }];
        let trial = Trial::of(&plan);
        (plan, trial)
    });
    let mut trials = trials.filter(|(_, trial)| trial.report.double_holds > 0);
    trials.next().expect("a deleted hold lets another in sooner or later")
}

#[test]
fn a_hold_that_is_deleted_is_seen_to_be_double_and_is_no_violation() {
    let (plan, trial) = broken();
    assert!(!plan.is_lossless() && !trial.lossless);
    assert!(trial.report.is_right(), "{:?}", trial.report.violations);
}

#[test]
fn a_schedule_shrinks_to_one_that_breaks_the_same_property() {
    // Nobody can be sure of a lock whose server is never there again.
    let mut plan = Plan::draw(7);
    let gone = Misfortune::Freeze { span: std::time::Duration::ZERO };
    plan.faults.push(Fault { at: std::time::Duration::from_millis(1), what: gone });
    for member in &mut plan.processes {
        member.ttl = std::time::Duration::ZERO;
    }
    let broken = properties(&plan);
    let property =
        *broken.first().expect("the library refuses a ttl of nothing, which no plan may ask for");
    let least = shrink(plan.clone(), property);
    assert!(properties(&least).contains(&property), "{least}");
    let sections = |plan: &Plan| -> usize {
        let tasks = plan.processes.iter().flat_map(|member| &member.tasks);
        tasks.map(|task| task.steps.len()).sum()
    };
    assert!(sections(&least) < sections(&plan) && least.faults.is_empty(), "{least}");
}

fn properties(plan: &Plan) -> Vec<Property> {
    Trial::of(plan).report.violations.iter().map(|violation| violation.property).collect()
}
