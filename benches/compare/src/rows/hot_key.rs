//! One key that all workers use, with empty sections.

use crate::bench::{self, Bench, Load};
use crate::candidate::{Candidate, Library};
use crate::history::History;
use crate::report::{Chart, Report};
use crate::rows::{errors, line, name};
use crate::table::{Table, number};

/// In addition to the peers.
const OURS: [Candidate; 6] = [
    Candidate::RAW_THREADS,
    Candidate::RAW_TASKS,
    Candidate::DISTLOCK_THREADS,
    Candidate::DISTLOCK_TASKS,
    Candidate::STRICT_THREADS,
    Candidate::STRICT_TASKS,
];
const WORKERS: [usize; 3] = [2, 8, 64];
const PROCESSES: [usize; 2] = [1, 4];
/// The candidates of the chart.
const CHARTED: (usize, usize) = (4, 8);

pub fn run(bench: &Bench) -> anyhow::Result<Report> {
    let server = bench::server()?;
    let mut tables = Vec::new();
    let mut chart = Chart {
        title: "One key, 8 workers in 4 processes".to_owned(),
        series: ["acquisitions/s", "changes of owner/s"],
        groups: Vec::new(),
    };
    for processes in PROCESSES {
        for workers in WORKERS {
            let place = place(processes, workers);
            let mut table = Table::new(&[
                &place,
                "by",
                "acquisitions/s",
                "changes of owner/s",
                "least and most of a worker",
                "longest wait, ms",
                "CPU µs each",
            ]);
            for candidate in OURS.into_iter().chain(Candidate::PEERS) {
                bench.at(format_args!("hot key, {place}: {candidate}, {}", candidate.workers()));
                let url = server.url();
                let load = Load::one_key(candidate, &url, processes, workers);
                let history = bench.run(&load);
                if let Ok(history) = &history
                    && candidate.library != Library::Raw
                    && (processes, workers) == CHARTED
                {
                    let bars = [history.per_second(), history.changes_per_second()];
                    chart.groups.push((format!("{candidate}, {}", candidate.workers()), bars));
                }
                table.add(line(name(candidate), history.map(|history| cells(candidate, &history))));
            }
            tables.push(table);
        }
    }
    let title = "One key that all want, nothing to do inside".to_owned();
    let notes = vec![
        "A rate without changes of owner is one worker that re-acquires the lock. The raw baseline \
         is not a lock: as many workers, each with a key of its own. CPU is that of all processes \
         for an acquisition, without the server's. Waits are cut at the end of the measurement."
            .to_owned(),
    ];
    Ok(Report { title, notes, tables, chart: Some(chart) })
}

fn place(processes: usize, workers: usize) -> String {
    match processes.min(workers) {
        1 => format!("{workers} workers, 1 process"),
        processes => format!("{workers} workers, {processes} processes"),
    }
}

fn cells(candidate: Candidate, history: &History) -> Vec<String> {
    let (least, most) = history.least_and_most();
    let raw = candidate.library == Library::Raw;
    let changes = if raw { "-".to_owned() } else { number(history.changes_per_second()) };
    vec![
        number(history.per_second()) + &errors(history.errors),
        changes,
        format!("{least} and {most}"),
        number(history.longest_wait().as_secs_f64() * 1e3),
        number(history.cpu_micros_each()),
    ]
}
