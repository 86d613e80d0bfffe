//! From a release in one process to the hold in another that waits for it.

use std::thread;
use std::time::{Duration, Instant};

use testkit::RedisServer;

use crate::bench::{self, Bench, PATIENCE};
use crate::child::relay::{FREE, HOLD};
use crate::clock;
use crate::contender::{Contender, Make, Tuning};
use crate::floor;
use crate::history::count;
use crate::latency::Latency;
use crate::report::{Chart, Report};
use crate::rows::{line, name};
use crate::table::{Table, number};

/// Beside the peers.
const OURS: [Contender; 2] = [Contender::DISTLOCK_THREADS, Contender::DISTLOCK_TASKS];
/// Until the request of the other has arrived and everybody sleeps.
const SETTLE: Duration = Duration::from_millis(3);
/// The pause of the pollers at their defaults, or half of it: they are met at any point of it.
const POLL: Duration = Duration::from_millis(100);
const TUNED_POLL: Duration = Duration::from_millis(2);
/// Some pauses of every poller fit in.
const WATCH: Duration = Duration::from_millis(500);

pub fn run(bench: &Bench) -> anyhow::Result<Report> {
    let server = bench::server()?;
    let time = bench.options.time();
    let mut table = Table::new(&[
        "contender",
        "by",
        "median µs",
        "p99 µs",
        "hand-overs",
        "commands/s of a waiter",
    ]);
    let mut chart = Chart {
        title: "From release in one process to hold in another".to_owned(),
        series: ["median µs", "p99 µs"],
        groups: Vec::new(),
    };
    bench.at("hand-over: the floors");
    for (name, latency) in floors(&server, time / 2)? {
        chart.groups.push((name.to_owned(), [latency.median(), latency.p99()]));
        table.add(line(vec![name.to_owned(), "threads".to_owned()], Ok(cells(&latency))));
    }
    for contender in OURS.into_iter().chain(Contender::PEERS) {
        bench.at(format_args!("hand-over: {contender}, {}", contender.workers()));
        let measured = measure(bench, &server, contender, time * 2);
        if let Ok((latency, _)) = &measured {
            let label = format!("{contender}, {}", contender.workers());
            chart.groups.push((label, [latency.median(), latency.p99()]));
        }
        table.add(line(
            name(contender),
            measured.map(|(latency, commands)| {
                let mut cells = cells(&latency);
                cells.push(number(commands));
                cells
            }),
        ));
    }
    let title = "Hand-over from one process to another".to_owned();
    let notes = vec![
        "From just before the release in one process (t0) until the other, which waits, is inside \
         (t1), by CLOCK_MONOTONIC. Both sleep before. The 99th percentile of fewer than 100 \
         hand-overs is their maximum. In the last column one worker waits and the other holds."
            .to_owned(),
    ];
    Ok(Report { title, notes, tables: vec![table], chart: Some(chart) })
}

fn floors(server: &RedisServer, time: Duration) -> anyhow::Result<[(&'static str, Latency); 3]> {
    Ok([
        ("PING, back to back", floor::ping(server, time)?),
        ("PING, from sleep", floor::ping_from_sleep(server, time)?),
        ("two thread wake-ups", floor::two_wakeups(time)?),
    ])
}

fn cells(latency: &Latency) -> Vec<String> {
    vec![number(latency.median()), number(latency.p99()), latency.samples().to_string()]
}

fn measure(
    bench: &Bench,
    server: &RedisServer,
    contender: Contender,
    time: Duration,
) -> anyhow::Result<(Latency, f64)> {
    let (url, key) = (server.url(), format!("handover:{}", clock::now()));
    let mut holder = bench.relay(contender, &url, &key)?;
    let mut waiter = bench.relay(contender, &url, &key)?;
    holder.tell(HOLD)?;
    holder.line(PATIENCE)?;
    let (start, mut spans) = (Instant::now(), Vec::new());
    while start.elapsed() < time {
        waiter.tell(HOLD)?;
        thread::sleep(SETTLE + phase(contender, spans.len()));
        holder.tell(FREE)?;
        let [released, _] = holder.numbers::<u64, 2>(PATIENCE)?;
        let [_, entered] = waiter.numbers::<u64, 2>(PATIENCE)?;
        spans.push(entered.saturating_sub(released));
        std::mem::swap(&mut holder, &mut waiter);
    }
    waiter.tell(HOLD)?;
    thread::sleep(SETTLE);
    Ok((spans.into_iter().collect(), commands_per_second(server)))
}

/// What the server is asked while one worker waits and another holds, scripts' own commands
/// included.
fn commands_per_second(server: &RedisServer) -> f64 {
    let (start, before) = (Instant::now(), server.commands_processed());
    thread::sleep(WATCH);
    let commands = server.commands_processed() - before;
    count(usize::try_from(commands).unwrap_or(usize::MAX)) / start.elapsed().as_secs_f64()
}

/// Another point of the poller's pause for each hand-over, evenly spread over it.
fn phase(contender: Contender, number: usize) -> Duration {
    let polls = contender.make != Make::Distlock && contender.tuning == Tuning::Default;
    let pause = if polls { POLL } else { TUNED_POLL };
    pause.mul_f64((count(number) * 0.618_034).fract())
}
