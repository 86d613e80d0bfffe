//! One key that all want, with nothing to do inside.

use crate::bench::{self, Bench, Load};
use crate::contender::{Contender, Make};
use crate::history::History;
use crate::report::{Chart, Report};
use crate::rows::{errors, line, name};
use crate::table::{Table, number};

/// Beside the peers.
const OURS: [Contender; 6] = [
    Contender::RAW_THREADS,
    Contender::RAW_TASKS,
    Contender::DISTLOCK_THREADS,
    Contender::DISTLOCK_TASKS,
    Contender::GLOBAL_THREADS,
    Contender::GLOBAL_TASKS,
];
const WORKERS: [usize; 3] = [2, 8, 64];
const PROCESSES: [usize; 2] = [1, 4];
/// What the chart shows.
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
            for contender in OURS.into_iter().chain(Contender::PEERS) {
                bench.at(format_args!("hot key, {place}: {contender}, {}", contender.workers()));
                let url = server.url();
                let load = Load { contender, url: &url, processes, workers, own_keys: false };
                let history = bench.run(&load);
                if let Ok(history) = &history
                    && contender.make != Make::Raw
                    && (processes, workers) == CHARTED
                {
                    let bars = [history.per_second(), history.changes_per_second()];
                    chart.groups.push((format!("{contender}, {}", contender.workers()), bars));
                }
                table.add(line(name(contender), history.map(|history| cells(contender, &history))));
            }
            tables.push(table);
        }
    }
    let title = "One key that all want, nothing to do inside".to_owned();
    let notes = vec![
        "A rate without changes of owner is one worker taking the lock from itself. The raw floor \
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

fn cells(contender: Contender, history: &History) -> Vec<String> {
    let (least, most) = history.least_and_most();
    let raw = contender.make == Make::Raw;
    let changes = if raw { "-".to_owned() } else { number(history.changes_per_second()) };
    vec![
        number(history.per_second()) + &errors(history.errors),
        changes,
        format!("{least} and {most}"),
        number(history.longest_wait().as_secs_f64() * 1e3),
        number(history.cpu_micros_each()),
    ]
}
