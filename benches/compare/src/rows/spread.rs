//! A key for each worker: what the connection and its driver bear.

use crate::bench::{self, Bench, Load};
use crate::contender::Contender;
use crate::report::Report;
use crate::rounds::Rounds;
use crate::rows::{errors, line, name};
use crate::table::{Table, number};

const CONTENDERS: [Contender; 5] = [
    Contender::RAW_TASKS,
    Contender::DISTLOCK_TASKS,
    Contender::RSLOCK,
    Contender::RLOCK_TASKS,
    Contender::RLOCK_TASKS_TUNED,
];
const WORKERS: usize = 64;

pub fn run(bench: &Bench) -> anyhow::Result<Report> {
    let server = bench::server()?;
    let head = ["contender", "by", "pairs/s", "share of raw", "median µs", "p99 µs", "CPU µs"];
    let mut table = Table::new(&head);
    let mut floor = f64::NAN;
    let url = server.url();
    let load =
        |contender| Load { contender, url: &url, processes: 1, workers: WORKERS, own_keys: true };
    let measured = Rounds::measure(bench, &CONTENDERS.map(load));
    for (contender, rounds) in CONTENDERS.into_iter().zip(measured) {
        let cells = rounds.map(|rounds| {
            let (rate, pair) = (rounds.per_second(), rounds.pair());
            if floor.is_nan() {
                floor = rate;
            }
            vec![
                number(rate) + &errors(rounds.errors()),
                format!("{:.2}", rate / floor),
                number(pair.median()),
                number(pair.p99()),
                number(rounds.cpu_micros_each()),
            ]
        });
        table.add(line(name(contender), cells));
    }
    let title = "64 keys, 64 tasks, each with its own key".to_owned();
    let notes = vec!["The raw floor is 64 tasks through one multiplexed connection.".to_owned()];
    Ok(Report { title, notes, tables: vec![table], chart: None })
}
