//! A key for each worker: the throughput of the connection.

use crate::bench::{self, Bench, Load};
use crate::candidate::Candidate;
use crate::report::Report;
use crate::rounds::Rounds;
use crate::rows::{errors, line, name};
use crate::table::{Table, number};

const CONTENDERS: [Candidate; 5] = [
    Candidate::RAW_TASKS,
    Candidate::DISTLOCK_TASKS,
    Candidate::RSLOCK,
    Candidate::RLOCK_TASKS,
    Candidate::RLOCK_TASKS_TUNED,
];
const WORKERS: usize = 64;
const ROUNDS: u32 = 3;

pub fn run(bench: &Bench) -> anyhow::Result<Report> {
    let server = bench::server()?;
    let head = ["candidate", "by", "pairs/s", "share of raw", "median µs", "p99 µs", "CPU µs"];
    let mut table = Table::new(&head);
    let mut baseline = f64::NAN;
    let url = server.url();
    let loads = CONTENDERS.map(|candidate| Load::own_keys(candidate, &url, WORKERS));
    let measured = Rounds::measure(bench, &loads, ROUNDS, bench.options.time() / ROUNDS);
    for (candidate, rounds) in CONTENDERS.into_iter().zip(measured) {
        let cells = rounds.map(|rounds| {
            let (rate, pair) = (rounds.per_second(), rounds.pair());
            if baseline.is_nan() {
                baseline = rate;
            }
            vec![
                number(rate) + &errors(rounds.errors()),
                format!("{:.2}", rate / baseline),
                number(pair.median()),
                number(pair.p99()),
                number(rounds.cpu_micros_each()),
            ]
        });
        table.add(line(name(candidate), cells));
    }
    let title = "64 keys, 64 tasks, each with its own key".to_owned();
    let notes = vec!["The raw baseline is 64 tasks through one multiplexed connection.".to_owned()];
    Ok(Report { title, notes, tables: vec![table], chart: None })
}
