//! A lock that nobody else wants.

use crate::bench::{self, Bench, Load};
use crate::contender::{Contender, Workers};
use crate::floor;
use crate::report::{Chart, Report};
use crate::rounds::Rounds;
use crate::rows::{line, name};
use crate::table::{Table, number};

/// The floors first: the others are compared with them.
const CONTENDERS: [Contender; 10] = [
    Contender::RAW_THREADS,
    Contender::RAW_TASKS,
    Contender::DISTLOCK_THREADS,
    Contender::DISTLOCK_TASKS,
    Contender::RLOCK_THREADS,
    Contender::RLOCK_THREADS_TUNED,
    Contender::RLOCK_TASKS,
    Contender::RLOCK_TASKS_TUNED,
    Contender::RSLOCK,
    Contender::REDIS_PY,
];

pub fn run(bench: &Bench) -> anyhow::Result<Report> {
    let server = bench::server()?;
    let ping = floor::ping(&server, bench.options.time() / 2)?;
    let mut table =
        Table::new(&["contender", "by", "median µs", "p99 µs", "median / raw", "CPU µs"]);
    let mut chart = Chart {
        title: "Uncontended acquire + release".to_owned(),
        series: ["median µs", "p99 µs"],
        groups: Vec::new(),
    };
    let mut floors = [f64::NAN; 2];
    let url = server.url();
    let load = |contender| Load { contender, url: &url, processes: 1, workers: 1, own_keys: true };
    let measured = Rounds::measure(bench, &CONTENDERS.map(load));
    for (contender, rounds) in CONTENDERS.into_iter().zip(measured) {
        let measured = rounds.map(|rounds| (rounds.pair(), rounds.cpu_micros_each()));
        if let Ok((pair, _)) = &measured {
            let label = format!("{contender}, {}", contender.workers());
            chart.groups.push((label, [pair.median(), pair.p99()]));
        }
        let floor = &mut floors[usize::from(contender.by == Workers::Tasks)];
        let cells = measured.map(|(pair, cpu)| {
            if floor.is_nan() {
                *floor = pair.median();
            }
            let ratio = pair.median() / *floor;
            vec![number(pair.median()), number(pair.p99()), format!("{ratio:.2}"), number(cpu)]
        });
        table.add(line(name(contender), cells));
    }
    let title = "Uncontended acquire + release, one worker".to_owned();
    let notes = vec![format!(
        "PING in the same run: median {} µs, p99 {} µs. The raw floor is `SET NX PX`, then a \
         compare-and-delete script by EVALSHA; it sleeps through each round trip, which can cost \
         more than the trip. distlock's I/O thread stays awake for the next request. CPU is that \
         of the contender's process for a pair, without the server's.",
        number(ping.median()),
        number(ping.p99())
    )];
    Ok(Report { title, notes, tables: vec![table], chart: Some(chart) })
}
