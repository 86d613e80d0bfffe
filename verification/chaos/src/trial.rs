mod documented;
mod teardown;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use checker::{Event, EventKind, Refusal, Report, Violation};

use crate::clock;
use crate::fault::FaultKind;
use crate::schedule::{Schedule, Topology};
use crate::setup::{Servers, Setup};

use documented::DocumentedHoles;

/// The outcome of a schedule.
#[derive(Debug)]
pub struct Outcome {
    pub schedule: Schedule,
    /// The report of the checker, without the violations that are documented exceptions.
    pub report: Report,
    /// Violations that are documented exceptions.
    pub known: Vec<Violation>,
    /// Failed requests by reason.
    pub refusals: BTreeMap<&'static str, u64>,
    /// The faults that had an effect.
    pub faults: Vec<FaultKind>,
    pub history: Vec<Event>,
}

/// The longest that the faults of a cluster may take.
const LONGEST: Duration = Duration::from_secs(120);
/// How long the workers of a cluster go on after the last fault and the pause that follows it.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// Runs a schedule. `program` is the path of this program, which is started as a worker. A schedule
/// of a cluster takes the one that an earlier one has left, and leaves it to the next.
pub fn run(
    mut schedule: Schedule,
    program: &Path,
    cluster: &mut Option<testkit::Cluster>,
) -> io::Result<Outcome> {
    let mut setup = Setup::start(&schedule, program, cluster)?;
    let start = clock::now();
    let end = start + clock::nanos(schedule.length);
    let is_cluster = schedule.topology == Topology::Cluster;
    setup.workers.begin(if is_cluster { start + clock::nanos(LONGEST) } else { end })?;
    let mut faults = Vec::new();
    for (at, step) in steps(&schedule) {
        clock::sleep_until(start + clock::nanos(at));
        match step {
            Step::Begin(fault) if setup.inject(&schedule.faults[fault]) => {
                faults.push(schedule.faults[fault].kind);
            }
            Step::Begin(_) => {}
            Step::End(fault) => setup.end_fault(&schedule.faults[fault]),
        }
    }
    if is_cluster {
        // A failover may have taken longer than planned.
        let end = end.max(clock::now() + clock::nanos(schedule.pause() + AFTERWARDS));
        setup.workers.begin(end)?;
        clock::sleep_until(end);
    }
    clock::sleep_until(end);
    setup.heal();
    schedule.has_dropped = setup.servers.take_dropped();
    setup.workers.end();
    teardown::check(&mut setup, &schedule);
    let Setup { servers, workers } = setup;
    if let Servers::Cluster(all) = servers {
        *cluster = Some(all);
    }
    Ok(Outcome::of(schedule, faults, workers.history()?))
}

#[derive(Clone, Copy)]
enum Step {
    Begin(usize),
    End(usize),
}

fn steps(schedule: &Schedule) -> Vec<(Duration, Step)> {
    let mut steps = Vec::new();
    for (number, fault) in schedule.faults.iter().enumerate() {
        steps.push((fault.at, Step::Begin(number)));
        steps.push((fault.at + fault.span, Step::End(number)));
    }
    steps.sort_by_key(|(at, _)| *at);
    steps
}

impl Outcome {
    fn of(schedule: Schedule, faults: Vec<FaultKind>, history: Vec<Event>) -> Self {
        let mut report = checker::check(&history, &schedule.rules());
        let all = std::mem::take(&mut report.violations);
        let hole = DocumentedHoles::of(&schedule, &history);
        let (known, wrong) = all.into_iter().partition(|found| hole.names(found));
        report.violations = wrong;
        let refusals = refusals(&history);
        Self { schedule, report, known, refusals, faults, history }
    }
}

fn refusals(history: &[Event]) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for event in history {
        if let EventKind::Refused { why, .. } = event.kind {
            *counts.entry(name(why)).or_default() += 1;
        }
    }
    counts
}

fn name(why: Refusal) -> &'static str {
    match why {
        Refusal::Busy => "busy",
        Refusal::Unavailable => "unavailable",
        Refusal::Refused => "refused",
        Refusal::Deadlock => "deadlock",
        Refusal::Lost => "lost",
    }
}
