//! Uncontended acquire and release beside the raw floor of the same run: `SET NX PX` and a
//! compare-and-delete script, each a round trip of the `redis` crate. A thread is compared with a
//! synchronous connection, a task with a multiplexed connection on the same kind of runtime.
//!
//! `cargo bench --bench uncontended`; `-- --rounds 40 --pairs 2000` for longer runs.

use std::hint::black_box;
use std::time::{Duration, Instant};

use clap::Parser;
use distlock::{LockError, LockManager, distributed_lock};
use redis::Script;
use testkit::RedisServer;

/// Compare-and-delete, as the Redis documentation has it for locks of one instance.
const COMPARE_AND_DELETE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return \
    redis.call('DEL', KEYS[1]) else return 0 end";

#[derive(Parser)]
struct Options {
    /// How often each side is measured, in turns.
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// Pairs of acquire and release in one measurement.
    #[arg(long, default_value_t = 2_000)]
    pairs: u32,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

#[distributed_lock("uncontended")]
fn locked() -> Result<(), LockError> {
    black_box(());
    Ok(())
}

#[distributed_lock("uncontended")]
async fn locked_task() -> Result<(), LockError> {
    black_box(());
    Ok(())
}

fn main() {
    let options = Options::parse();
    let server = RedisServer::start().expect("a private redis-server");
    let manager = LockManager::connect(&server.url()).expect("a valid URL");
    distlock::init(manager).expect("the first manager");

    let mut connection = server.connection();
    let script = Script::new(COMPARE_AND_DELETE);
    let mut raw = || raw_pair(&mut connection, &script);
    report("thread", &options, &mut raw, &mut || locked().expect("no other process wants it"));

    for (name, runtime) in
        [("task, current-thread", current_thread()), ("task, multi-thread", multi_thread())]
    {
        let client = redis::Client::open(server.url()).expect("a valid URL");
        runtime.block_on(async {
            let connection = client.get_multiplexed_async_connection().await.expect("a connection");
            // On a worker, as a request handler would be.
            let rounds = tokio::spawn(task_rounds(options.rounds, options.pairs, connection));
            let (raw, ours) = rounds.await.expect("the measurement");
            print(name, raw, ours);
        });
    }
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn multi_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

fn raw_pair(connection: &mut redis::Connection, script: &Script) {
    let mut set = redis::cmd("SET");
    set.arg("raw").arg("0123456789abcdef").arg("NX").arg("PX").arg(30_000);
    set.exec(connection).expect("SET");
    let _: i64 = script.key("raw").arg("0123456789abcdef").invoke(connection).expect("EVALSHA");
}

async fn task_rounds(
    rounds: usize,
    pairs: u32,
    mut connection: redis::aio::MultiplexedConnection,
) -> (Vec<Duration>, Vec<Duration>) {
    let script = Script::new(COMPARE_AND_DELETE);
    let (mut raw, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..pairs {
            let mut set = redis::cmd("SET");
            set.arg("raw").arg("0123456789abcdef").arg("NX").arg("PX").arg(30_000);
            set.exec_async(&mut connection).await.expect("SET");
            let mut call = script.key("raw");
            call.arg("0123456789abcdef");
            let _: i64 = call.invoke_async(&mut connection).await.expect("EVALSHA");
        }
        raw.push(start.elapsed() / pairs);
        let start = Instant::now();
        for _ in 0..pairs {
            locked_task().await.expect("no other process wants it");
        }
        ours.push(start.elapsed() / pairs);
    }
    (raw, ours)
}

fn report(name: &str, options: &Options, raw: &mut dyn FnMut(), ours: &mut dyn FnMut()) {
    let measure = |pair: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..options.pairs).for_each(|_| pair());
        start.elapsed() / options.pairs
    };
    let rounds = (0..options.rounds).map(|_| (measure(raw), measure(ours)));
    let (raw, ours) = rounds.unzip();
    print(name, raw, ours);
}

/// Medians, and the median of the ratios round by round: both sides of a ratio saw the same
/// machine.
fn print(name: &str, raw: Vec<Duration>, ours: Vec<Duration>) {
    let mut ratios: Vec<f64> =
        raw.iter().zip(&ours).map(|(raw, ours)| ours.as_secs_f64() / raw.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "{name:22} raw pair {:>9.2?}   distlock {:>9.2?}   ratio {:.2} (from {:.2} to {:.2} over \
         {} rounds)",
        median(raw),
        median(ours),
        ratios[ratios.len() / 2],
        ratios[0],
        ratios[ratios.len() - 1],
        ratios.len(),
    );
}

fn median(mut spans: Vec<Duration>) -> Duration {
    spans.sort();
    spans[spans.len() / 2]
}
