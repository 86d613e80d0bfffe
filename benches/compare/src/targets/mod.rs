//! The performance targets of distlock, each with what it is compared with in the same run:
//! `compare targets`.

mod cargo;
mod cluster;
mod handoff;
mod held;
mod memory;
mod one_key;
mod own_keys;
mod pairs;
mod reentry;
mod replicas;
mod resharding;
mod size;
mod target;

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::bench::{Bench, Load};
use crate::history::History;
use crate::rounds::Rounds;
use crate::table::Table;
use target::{Side, Target};

/// The last commit at which a thread of the library did the I/O of all callers.
const BASELINE: &str = "b7a491c1";

/// Measure each performance target, and print whether it is met
///
/// Every figure is the median of several rounds in which all sides take turns; a ratio is the
/// median of the ratios of the rounds, with the lowest and the highest in brackets. Needs Linux,
/// git and cargo: the older commit is checked out and built below the target directory.
#[derive(Args, Clone, Debug)]
pub struct Targets {
    /// The targets to measure, separated by commas [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    rows: Vec<Group>,
    /// How often each side is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 0.4, value_parser = seconds)]
    seconds: f64,
    /// The older commit that this one is compared with
    #[arg(long, default_value = BASELINE)]
    baseline: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Group {
    /// Acquire and release of an uncontended lock, in each placement, idle and busy machine
    Uncontended,
    /// The same with a slow network
    Delay,
    /// The same on a server that Sentinels name, beside one that the URL names
    Sentinel,
    /// Grants that a replica confirms, beside those that none does
    Replicas,
    /// The same on a cluster, beside one server and the cluster client of the crate `redis`
    Cluster,
    /// Locks of a cluster while their slots move, beside those of slots that do not
    Resharding,
    /// From the release in one process to the hold in another
    Handoff,
    /// 64 workers, each with its own key
    OwnKeys,
    /// One key, two processes, beside every other library
    HotKey,
    /// One key, beside the older commit
    Baseline,
    /// A nested call of the holder
    Reentry,
    /// Heap of holds and waiters
    Memory,
    /// CPU time of many holds, wake-ups of an idle process
    Held,
    /// Lines of code
    Size,
}

/// What all measurements need.
struct Run<'a> {
    bench: &'a Bench,
    rounds: u32,
    /// Of one measurement.
    time: Duration,
    baseline: &'a str,
}

impl Run<'_> {
    /// Measures all loads, round by round, and this figure of each.
    fn sides<const N: usize>(
        &self,
        loads: &[Load<'_>; N],
        figure: fn(&History) -> f64,
    ) -> anyhow::Result<[Side; N]> {
        let measured = Rounds::measure(self.bench, loads, self.rounds, self.time);
        let sides = measured.into_iter().map(|rounds| Ok(Side::new(&rounds?, figure)));
        let sides: Vec<_> = sides.collect::<anyhow::Result<_>>()?;
        Ok(sides.try_into().expect("one for each load"))
    }
}

type MeasureGroup = fn(&Run<'_>) -> anyhow::Result<Vec<Target>>;

const ALL: [(Group, MeasureGroup); 19] = [
    (Group::Uncontended, pairs::uncontended),
    (Group::Delay, pairs::delayed),
    (Group::Sentinel, pairs::with_sentinels),
    (Group::Replicas, replicas::measure),
    (Group::Cluster, cluster::pairs),
    (Group::Cluster, cluster::own_keys),
    (Group::Cluster, cluster::handoffs),
    (Group::Cluster, cluster::first_waits),
    (Group::Cluster, cluster::scaling),
    (Group::Cluster, cluster::peers),
    (Group::Resharding, resharding::measure),
    (Group::Handoff, handoff::measure),
    (Group::OwnKeys, own_keys::measure),
    (Group::HotKey, one_key::beside_peers),
    (Group::Baseline, one_key::beside_baseline),
    (Group::Reentry, reentry::measure),
    (Group::Memory, memory::measure),
    (Group::Held, held::measure),
    (Group::Size, size::measure),
];

impl Targets {
    /// Prints the table of each group as soon as it is measured.
    pub fn run(&self, bench: &Bench) {
        let start = Instant::now();
        let time = Duration::from_secs_f64(self.seconds);
        let run = Run { bench, rounds: self.rounds, time, baseline: &self.baseline };
        let (mut met, mut all) = (0, 0);
        for (group, measure) in ALL {
            if !self.rows.is_empty() && !self.rows.contains(&group) {
                continue;
            }
            let mut table = Table::new(&target::HEAD);
            match measure(&run) {
                Ok(targets) => {
                    let bound = || targets.iter().filter(|target| target.is_bound());
                    met += bound().filter(|target| target.is_met()).count();
                    all += bound().count();
                    for target in &targets {
                        table.add(target.cells());
                    }
                }
                Err(error) => {
                    all += 1;
                    table.add(vec![format!("{group:?}"), format!("not measured: {error:#}")]);
                }
            }
            println!("{table}");
        }
        bench.done();
        println!("{met} of {all} targets are met");
        eprintln!("took {:.0?}", start.elapsed());
    }
}

/// Bounded, in case of a typo.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.05..=60.0).contains(&seconds) { Ok(seconds) } else { Err("0.05 to 60".to_owned()) }
}
