//! Simulated schedules: they keep all guarantees, are deterministic, and shrink.

use std::time::Duration;

use checker::Property;
use sim::campaign::Campaign;
use sim::plan::{Fault, FaultKind, Part, Plan};
use sim::shrink::shrink;
use sim::trial::Trial;

/// These take a few seconds. `cargo run --release` runs more.
const SCHEDULES: u64 = 20_000;

#[test]
fn twenty_thousand_schedules_violate_no_property() {
    let campaign = Campaign { seeds: 1..SCHEDULES + 1, cluster: false, jobs: 2, enough: 1 };
    let outcome = campaign.run(|_, _| {});
    assert!(outcome.findings.is_empty(), "{:?}", outcome.findings);
    assert_eq!(outcome.schedules, SCHEDULES);
    // Checks that the schedules are hard enough, and that most of them are lossless.
    assert!(outcome.lossless > SCHEDULES / 2, "{outcome:?}");
    assert!(outcome.report.pairs > 10 * SCHEDULES, "{outcome:?}");
    assert!(outcome.report.losses > SCHEDULES / 10, "{outcome:?}");
    assert!(outcome.report.double_holds > 0, "no data loss shows: {outcome:?}");
}

#[test]
fn the_same_seed_gives_the_same_events() {
    for seed in 1..200 {
        let plan = Plan::generate(seed);
        assert_eq!(Trial::of(&plan).events, Trial::of(&plan).events, "seed {seed}");
    }
}

/// The first holder of a lock tells the new primary that the slot has had tokens: its data is lost,
/// and the longest lease is waited out.
#[test]
fn a_failover_that_loses_the_first_token_of_a_slot_may_be_waited_out_like_a_loss_of_data() {
    let plan = Plan::generate(93_772_901);
    let [soon, late] = [None, Some(Duration::from_millis(611))]
        .map(|granted| plan.takeover(|_| granted).expect("a lock is free some time"));
    assert!(soon < Duration::from_secs(10) && late > plan.longest_ttl(), "{soon:?} {late:?}");
    let trial = Trial::of(&plan);
    assert!(trial.report.is_right(), "{:?}", trial.report.violations);
}

/// A failover that loses nothing ends a migration, and the next one of the slot begins before the
/// first one would have ended.
#[test]
fn a_slot_that_is_migrated_again_right_after_a_failover_keeps_its_locks() {
    let ms = Duration::from_millis;
    let migrate = |phases: [u64; 3]| FaultKind::Migrate { key: 0, by: 1, phases: phases.map(ms) };
    let failover = FaultKind::Failover { lag: Duration::ZERO, span: Duration::ZERO };
    let all = [(100, migrate([0, 300, 300])), (200, failover), (210, migrate([2_000, 5, 5]))];
    for seed in 1..100 {
        let mut plan = Plan::generate(seed);
        (plan.nodes, plan.migrates_on) = (2, false);
        plan.faults = all.clone().map(|(at, what)| Fault { at: ms(at), what }).into();
        let trial = Trial::of(&plan);
        assert!(trial.lossless && trial.report.is_right(), "{plan} {:?}", trial.report.violations);
    }
}

/// A schedule in which a valid hold is deleted on the server.
fn broken() -> (Plan, Trial) {
    let trials = (1..).map(|seed| {
        let mut plan = Plan::generate(seed);
        let key = 0;
        let delete = FaultKind::Delete { key, part: Part::Hold };
        plan.faults = vec![Fault { at: Duration::from_millis(20), what: delete }];
        let trial = Trial::of(&plan);
        (plan, trial)
    });
    let mut trials = trials.filter(|(_, trial)| trial.report.double_holds > 0);
    trials.next().expect("some deleted hold causes a double hold")
}

#[test]
fn a_double_hold_after_a_deletion_is_counted_and_is_no_violation() {
    let (plan, trial) = broken();
    assert!(!plan.is_lossless() && !trial.lossless);
    assert!(trial.report.is_right(), "{:?}", trial.report.violations);
}

#[test]
fn a_schedule_shrinks_to_one_that_breaks_the_same_property() {
    // No request of this plan succeeds.
    let mut plan = Plan::generate(7);
    let gone = FaultKind::Freeze { span: Duration::ZERO };
    plan.faults.push(Fault { at: Duration::from_millis(1), what: gone });
    for member in &mut plan.processes {
        member.ttl = Duration::ZERO;
    }
    let broken = properties(&plan);
    let property = *broken.first().expect("the library rejects a zero ttl, and the plan fails");
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
