//! Re-entry by the holder.

use testkit::RedisServer;

use crate::bench::{self, Bench, PATIENCE};
use crate::candidate::Candidate;
use crate::child::Reentry;
use crate::median::median;
use crate::report::Report;
use crate::table::{Table, number};

/// Calls in one measurement.
const CALLS: u32 = 200_000;
const ROUNDS: u32 = 5;

pub fn run(bench: &Bench) -> anyhow::Result<Report> {
    let server = bench::server()?;
    let (calls, sent) = calls(bench, &server, ROUNDS)?;
    let [thread, rendered, task] = calls.map(|nanos| number(median(nanos)));

    let mut table =
        Table::new(&["candidate", "thread, ns", "thread, rendered key, ns", "task, ns"]);
    table.add(vec!["distlock".to_owned(), thread, rendered, task]);
    for peer in ["rslock", "rlock", "redis-py"] {
        table.add([&[peer], &["no"; 3][..]].concat().into_iter().map(str::to_owned).collect());
    }
    let notes = vec![format!(
        "A call of an annotated function inside another of the same key: what it takes more than \
         the same function without the attribute, the median of {ROUNDS} rounds of {CALLS} calls. \
         Commands at the server for the holds and all calls inside, scripts' own included: {sent}. \
         With the peers a second request for the same key waits for the first."
    )];
    let title = "Re-entry".to_owned();
    Ok(Report { title, notes, tables: vec![table], chart: None })
}

/// Nanoseconds of a nested call by a thread, by a thread with a rendered key, and by a task, in
/// each round; and the commands that the server has seen meanwhile.
pub fn calls(
    bench: &Bench,
    server: &RedisServer,
    rounds: u32,
) -> anyhow::Result<([Vec<f64>; 3], u64)> {
    bench.at("re-entry");
    let reentry = Reentry { url: server.url() };
    let mut child = bench.child(Candidate::DISTLOCK_THREADS, &reentry.arguments())?;
    let before = server.commands_processed();
    let mut calls = [(); 3].map(|()| Vec::new());
    for _ in 0..rounds {
        child.tell(&CALLS.to_string())?;
        let round = child.numbers::<f64, 3>(PATIENCE)?;
        calls.iter_mut().zip(round).for_each(|(calls, nanos)| calls.push(nanos));
    }
    Ok((calls, server.commands_processed() - before))
}
