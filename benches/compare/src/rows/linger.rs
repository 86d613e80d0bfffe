//! A lock that stays with the process that released it.

use std::time::{Duration, Instant};

use testkit::RedisServer;

use crate::baseline;
use crate::bench::{self, Bench, Load, PATIENCE};
use crate::candidate::Candidate;
use crate::child::handoff::{FREE, HOLD};
use crate::clock;
use crate::latency::Latency;
use crate::lock::settings::LINGER;
use crate::report::Report;
use crate::rows::{line, name};
use crate::table::{Table, number};

const CONTENDERS: [Candidate; 4] = [
    Candidate::DISTLOCK_THREADS,
    Candidate::LINGER_THREADS,
    Candidate::DISTLOCK_TASKS,
    Candidate::LINGER_TASKS,
];

pub fn run(bench: &Bench) -> anyhow::Result<Report> {
    let server = bench::server()?;
    let time = bench.options.time();
    let ping = baseline::ping_from_sleep(&server, time / 2)?;
    let head = [
        "candidate",
        "by",
        "repeated call, median µs",
        "p99 µs",
        "another process gets it, median µs",
        "p99 µs",
    ];
    let mut table = Table::new(&head);
    for candidate in CONTENDERS {
        bench.at(format_args!("linger: {candidate}, {}", candidate.workers()));
        let cells = repeated(bench, &server, candidate).and_then(|repeated| {
            let other = other_process(bench, &server, candidate, time)?;
            let spans = [repeated.median(), repeated.p99(), other.median(), other.p99()];
            Ok(spans.map(number).to_vec())
        });
        table.add(line(name(candidate), cells));
    }
    let title = format!("A lock that lingers for {LINGER:?}");
    let notes = vec![format!(
        "One process takes and frees the lock again and again; then a second one asks for it 2 ms \
         after a release of the first. PING from sleep in the same run: median {} µs, p99 {} µs.",
        number(ping.median()),
        number(ping.p99())
    )];
    Ok(Report { title, notes, tables: vec![table], chart: None })
}

fn repeated(bench: &Bench, server: &RedisServer, candidate: Candidate) -> anyhow::Result<Latency> {
    let url = server.url();
    let load = Load::own_keys(candidate, &url, 1);
    Ok(bench.run(&load)?.pair())
}

/// Two processes alternate; the lock lingers in the other one.
fn other_process(
    bench: &Bench,
    server: &RedisServer,
    candidate: Candidate,
    time: Duration,
) -> anyhow::Result<Latency> {
    let (url, key) = (server.url(), format!("linger:{}", clock::now()));
    let mut next = bench.handoff(candidate, &url, &key)?;
    let mut other = bench.handoff(candidate, &url, &key)?;
    let (start, mut spans) = (Instant::now(), Vec::new());
    while start.elapsed() < time {
        next.tell(HOLD)?;
        let [asked, entered] = next.numbers::<u64, 2>(PATIENCE)?;
        next.tell(FREE)?;
        next.line(PATIENCE)?;
        spans.push(entered - asked);
        std::mem::swap(&mut next, &mut other);
    }
    // The first one had no predecessor.
    Ok(spans.into_iter().skip(1).collect())
}
