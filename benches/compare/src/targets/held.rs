//! What holds and managers cost while nothing happens.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::Run;
use super::target::{Bound, Side, Target};
use crate::bench::{self, PATIENCE};
use crate::candidate::Candidate;
use crate::child::handoff::HOLD;
use crate::history::count;
use crate::kernel;
use crate::lock::TTL;
use crate::process::Process;
use crate::rows::held::{holder, script_calls, share_of_a_core};

const HOLDS: usize = 10_000;
/// Of a round: each hold is renewed once.
const WATCH: Duration = TTL.checked_div(3).expect("three is not zero");
/// After a request or a renewal, until the connection has come to rest.
const REST: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(100);
/// The thread sleeps until the renewal is due, and until its reply arrives.
const WAKE_UPS: f64 = 2.0;

/// Three processes side by side, as all of them sleep nearly all the time.
pub fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Target>> {
    let bench = run.bench;
    bench.at("10,000 holds, one hold, none");
    let servers = [bench::server()?, bench::server()?];
    let (mut many, _) = holder(bench, &servers[0], Candidate::DISTLOCK_TASKS, HOLDS, TTL)?;
    let url = servers[1].url();
    let idle = bench.handoff(Candidate::DISTLOCK_THREADS, &url, "none")?;
    let mut one = bench.handoff(Candidate::DISTLOCK_THREADS, &url, "one")?;
    one.tell(HOLD)?;
    one.line(PATIENCE)?;
    thread::sleep(REST);
    // Each round then lasts from the middle between two renewals to the next such time.
    let at_first = renewals(&servers[1])?;
    let start = Instant::now();
    while renewals(&servers[1])? <= at_first {
        ensure!(start.elapsed() < TTL, "the hold is not renewed");
        thread::sleep(POLL);
    }
    thread::sleep(REST);

    let (mut shares, mut idle_rates) = (Vec::new(), Vec::new());
    let before = [renewals(&servers[1])?, wake_ups(&one)?];
    for _ in 0..run.rounds {
        let before = wake_ups(&idle)?;
        shares.push(share_of_a_core(&mut many, WATCH)?);
        idle_rates.push((wake_ups(&idle)? - before) / WATCH.as_secs_f64());
    }
    let [renewals, wake_ups] = [renewals(&servers[1])? - before[0], wake_ups(&one)? - before[1]];
    let [wake_ups, renewals] = [wake_ups, renewals].map(|number| Side::from(vec![number]));
    let seconds = (WATCH * run.rounds).as_secs();
    Ok(vec![
        Target::alone("10,000 holds, % of a core", shares, Bound::AtMost(0.2)),
        Target::alone("nothing held, wake-ups/s", idle_rates, Bound::AtMost(0.0)),
        Target::beside(
            format!("one hold, wake-ups in {seconds} s"),
            &wake_ups,
            ("renewals", &renewals),
            Bound::AtMost(WAKE_UPS),
        ),
    ])
}

fn renewals(server: &testkit::RedisServer) -> anyhow::Result<f64> {
    Ok(count(script_calls(server)?))
}

fn wake_ups(process: &Process) -> anyhow::Result<f64> {
    Ok(count(usize::try_from(kernel::sleeps(process.id())?)?))
}
