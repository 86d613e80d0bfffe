//! Runs simulated schedules: one seed with its trace, or many with a summary.

use std::process::ExitCode;
use std::time::Instant;

use checker::{Report, Trace};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use sim::campaign::{Campaign, Finding, Outcome};
use sim::plan::Plan;
use sim::shrink::shrink;
use sim::trial::Trial;

/// The lock in a simulated cluster: one seed is one schedule.
#[derive(Debug, Parser)]
struct Options {
    /// Run only this schedule and print its trace.
    #[arg(long)]
    seed: Option<u64>,
    /// Print the whole schedule instead of the shrunk one that fails.
    #[arg(long, requires = "seed")]
    whole: bool,
    /// How many schedules to run.
    #[arg(long, default_value_t = 10_000)]
    schedules: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Leave out those of a single server: about a quarter is run.
    #[arg(long)]
    cluster: bool,
    /// How many to run in parallel; the number of cores by default.
    #[arg(long)]
    jobs: Option<usize>,
    /// Stop after this many failures.
    #[arg(long, default_value_t = 1)]
    enough: usize,
    /// Do not shrink a schedule that fails.
    #[arg(long)]
    no_shrink: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let right = match options.seed {
        Some(seed) => replay(seed, options.whole),
        None => run(&options),
    };
    if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Replays one seed.
fn replay(seed: u64, whole: bool) -> bool {
    let plan = Plan::generate(seed);
    let trial = Trial::of(&plan);
    let Some(first) = trial.report.violations.first().filter(|_| !whole) else {
        print_trace(&plan, &trial);
        return trial.report.is_right();
    };
    let least = shrink(plan, first.property);
    println!("the shrunk schedule, which still violates '{}':\n", first.property);
    print_trace(&least, &Trial::of(&least));
    false
}

fn print_trace(plan: &Plan, trial: &Trial) {
    println!("{plan}");
    let requests = trial.report.violations.first().map_or(&[][..], |first| &first.requests);
    println!("{}", Trace::new(&trial.events).highlight(requests));
    print_report(&trial.report);
    for violation in &trial.report.violations {
        println!("violation: {violation}");
    }
}

/// How many seeds a run that shows no bar is silent for.
const LINE_EVERY: u64 = 100_000;

/// Runs many.
fn run(options: &Options) -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let campaign = Campaign {
        seeds: options.from..options.from + options.schedules,
        cluster: options.cluster,
        jobs: options.jobs.unwrap_or(cores),
        enough: options.enough,
    };
    let style =
        "{elapsed_precise} {bar:40} {human_pos}/{human_len} schedules, {per_sec}, {eta} to go";
    let style = ProgressStyle::with_template(style).expect("the template is valid");
    let bar = ProgressBar::new(options.schedules).with_style(style);
    let start = Instant::now();
    let outcome = campaign.run(|seed, outcome| {
        bar.inc(1);
        // A long run is often read in a file, before its end.
        if bar.is_hidden() && (seed + 1).is_multiple_of(LINE_EVERY) {
            print!("to seed {seed}: ");
            print_outcome(outcome);
        }
    });
    bar.finish_and_clear();
    print_outcome(&outcome);
    println!(
        "seeds {} to {}, in {:.1?}",
        campaign.seeds.start,
        campaign.seeds.end - 1,
        start.elapsed()
    );
    if let Some(first) = outcome.findings.first().filter(|_| !options.no_shrink) {
        replay(first.seed, false);
    }
    outcome.findings.is_empty()
}

fn print_outcome(outcome: &Outcome) {
    let Outcome { schedules, lossless, stale_grants, report, findings } = outcome;
    println!(
        "schedules {schedules} ({lossless} lossless), stale grants in the rest {stale_grants}, \
         violations {}",
        findings.len()
    );
    print_report(report);
    for Finding { seed, property, after } in findings {
        println!("violation: seed {seed}, property {property}, after {after} schedules");
    }
}

fn print_report(report: &Report) {
    println!(
        "pairs {}, re-entries {}, requests {}, refused {}, cancelled {}, losses {}, \
         double holds {}, events {}",
        report.pairs,
        report.reentries,
        report.requests,
        report.refusals,
        report.cancelled,
        report.losses,
        report.double_holds,
        report.events
    );
}
