//! From the release in one process to the grant in another.

use std::thread;
use std::time::{Duration, Instant};

use testkit::RedisServer;

use crate::baseline;
use crate::bench::{self, Bench, PATIENCE};
use crate::candidate::{Candidate, Library, Tuning};
use crate::child::handoff::{FREE, HOLD};
use crate::clock;
use crate::history::count;
use crate::latency::Latency;
use crate::process::Process;
use crate::report::{Chart, Report};
use crate::rows::{line, name};
use crate::table::{Table, number};

/// In addition to the peers.
const OURS: [Candidate; 2] = [Candidate::DISTLOCK_THREADS, Candidate::DISTLOCK_TASKS];
/// Until the request of the other process has arrived and all threads sleep.
const SETTLE: Duration = Duration::from_millis(3);
/// The default poll interval of the peers, or half of it: releases are spread over it.
const POLL: Duration = Duration::from_millis(100);
const TUNED_POLL: Duration = Duration::from_millis(2);
/// Several poll intervals of every peer.
const WATCH: Duration = Duration::from_millis(500);

pub fn run(bench: &Bench) -> anyhow::Result<Report> {
    let server = bench::server()?;
    let time = bench.options.time();
    let mut table = Table::new(&[
        "candidate",
        "by",
        "median µs",
        "p99 µs",
        "handoffs",
        "commands/s of a waiter",
    ]);
    let mut chart = Chart {
        title: "From release in one process to hold in another".to_owned(),
        series: ["median µs", "p99 µs"],
        groups: Vec::new(),
    };
    bench.at("handoff: the baselines");
    for (name, latency) in baselines(&server, time / 2)? {
        chart.groups.push((name.to_owned(), [latency.median(), latency.p99()]));
        table.add(line(vec![name.to_owned(), "threads".to_owned()], Ok(cells(&latency))));
    }
    for candidate in OURS.into_iter().chain(Candidate::PEERS) {
        bench.at(format_args!("handoff: {candidate}, {}", candidate.workers()));
        let measured = measure(bench, &server, candidate, time * 2);
        if let Ok((latency, _)) = &measured {
            let label = format!("{candidate}, {}", candidate.workers());
            chart.groups.push((label, [latency.median(), latency.p99()]));
        }
        table.add(line(
            name(candidate),
            measured.map(|(latency, commands)| {
                let mut cells = cells(&latency);
                cells.push(number(commands));
                cells
            }),
        ));
    }
    let title = "Handoff from one process to another".to_owned();
    let notes = vec![
        "From just before the release in one process (t0) until the other, which waits, is inside \
         (t1), by CLOCK_MONOTONIC. Both sleep before. The 99th percentile of fewer than 100 \
         handoffs is their maximum. In the last column one worker waits and the other holds."
            .to_owned(),
    ];
    Ok(Report { title, notes, tables: vec![table], chart: Some(chart) })
}

fn baselines(server: &RedisServer, time: Duration) -> anyhow::Result<[(&'static str, Latency); 3]> {
    Ok([
        ("PING, back to back", baseline::ping(server, time)?),
        ("PING, from sleep", baseline::ping_from_sleep(server, time)?),
        ("two thread wake-ups", baseline::two_wakeups(time)?),
    ])
}

fn cells(latency: &Latency) -> Vec<String> {
    vec![number(latency.median()), number(latency.p99()), latency.samples().to_string()]
}

fn measure(
    bench: &Bench,
    server: &RedisServer,
    candidate: Candidate,
    time: Duration,
) -> anyhow::Result<(Latency, f64)> {
    let (latency, mut waiter, _holder) = handoffs(bench, &server.url(), candidate, time)?;
    waiter.tell(HOLD)?;
    thread::sleep(SETTLE);
    Ok((latency, commands_per_second(server)))
}

/// From the release in one process to the hold in another, and the processes: one that wants
/// nothing, and one that holds.
pub fn handoffs(
    bench: &Bench,
    url: &str,
    candidate: Candidate,
    time: Duration,
) -> anyhow::Result<(Latency, Process, Process)> {
    let key = format!("handover:{}", clock::now());
    let mut holder = bench.handoff(candidate, url, &key)?;
    let mut waiter = bench.handoff(candidate, url, &key)?;
    holder.tell(HOLD)?;
    holder.line(PATIENCE)?;
    let (start, mut spans) = (Instant::now(), Vec::new());
    while start.elapsed() < time {
        waiter.tell(HOLD)?;
        thread::sleep(SETTLE + phase(candidate, spans.len()));
        holder.tell(FREE)?;
        let [released, _] = holder.numbers::<u64, 2>(PATIENCE)?;
        let [_, entered] = waiter.numbers::<u64, 2>(PATIENCE)?;
        spans.push(entered.saturating_sub(released));
        std::mem::swap(&mut holder, &mut waiter);
    }
    Ok((spans.into_iter().collect(), waiter, holder))
}

/// The commands of the server while one worker waits and another holds, including those in
/// scripts.
fn commands_per_second(server: &RedisServer) -> f64 {
    let (start, before) = (Instant::now(), server.commands_processed());
    thread::sleep(WATCH);
    let commands = server.commands_processed() - before;
    count(usize::try_from(commands).unwrap_or(usize::MAX)) / start.elapsed().as_secs_f64()
}

/// A different point of the poll interval for each handoff, evenly spread.
fn phase(candidate: Candidate, number: usize) -> Duration {
    let polls = candidate.library != Library::Distlock && candidate.tuning == Tuning::Default;
    let pause = if polls { POLL } else { TUNED_POLL };
    pause.mul_f64((count(number) * 0.618_034).fract())
}
