//! An uncontended lock.

use crate::baseline;
use crate::bench::{self, Bench, Load};
use crate::candidate::{Candidate, Workers};
use crate::report::{Chart, Report};
use crate::rounds::Rounds;
use crate::rows::{line, name};
use crate::table::{Table, number};

/// The baselines first, for comparison.
const CONTENDERS: [Candidate; 10] = [
    Candidate::RAW_THREADS,
    Candidate::RAW_TASKS,
    Candidate::DISTLOCK_THREADS,
    Candidate::DISTLOCK_TASKS,
    Candidate::RLOCK_THREADS,
    Candidate::RLOCK_THREADS_TUNED,
    Candidate::RLOCK_TASKS,
    Candidate::RLOCK_TASKS_TUNED,
    Candidate::RSLOCK,
    Candidate::REDIS_PY,
];

const ROUNDS: u32 = 3;

pub fn run(bench: &Bench) -> anyhow::Result<Report> {
    let server = bench::server()?;
    let ping = baseline::ping(&server, bench.options.time() / 2)?;
    let mut table =
        Table::new(&["candidate", "by", "median µs", "p99 µs", "median / raw", "CPU µs"]);
    let mut chart = Chart {
        title: "Uncontended acquire + release".to_owned(),
        series: ["median µs", "p99 µs"],
        groups: Vec::new(),
    };
    let mut baselines = [f64::NAN; 2];
    let url = server.url();
    let loads = CONTENDERS.map(|candidate| Load::own_keys(candidate, &url, 1));
    let measured = Rounds::measure(bench, &loads, ROUNDS, bench.options.time() / ROUNDS);
    for (candidate, rounds) in CONTENDERS.into_iter().zip(measured) {
        let measured = rounds.map(|rounds| (rounds.pair(), rounds.cpu_micros_each()));
        if let Ok((pair, _)) = &measured {
            let label = format!("{candidate}, {}", candidate.workers());
            chart.groups.push((label, [pair.median(), pair.p99()]));
        }
        let baseline = &mut baselines[usize::from(candidate.by == Workers::Tasks)];
        let cells = measured.map(|(pair, cpu)| {
            if baseline.is_nan() {
                *baseline = pair.median();
            }
            let ratio = pair.median() / *baseline;
            vec![number(pair.median()), number(pair.p99()), format!("{ratio:.2}"), number(cpu)]
        });
        table.add(line(name(candidate), cells));
    }
    let title = "Uncontended acquire + release, one worker".to_owned();
    let notes = vec![format!(
        "PING in the same run: median {} µs, p99 {} µs. The raw baseline is `SET NX PX`, then a \
         compare-and-delete script by EVALSHA. distlock does not wait for the reply to a release. \
         CPU is that of the candidate's process for a pair, without the server's.",
        number(ping.median()),
        number(ping.p99())
    )];
    Ok(Report { title, notes, tables: vec![table], chart: Some(chart) })
}
