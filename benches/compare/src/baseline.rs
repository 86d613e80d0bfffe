//! Baselines of all latencies: a `PING`, and waking a thread.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use testkit::RedisServer;

use crate::latency::Latency;

/// All threads sleep between two samples, as long as between two handoffs.
const PAUSE: Duration = Duration::from_millis(4);

/// Sequential round trips of `PING` on one connection.
pub fn ping(server: &RedisServer, time: Duration) -> anyhow::Result<Latency> {
    let mut connection = server.connection();
    sample(time, Duration::ZERO, || {
        redis::cmd("PING").query::<()>(&mut connection).map_err(Into::into)
    })
}

/// The same with pauses, so that server and client sleep before each sample.
pub fn ping_from_sleep(server: &RedisServer, time: Duration) -> anyhow::Result<Latency> {
    let mut connection = server.connection();
    sample(time, PAUSE, || redis::cmd("PING").query::<()>(&mut connection).map_err(Into::into))
}

/// A round trip between two parked threads of this process: two wake-ups.
pub fn two_wakeups(time: Duration) -> anyhow::Result<Latency> {
    let (wanted, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let requester = thread::current();
    thread::scope(|scope| {
        let responder = scope.spawn(|| {
            while !over.load(SeqCst) {
                if wanted.swap(false, SeqCst) {
                    requester.unpark();
                }
                thread::park();
            }
        });
        let samples = sample(time, PAUSE, || {
            wanted.store(true, SeqCst);
            responder.thread().unpark();
            while wanted.load(SeqCst) {
                thread::park();
            }
            Ok(())
        });
        over.store(true, SeqCst);
        responder.thread().unpark();
        samples
    })
}

fn sample(
    time: Duration,
    pause: Duration,
    mut trip: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Latency> {
    let (start, mut spans) = (Instant::now(), Vec::new());
    while start.elapsed() < time {
        if !pause.is_zero() {
            thread::sleep(pause);
        }
        let before = Instant::now();
        trip()?;
        spans.push(crate::clock::span(before.elapsed()));
    }
    Ok(spans.into_iter().collect())
}
