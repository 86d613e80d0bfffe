//! The order in which threads of one or several processes get one key.

use crate::bench::{self, Bench, Load};
use crate::candidate::Candidate;
use crate::history::History;
use crate::report::Report;
use crate::rows::{errors, line};
use crate::table::{Table, number};

/// The rates are relative to the first one.
const CONTENDERS: [Candidate; 4] = [
    Candidate::DISTLOCK_THREADS,
    Candidate::STRICT_THREADS,
    Candidate::RLOCK_THREADS_TUNED,
    Candidate::REDIS_PY_TUNED,
];
const WORKERS: usize = 8;

pub fn run(bench: &Bench) -> anyhow::Result<Report> {
    let tables =
        vec![table(bench, 1, "8 threads, 1 process")?, table(bench, 2, "2 processes x 4 threads")?];
    let title = "Whose turn it is".to_owned();
    let notes = vec![
        "Passed over: the most often that a request saw sections of another process come first \
         although they were asked for later. By fencing token where there is one, else by the \
         clock."
            .to_owned(),
    ];
    Ok(Report { title, notes, tables, chart: None })
}

fn table(bench: &Bench, processes: usize, place: &str) -> anyhow::Result<Table> {
    let server = bench::server()?;
    let mut table = Table::new(&[
        place,
        "acquisitions/s",
        "to default",
        "changes of owner/s",
        "share that changes",
        "least and most of a thread",
        "passed over",
        "longest wait, ms",
    ]);
    let mut default = f64::NAN;
    for candidate in CONTENDERS {
        bench.at(format_args!("fairness, {place}: {candidate}"));
        let url = server.url();
        let load = Load::one_key(candidate, &url, processes, WORKERS);
        let cells = bench.run(&load).map(|history| {
            if default.is_nan() {
                default = history.per_second();
            }
            cells(&history, default)
        });
        table.add(line(vec![candidate.to_string()], cells));
    }
    Ok(table)
}

fn cells(history: &History, default: f64) -> Vec<String> {
    let (least, most) = history.least_and_most();
    vec![
        number(history.per_second()) + &errors(history.errors),
        format!("{:.2}", history.per_second() / default),
        number(history.changes_per_second()),
        format!("{:.1} %", history.changing_share() * 100.0),
        format!("{least} and {most}"),
        history.max_bypass().to_string(),
        number(history.longest_wait().as_secs_f64() * 1e3),
    ]
}
