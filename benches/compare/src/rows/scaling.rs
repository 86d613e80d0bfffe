//! How the cost of a pair grows with keys, waiters and processes.

use anyhow::ensure;

use crate::bench::{self, Bench, Load, PATIENCE};
use crate::candidate::Candidate;
use crate::child::{HeldLocks, READY};
use crate::history::History;
use crate::lock::TTL;
use crate::report::Report;
use crate::rows::{errors, line, name};
use crate::table::{Table, number};

const RENEWED: [Candidate; 2] = [Candidate::DISTLOCK_TASKS, Candidate::RLOCK_TASKS];
const WAITING: [Candidate; 4] = [
    Candidate::DISTLOCK_TASKS,
    Candidate::RSLOCK_TUNED,
    Candidate::RSLOCK_SPINNING,
    Candidate::RLOCK_TASKS_TUNED,
];
const KEYS: [usize; 3] = [1_000, 10_000, 100_000];
/// Skipped in a brief run.
const ROUGH_KEYS: [usize; 2] = [1_000, 10_000];
const WAITERS: [usize; 3] = [8, 80, 800];
const PROCESSES: [usize; 4] = [1, 2, 4, 8];

pub fn run(bench: &Bench) -> anyhow::Result<Report> {
    let tables = vec![keys(bench), waiters(bench, 1)?, waiters(bench, 4)?, processes(bench)?];
    let title = "How the cost of a pair grows".to_owned();
    let notes = vec![
        "Microseconds for each acquire + release: the median of one worker on a key of its own in \
         the first table, while another process holds and renews that many keys; else the time of \
         the whole measurement for each acquisition, with the changes of owner per second in \
         brackets."
            .to_owned(),
    ];
    Ok(Report { title, notes, tables, chart: None })
}

fn keys(bench: &Bench) -> Table {
    let sizes = if bench.options.quick { &ROUGH_KEYS[..] } else { &KEYS };
    let heads: Vec<_> = sizes.iter().map(|size| format!("{size} held keys")).collect();
    let mut table = table(&heads);
    for candidate in RENEWED {
        let mut measured = Vec::new();
        let mut baselines = Vec::new();
        for &size in sizes {
            bench.at(format_args!("{size} held keys: {candidate}"));
            match beside_a_crowd(bench, candidate, size) {
                Ok((pair, baseline)) => {
                    measured.push(number(pair));
                    baselines.push(number(baseline));
                }
                Err(error) => {
                    measured.push(format!("not measured: {error:#}"));
                    baselines.push("-".to_owned());
                }
            }
        }
        table.add(line(name(candidate), Ok(measured)));
        let baseline = vec![format!("raw baseline beside {candidate}"), "tasks".to_owned()];
        table.add(line(baseline, Ok(baselines)));
    }
    table
}

/// The median pair of a candidate, and of the raw baseline, while many keys are held.
fn beside_a_crowd(bench: &Bench, candidate: Candidate, holds: usize) -> anyhow::Result<(f64, f64)> {
    let server = bench::server()?;
    let url = server.url();
    let ttl_millis = u64::try_from(TTL.as_millis())?;
    let held = HeldLocks { candidate, url: url.clone(), holds, ttl_millis };
    let mut child = bench.unready_child(candidate, &held.arguments())?;
    let ready = child.line(PATIENCE)?;
    ensure!(ready.starts_with(READY), "not ready: {ready}");
    let median = |candidate| {
        let load = Load::own_keys(candidate, &url, 1);
        anyhow::Ok(bench.run(&load)?.pair().median())
    };
    Ok((median(candidate)?, median(Candidate::RAW_TASKS)?))
}

fn waiters(bench: &Bench, processes: usize) -> anyhow::Result<Table> {
    let server = bench::server()?;
    let place =
        if processes == 1 { "1 process".to_owned() } else { format!("{processes} processes") };
    let heads: Vec<_> = WAITERS.iter().map(|tasks| format!("{tasks} tasks, {place}")).collect();
    let mut table = table(&heads);
    for candidate in WAITING {
        let measure = |&workers: &usize| {
            bench.at(format_args!("{workers} waiters, {place}: {candidate}"));
            let url = server.url();
            cell(bench.run(&Load::one_key(candidate, &url, processes, workers)))
        };
        table.add(line(name(candidate), Ok(WAITERS.iter().map(measure).collect())));
    }
    Ok(table)
}

fn processes(bench: &Bench) -> anyhow::Result<Table> {
    let server = bench::server()?;
    let head = |processes: &usize| match processes {
        1 => "1 process, 1 task".to_owned(),
        processes => format!("{processes} processes, 1 task each"),
    };
    let mut table = table(&PROCESSES.iter().map(head).collect::<Vec<_>>());
    for candidate in WAITING {
        let measure = |&processes: &usize| {
            bench.at(format_args!("{processes} processes: {candidate}"));
            let (url, workers) = (server.url(), processes);
            cell(bench.run(&Load::one_key(candidate, &url, processes, workers)))
        };
        table.add(line(name(candidate), Ok(PROCESSES.iter().map(measure).collect())));
    }
    Ok(table)
}

fn table(heads: &[String]) -> Table {
    let columns = ["candidate", "by"].into_iter().chain(heads.iter().map(String::as_str));
    Table::new(&columns.collect::<Vec<_>>())
}

fn cell(history: anyhow::Result<History>) -> String {
    match history {
        Ok(history) => {
            let (each, changes) = (history.micros_each(), history.changes_per_second());
            format!("{} ({}){}", number(each), number(changes), errors(history.errors))
        }
        Err(error) => format!("not measured: {error:#}"),
    }
}
