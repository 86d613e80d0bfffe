//! Many callers of one manager, and a lock that goes from one process's manager to another's.
//!
//! - Threads, each with a key of its own, beside as many synchronous connections.
//! - Tasks, each with a key of its own, beside one multiplexed connection.
//! - From the release in one manager to the hold in another, beside a PING from sleep.
//!
//! `cargo bench --bench many`; `-- --callers 8` for another number of threads and tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use distlock::LockManager;
use redis::Script;
use testkit::RedisServer;

/// Compare-and-delete, as the Redis documentation has it for locks of one instance.
const COMPARE_AND_DELETE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return \
    redis.call('DEL', KEYS[1]) else return 0 end";

#[derive(Parser)]
struct Options {
    /// Rounds, each side once in each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Threads and tasks.
    #[arg(long, default_value_t = 64)]
    callers: usize,
    /// Milliseconds of a measurement.
    #[arg(long, default_value_t = 1_000)]
    millis: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let server = RedisServer::start().expect("a private redis-server");
    threads(&server, &options);
    for (name, runtime) in [
        ("tasks, current-thread", tokio::runtime::Builder::new_current_thread()),
        ("tasks, multi-thread", tokio::runtime::Builder::new_multi_thread()),
    ] {
        let mut runtime = runtime;
        let runtime = runtime.worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(tasks(name, &server, &options));
    }
    hand_over(&server, &options);
}

fn print(name: &str, unit: &str, mut raw: Vec<f64>, mut ours: Vec<f64>) {
    let mut ratios: Vec<f64> = raw.iter().zip(&ours).map(|(raw, ours)| ours / raw).collect();
    for values in [&mut raw, &mut ours, &mut ratios] {
        values.sort_by(f64::total_cmp);
    }
    let median = |values: &[f64]| values[values.len() / 2];
    println!(
        "{name:24} raw {:>10.1} {unit}   distlock {:>10.1} {unit}   ratio {:.2} ({:.2} to {:.2})",
        median(&raw),
        median(&ours),
        median(&ratios),
        ratios[0],
        ratios[ratios.len() - 1],
    );
}

/// Thousands of pairs per second.
fn rate(pairs: u64, start: Instant) -> f64 {
    pairs as f64 / start.elapsed().as_secs_f64() / 1e3
}

fn count_in_threads<C: Send>(
    options: &Options,
    callers: Vec<C>,
    pair: impl Fn(&mut C) + Sync,
) -> f64 {
    let (stop, pairs, start) = (AtomicBool::new(false), AtomicU64::new(0), Instant::now());
    thread::scope(|scope| {
        for mut caller in callers {
            let (stop, pairs, pair) = (&stop, &pairs, &pair);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    pair(&mut caller);
                    pairs.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(Duration::from_millis(options.millis));
        stop.store(true, Ordering::Relaxed);
    });
    rate(pairs.load(Ordering::Relaxed), start)
}

fn threads(server: &RedisServer, options: &Options) {
    let locks = LockManager::connect(&server.url()).expect("a valid URL");
    let script = Script::new(COMPARE_AND_DELETE);
    let (mut raw, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let connections: Vec<_> =
            (0..options.callers).map(|key| (format!("raw:{key}"), server.connection())).collect();
        raw.push(count_in_threads(options, connections, |(key, connection)| {
            let mut set = redis::cmd("SET");
            set.arg(&*key).arg("0123456789abcdef").arg("NX").arg("PX").arg(30_000);
            set.exec(connection).expect("SET");
            let mut call = script.key(&*key);
            let _: i64 = call.arg("0123456789abcdef").invoke(connection).expect("EVALSHA");
        }));
        let requests: Vec<_> =
            (0..options.callers).map(|key| locks.mutex(format!("own:{key}"))).collect();
        ours.push(count_in_threads(options, requests, |request| {
            drop(request.acquire_blocking().expect("nobody else wants it"));
        }));
    }
    print("threads", "k/s", raw, ours);
}

async fn tasks(name: &str, server: &RedisServer, options: &Options) {
    let client = redis::Client::open(server.url()).expect("a valid URL");
    let connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let locks = LockManager::connect(&server.url()).expect("a valid URL");
    let (mut raw, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let of_raw = |key: usize, stop: Arc<AtomicBool>| {
            let mut connection = connection.clone();
            let (key, script) = (format!("raw:{key}"), Script::new(COMPARE_AND_DELETE));
            async move {
                let mut pairs = 0;
                while !stop.load(Ordering::Relaxed) {
                    let mut set = redis::cmd("SET");
                    set.arg(&key).arg("0123456789abcdef").arg("NX").arg("PX").arg(30_000);
                    set.exec_async(&mut connection).await.expect("SET");
                    let mut call = script.key(&key);
                    call.arg("0123456789abcdef");
                    let _: i64 = call.invoke_async(&mut connection).await.expect("EVALSHA");
                    pairs += 1;
                }
                pairs
            }
        };
        let (stop, start) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let running: Vec<_> =
            (0..options.callers).map(|key| tokio::spawn(of_raw(key, Arc::clone(&stop)))).collect();
        raw.push(total(running, &stop, start, options).await);
        let of_ours = |key: usize, stop: Arc<AtomicBool>| {
            let request = locks.mutex(format!("own:{key}"));
            async move {
                let mut pairs = 0;
                while !stop.load(Ordering::Relaxed) {
                    drop(request.acquire().await.expect("nobody else wants it"));
                    pairs += 1;
                }
                pairs
            }
        };
        let (stop, start) = (Arc::new(AtomicBool::new(false)), Instant::now());
        let running: Vec<_> =
            (0..options.callers).map(|key| tokio::spawn(of_ours(key, Arc::clone(&stop)))).collect();
        ours.push(total(running, &stop, start, options).await);
    }
    print(name, "k/s", raw, ours);
}

async fn total(
    running: Vec<tokio::task::JoinHandle<u64>>,
    stop: &AtomicBool,
    start: Instant,
    options: &Options,
) -> f64 {
    tokio::time::sleep(Duration::from_millis(options.millis)).await;
    stop.store(true, Ordering::Relaxed);
    let mut pairs = 0;
    for task in running {
        pairs += task.await.expect("no panic");
    }
    rate(pairs, start)
}

/// Two managers stand for two processes: they share neither connection nor queue.
fn hand_over(server: &RedisServer, options: &Options) {
    let locks = || LockManager::connect(&server.url()).expect("a valid URL");
    let (ours, theirs) = (locks(), locks());
    let mut connection = server.connection();
    let (mut raw, mut over) = (Vec::new(), Vec::new());
    let request = ours.mutex("handed");
    for _ in 0..options.rounds {
        let (mut pings, mut hand_overs) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            let held = request.acquire_blocking().expect("it is free");
            let waits = theirs.mutex("handed");
            let waiter = thread::spawn(move || {
                let held = waits.acquire_blocking().expect("it is handed over");
                let at = Instant::now();
                drop(held);
                at
            });
            thread::sleep(Duration::from_millis(20));
            let start = Instant::now();
            drop(held);
            let at = waiter.join().expect("no panic");
            hand_overs.push(at.saturating_duration_since(start).as_secs_f64() * 1e6);
            thread::sleep(Duration::from_millis(5));
            let start = Instant::now();
            redis::cmd("PING").exec(&mut connection).expect("PING");
            pings.push(start.elapsed().as_secs_f64() * 1e6);
        }
        for values in [&mut pings, &mut hand_overs] {
            values.sort_by(f64::total_cmp);
        }
        raw.push(pings[pings.len() / 2]);
        over.push(hand_overs[hand_overs.len() / 2]);
    }
    print("hand-over, threads", "µs", raw, over);
}
