//! Many locks held at once: the cost of keeping them.

use std::time::Duration;

use anyhow::Context as _;
use testkit::RedisServer;

use crate::bench::{self, Bench, PATIENCE};
use crate::candidate::Candidate;
use crate::child::{HeldLocks, READY};
use crate::history::count;
use crate::lock::TTL;
use crate::process::Process;
use crate::report::Report;
use crate::rows::{line, name};
use crate::table::{Table, number};

const CONTENDERS: [Candidate; 3] =
    [Candidate::DISTLOCK_TASKS, Candidate::RLOCK_TASKS, Candidate::RSLOCK];

#[expect(clippy::unnecessary_wraps, reason = "the other rows can fail as a whole")]
pub fn run(bench: &Bench) -> anyhow::Result<Report> {
    let holds = bench.options.held();
    let head = ["candidate", "by", "script calls/s", "CPU, % of a core", "bytes per hold"];
    let mut table = Table::new(&head);
    for candidate in CONTENDERS {
        bench.at(format_args!("{holds} held locks: {candidate}"));
        table.add(line(name(candidate), measure(bench, candidate, holds)));
    }
    let watched = bench.options.watch_time();
    let title = format!("{holds} held locks, ttl {:?}, observed for {watched:?}", ttl(watched));
    let notes = vec![
        "Acquisition is not included. distlock renews at a third of the ttl, rlock at a half; \
         rslock renews what runs inside `using`, half a second before the end, all of its own \
         accord. Bytes are resident memory of the process that holds. redis-py does not renew."
            .to_owned(),
    ];
    Ok(Report { title, notes, tables: vec![table], chart: None })
}

fn measure(bench: &Bench, candidate: Candidate, holds: usize) -> anyhow::Result<Vec<String>> {
    let server = bench::server()?;
    let time = bench.options.watch_time();
    let (mut child, bytes) = holder(bench, &server, candidate, holds, ttl(time))?;
    let before = script_calls(&server)?;
    let share = share_of_a_core(&mut child, time)?;
    let calls = script_calls(&server)? - before;
    let rate = count(calls) / time.as_secs_f64();
    Ok(vec![number(rate), format!("{share:.2}"), number(bytes)])
}

/// A process that holds these locks, and how many bytes each takes.
pub fn holder(
    bench: &Bench,
    server: &RedisServer,
    candidate: Candidate,
    holds: usize,
    ttl: Duration,
) -> anyhow::Result<(Process, f64)> {
    let ttl_millis = u64::try_from(ttl.as_millis())?;
    let held = HeldLocks { candidate, url: server.url(), holds, ttl_millis };
    let mut child = bench.unready_child(candidate, &held.arguments())?;
    let ready = child.line(PATIENCE)?;
    let bytes = ready.strip_prefix(READY).context("not ready")?.trim();
    let bytes = bytes.parse().with_context(|| format!("not a number of bytes: {bytes}"))?;
    Ok((child, bytes))
}

/// The CPU time that a [`holder`] uses, in percent.
pub fn share_of_a_core(holder: &mut Process, time: Duration) -> anyhow::Result<f64> {
    holder.tell(&time.as_millis().to_string())?;
    let [cpu, wall] = holder.numbers(time + PATIENCE)?.map(Duration::from_nanos);
    Ok(cpu.as_secs_f64() / wall.as_secs_f64() * 100.0)
}

/// The default, but at most the observed time, so that every hold is renewed.
fn ttl(watched: Duration) -> Duration {
    TTL.min(watched)
}

pub fn script_calls(server: &RedisServer) -> anyhow::Result<usize> {
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut server.connection())?;
    let calls = info.lines().filter_map(|line| {
        let rest = line
            .strip_prefix("cmdstat_evalsha:calls=")
            .or(line.strip_prefix("cmdstat_eval:calls="))?;
        rest.split(',').next()?.parse::<usize>().ok()
    });
    Ok(calls.sum())
}
