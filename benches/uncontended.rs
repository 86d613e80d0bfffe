//! Uncontended acquire and release beside the raw floor of the same run: `SET NX PX` and a
//! compare-and-delete script, each a round trip of the `redis` crate. A thread is compared with a
//! synchronous connection, a task with a multiplexed connection on the same kind of runtime.
//!
//! A round is the median of its pairs, and the processor time that the client took for each.
//!
//! `cargo bench --bench uncontended`; `-- --rounds 40 --pairs 2000` for longer runs. Where the
//! scheduler puts client and server matters much: `-- --client-core 1 --server-core 0` pins them
//! (Linux, with `taskset`).

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
    /// The core that the client runs on.
    #[arg(long)]
    client_core: Option<u32>,
    /// The core that the server runs on.
    #[arg(long)]
    server_core: Option<u32>,
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
    pin(server.pid(), options.server_core);
    pin(std::process::id(), options.client_core);
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

/// Pins all threads of a process to a core.
fn pin(process: u32, core: Option<u32>) {
    if let Some(core) = core {
        let mut taskset = std::process::Command::new("taskset");
        taskset.args(["-acp", &core.to_string(), &process.to_string()]);
        let pinned = taskset.stdout(std::process::Stdio::null()).status();
        assert!(pinned.is_ok_and(|status| status.success()), "taskset failed");
    }
}

/// The processor time of this process so far; zero where the system does not say.
fn processor_time() -> Duration {
    let of_task = |task: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    };
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    tasks.filter_map(of_task).sum()
}

/// One side of a round.
#[derive(Clone, Copy)]
struct Round {
    pair: Duration,
    processor: Duration,
}

impl Round {
    fn new(mut pairs: Vec<Duration>, before: Duration) -> Self {
        let count = u32::try_from(pairs.len()).expect("few pairs");
        let processor = processor_time().saturating_sub(before) / count;
        pairs.sort_unstable();
        Self { pair: pairs[pairs.len() / 2], processor }
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
) -> (Vec<Round>, Vec<Round>) {
    let script = Script::new(COMPARE_AND_DELETE);
    let (mut raw, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (before, mut times) = (processor_time(), Vec::new());
        for _ in 0..pairs {
            let start = Instant::now();
            let mut set = redis::cmd("SET");
            set.arg("raw").arg("0123456789abcdef").arg("NX").arg("PX").arg(30_000);
            set.exec_async(&mut connection).await.expect("SET");
            let mut call = script.key("raw");
            call.arg("0123456789abcdef");
            let _: i64 = call.invoke_async(&mut connection).await.expect("EVALSHA");
            times.push(start.elapsed());
        }
        raw.push(Round::new(times, before));
        let (before, mut times) = (processor_time(), Vec::new());
        for _ in 0..pairs {
            let start = Instant::now();
            locked_task().await.expect("no other process wants it");
            times.push(start.elapsed());
        }
        ours.push(Round::new(times, before));
    }
    (raw, ours)
}

fn report(name: &str, options: &Options, raw: &mut dyn FnMut(), ours: &mut dyn FnMut()) {
    let measure = |pair: &mut dyn FnMut()| {
        let before = processor_time();
        let times = (0..options.pairs).map(|_| {
            let start = Instant::now();
            pair();
            start.elapsed()
        });
        Round::new(times.collect(), before)
    };
    let rounds = (0..options.rounds).map(|_| (measure(raw), measure(ours)));
    let (raw, ours) = rounds.unzip();
    print(name, raw, ours);
}

/// Medians, and the median of the ratios round by round: both sides of a ratio saw the same
/// machine.
fn print(name: &str, raw: Vec<Round>, ours: Vec<Round>) {
    let ratio = |(raw, ours): (&Round, &Round)| ours.pair.as_secs_f64() / raw.pair.as_secs_f64();
    let mut ratios: Vec<f64> = raw.iter().zip(&ours).map(ratio).collect();
    ratios.sort_by(f64::total_cmp);
    let of = |rounds: &[Round], value: fn(&Round) -> Duration| {
        median(rounds.iter().map(value).collect())
    };
    println!(
        "{name:22} raw pair {:>9.2?} ({:>8.2?} processor)   distlock {:>9.2?} ({:>8.2?})   ratio \
         {:.2} (from {:.2} to {:.2} over {} rounds)",
        of(&raw, |round| round.pair),
        of(&raw, |round| round.processor),
        of(&ours, |round| round.pair),
        of(&ours, |round| round.processor),
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
