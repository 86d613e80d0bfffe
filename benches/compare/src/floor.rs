//! The floors under all latencies: a PING, and waking a thread.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use testkit::RedisServer;

use crate::latency::Latency;

/// Long enough for everyone to fall asleep between two samples, as they do between two hand-overs.
const PAUSE: Duration = Duration::from_millis(1);

/// Round trips of PING on a connection of its own, one after the other.
pub fn ping(server: &RedisServer, time: Duration) -> anyhow::Result<Latency> {
    let mut connection = server.connection();
    sample(time, Duration::ZERO, || {
        redis::cmd("PING").query::<()>(&mut connection).map_err(Into::into)
    })
}

/// The same with pauses, so that server and client sleep before each.
pub fn ping_from_sleep(server: &RedisServer, time: Duration) -> anyhow::Result<Latency> {
    let mut connection = server.connection();
    sample(time, PAUSE, || redis::cmd("PING").query::<()>(&mut connection).map_err(Into::into))
}

/// There and back between two threads of this process that are parked in between: two wake-ups.
pub fn two_wakeups(time: Duration) -> anyhow::Result<Latency> {
    let (wanted, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let asker = thread::current();
    thread::scope(|scope| {
        let answerer = scope.spawn(|| {
            while !over.load(SeqCst) {
                if wanted.swap(false, SeqCst) {
                    asker.unpark();
                }
                thread::park();
            }
        });
        let samples = sample(time, PAUSE, || {
            wanted.store(true, SeqCst);
            answerer.thread().unpark();
            while wanted.load(SeqCst) {
                thread::park();
            }
            Ok(())
        });
        over.store(true, SeqCst);
        answerer.thread().unpark();
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
