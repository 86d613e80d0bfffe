//! What an uncontended acquire and release, and a handoff between processes, may cost at most:
//! system calls, wake-ups, allocations, and bytes on the wire.
//!
//! The counts are those of a child process between two marks that it prints. Each case runs three
//! times: twice under `strace`, which counts system calls, and without it, as it changes how often
//! threads sleep. `strace` stops a thread at each call that it counts. A thread that is stopped
//! while it has a mutex makes the others wait for it, so waits for mutexes have a run of their own,
//! in which no other calls are counted.
//!
//! What belongs to the background thread of the manager is counted for itself, because that depends
//! on time and not on the number of pairs.
#![cfg(target_os = "linux")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use distlock::LockManager;
use redis::Connection;
use testkit::{Cluster, Sentinels};

use crate::support::process::{Orders, Process, orders};
use crate::support::server;

const BEGIN: &str = "counted from here";
const END: &str = "counted to here";

/// Pairs before the first mark: the connection is open, and buffers and tables have their sizes.
const WARM: u32 = 200;
const PAIRS: u32 = 2_000;

/// The handoffs to each of the two processes, and before the first mark.
const TURNS: u32 = 200;
const WARM_TURNS: u32 = 20;
/// Long enough for the other process to queue, short enough that a hold needs no renewal. And long
/// enough for the manager's thread to read in each section: it does so when no caller has read for
/// 4 to 8 ms.
const HELD: Duration = Duration::from_millis(10);

/// The most that one pair, or one handoff, may cost.
struct Budget {
    /// By name, on the threads of the caller. Others must not occur.
    system_calls: &'static [(&'static str, f64)],
    /// Voluntary context switches of the threads of the caller.
    wake_ups: f64,
    /// Of all threads.
    allocations: f64,
    allocated_bytes: f64,
    /// What the server receives and sends.
    sent: f64,
    received: f64,
    /// Of the manager's thread. They depend on the time that a pair takes: the thread looks every
    /// few milliseconds while the lock is in use. One that had to be woken for each pair would take
    /// at least one wake-up and two system calls for it.
    background_wake_ups: f64,
    background_calls: f64,
}

/// How often a system call, a wake-up or an allocation more may occur for each pair: a contended
/// mutex, a timer, a growing table, a machine with other work.
const ALLOWANCE: f64 = 0.3;
/// The same for bytes.
const BYTES_ALLOWANCE: f64 = 1.02;

/// One for the reply. On a busy machine the runtime finds nothing in some of its looks.
const TASK_POLLS: f64 = 1.3;

/// A cost that has crept up exceeds the budget in each of these.
const ATTEMPTS: u32 = 4;

// One test at a time: they measure.
static MACHINE: Mutex<()> = Mutex::new(());

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(unsafe_code, reason = "an allocator is unsafe to implement; this one counts and passes on")]
// SAFETY: `System` does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as for the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as for the caller.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as for the caller.
        unsafe { System.realloc(block, layout, size) }
    }
}

fn count(bytes: usize) {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    ALLOCATED.fetch_add(bytes as u64, Ordering::Relaxed);
}

#[test]
fn a_pair_of_a_thread_stays_within_its_budget() {
    if let Some(orders) = orders() {
        return in_thread(&orders.url, &orders.url);
    }
    check("thread", &THREAD, PAIRS, alone(a_pair_of_a_thread_stays_within_its_budget));
}

const THREAD: Budget = Budget {
    system_calls: &[("sendto", 2.0), ("recvfrom", 1.0), ("ppoll", 1.0)],
    wake_ups: 1.0,
    allocations: 13.0,
    allocated_bytes: 1705.0,
    sent: 474.0,
    received: 23.0,
    background_wake_ups: 0.5,
    background_calls: 1.0,
};

/// The threads that ask Sentinels do so each second, however many pairs there are. The Sentinels
/// ask the server too, so what it sends is not counted.
#[test]
fn sentinels_add_nothing_to_a_pair() {
    if let Some(orders) = orders() {
        // The name is the URL of the server.
        return in_thread(&orders.url, &orders.name);
    }
    let received = f64::INFINITY;
    let budget = Budget { allocations: 13.5, allocated_bytes: 1830.0, received, ..THREAD };
    let test = sentinels_add_nothing_to_a_pair;
    check("with Sentinels", &budget, PAIRS, |counted| {
        let server = server();
        let (_sentinels, url) = Sentinels::watching(&server).expect("they start");
        Run::of(counted, &url, &server.url(), test)
    });
}

#[test]
fn a_pair_of_a_task_of_a_current_thread_runtime_stays_within_its_budget() {
    if let Some(orders) = orders() {
        return in_task(&orders.url, tokio::runtime::Builder::new_current_thread());
    }
    let test = a_pair_of_a_task_of_a_current_thread_runtime_stays_within_its_budget;
    check("task, current-thread", &TASK, PAIRS, alone(test));
}

const TASK: Budget = Budget {
    system_calls: &[
        ("sendto", 2.0),
        ("recvfrom", 1.0),
        ("epoll_ctl", 2.0),
        ("epoll_wait", TASK_POLLS),
        // Tokio checks the socket in debug builds.
        ("fcntl", 1.0),
    ],
    allocations: 16.0,
    allocated_bytes: 2049.0,
    ..THREAD
};

#[test]
fn a_pair_of_a_task_of_a_multi_thread_runtime_stays_within_its_budget() {
    if let Some(orders) = orders() {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        // How often a second worker looks for work is up to the runtime.
        runtime.worker_threads(1);
        return in_task(&orders.url, runtime);
    }
    let test = a_pair_of_a_task_of_a_multi_thread_runtime_stays_within_its_budget;
    check("task, multi-thread", &TASK, PAIRS, alone(test));
}

/// Two processes in turns. Each acquires while the other holds the lock, and sleeps until it is
/// granted.
#[test]
fn a_handoff_between_two_processes_stays_within_its_budget() {
    if let Some(orders) = orders() {
        return take_turns(&orders);
    }
    let test = a_handoff_between_two_processes_stays_within_its_budget;
    check("handoff", &HANDOFF, TURNS, |counted| {
        let server = server();
        handoffs(counted, &server.url(), test)
    });
}

const HANDOFF: Budget = Budget {
    system_calls: &[
        ("clock_nanosleep", 1.0),
        // The manager's thread has the mutex of the link.
        ("futex", 0.3),
        // It has to read, as nobody waits after a grant; and sometimes to renew earlier.
        ("write", 1.5),
        ("ppoll", 2.0),
        ("recvfrom", 2.0),
        ("sendto", 2.0),
    ],
    wake_ups: 3.0,
    allocations: 27.0,
    allocated_bytes: 3076.0,
    // With the command ahead of the release.
    sent: 1030.0,
    received: 713.0,
    // A turn of both processes takes 20 ms or more.
    background_wake_ups: 7.0,
    background_calls: 11.0,
};

/// A cluster of one node, so that all pairs are on it.
#[test]
fn a_pair_of_a_thread_in_a_cluster_stays_within_its_budget() {
    if let Some(orders) = orders() {
        return in_thread(&orders.url, &orders.url);
    }
    let budget = Budget { sent: CLUSTER_SENT, ..THREAD };
    let test = a_pair_of_a_thread_in_a_cluster_stays_within_its_budget;
    check("thread, cluster", &budget, PAIRS, in_cluster(test));
}

#[test]
fn a_pair_of_a_task_in_a_cluster_stays_within_its_budget() {
    if let Some(orders) = orders() {
        return in_task(&orders.url, tokio::runtime::Builder::new_current_thread());
    }
    let budget = Budget { sent: CLUSTER_SENT, ..TASK };
    let test = a_pair_of_a_task_in_a_cluster_stays_within_its_budget;
    check("task, cluster", &budget, PAIRS, in_cluster(test));
}

#[test]
fn a_handoff_in_a_cluster_stays_within_its_budget() {
    if let Some(orders) = orders() {
        return take_turns(&orders);
    }
    let budget = Budget { allocations: 27.3, sent: 1345.0, received: 747.0, ..HANDOFF };
    let test = a_handoff_in_a_cluster_stays_within_its_budget;
    check("handoff, cluster", &budget, TURNS, |counted| {
        let cluster = Cluster::bare(1).expect("it starts");
        handoffs(counted, &cluster.url(), test)
    });
}

/// Each script call names all keys of its lock.
const CLUSTER_SENT: f64 = 624.0;

/// The server of `counted` is the one that pairs are made on.
fn in_thread(url: &str, counted: &str) {
    let locks = LockManager::connect(url).expect("the url is well formed");
    let pairs = |count| (0..count).for_each(|_| pair(&locks));
    pairs(WARM);
    let counted = Counted::begin(counted);
    pairs(PAIRS);
    counted.end();
}

fn pair(locks: &LockManager) {
    locks.mutex("counted").acquire_blocking().expect("it is free").release_blocking().unwrap();
}

fn in_task(url: &str, mut runtime: tokio::runtime::Builder) {
    let runtime = runtime.enable_all().build().expect("a runtime");
    let url = url.to_owned();
    let task = runtime.spawn(async move {
        let locks = LockManager::connect(&url).expect("the url is well formed");
        let pairs = async |count| {
            for _ in 0..count {
                drop(locks.mutex("counted").acquire().await.expect("it is free"));
            }
        };
        pairs(WARM).await;
        let counted = Counted::begin(&url);
        pairs(PAIRS).await;
        counted.end();
    });
    runtime.block_on(task).expect("it does not panic");
}

fn take_turns(Orders { url, name }: &Orders) {
    let locks = LockManager::connect(url).expect("the url is well formed");
    let mut redis = connection(url);
    let turn = || {
        let guard = locks.mutex("counted").acquire_blocking().expect("it is granted");
        thread::sleep(HELD);
        drop(guard);
    };
    both(&mut redis, "begin", || thread::sleep(Duration::from_millis(1)));
    (0..WARM_TURNS).for_each(|_| turn());
    // What the other one reads of the server would be in the traffic.
    let counted = (name == "counted").then(|| Counted::begin(url));
    (0..TURNS).for_each(|_| turn());
    if let Some(counted) = counted {
        counted.end();
    }
    // The other one needs a process to take turns with.
    both(&mut redis, "end", turn);
}

/// Until both processes have come here.
fn both(redis: &mut Connection, place: &str, meanwhile: impl Fn()) {
    redis::cmd("INCR").arg(place).exec(redis).expect("the server answers");
    while redis::cmd("GET").arg(place).query::<u32>(redis).expect("the server answers") < 2 {
        meanwhile();
    }
}

/// To a server, or to the one node of a cluster.
fn connection(url: &str) -> Connection {
    let url = url.replace("redis-cluster:", "redis:");
    redis::Client::open(url).and_then(|client| client.get_connection()).expect("it connects")
}

/// In the child: what has been counted up to the first mark.
struct Counted {
    redis: Connection,
    traffic: [u64; 2],
    /// The traffic of reading the traffic.
    reading: [u64; 2],
    wake_ups: [u64; 2],
    allocations: [u64; 2],
    script_us: u64,
}

impl Counted {
    fn begin(url: &str) -> Self {
        let mut redis = connection(url);
        let script_us = script_us(&mut redis);
        let [first, _, last] = [(); 3].map(|()| traffic(&mut redis));
        let reading = [0, 1].map(|way| (last[way] - first[way]) / 2);
        for (id, name) in threads() {
            println!("thread {id} {name}");
        }
        let wake_ups = wake_ups();
        println!("{BEGIN}");
        let allocations = allocations();
        Self { redis, traffic: last, reading, wake_ups, allocations, script_us }
    }

    fn end(mut self) {
        let allocations = allocations();
        println!("{END}");
        let wake_ups = wake_ups();
        let traffic = traffic(&mut self.redis);
        let traffic = [0, 1].map(|way| traffic[way] - self.traffic[way] - self.reading[way]);
        let since = |now: [u64; 2], then: [u64; 2]| [now[0] - then[0], now[1] - then[1]];
        let [own, background] = since(wake_ups, self.wake_ups);
        let [allocations, bytes] = since(allocations, self.allocations);
        println!("figure wake_ups {own}\nfigure background_wake_ups {background}");
        println!("figure allocations {allocations}\nfigure allocated_bytes {bytes}");
        println!("figure sent {}\nfigure received {}", traffic[0], traffic[1]);
        println!("figure script_us {}", script_us(&mut self.redis) - self.script_us);
    }
}

fn allocations() -> [u64; 2] {
    [ALLOCATIONS.load(Ordering::Relaxed), ALLOCATED.load(Ordering::Relaxed)]
}

/// How long the server has run scripts.
fn script_us(redis: &mut Connection) -> u64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query(redis).expect("it answers");
    let scripts = info.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:"));
    let span = scripts.and_then(|line| line.split(',').find_map(|it| it.strip_prefix("usec=")));
    span.and_then(|span| span.parse().ok()).expect("it has run some")
}

/// What the server has received and sent.
fn traffic(redis: &mut Connection) -> [u64; 2] {
    let info: String = redis::cmd("INFO").arg("stats").query(redis).expect("the server answers");
    ["total_net_input_bytes:", "total_net_output_bytes:"].map(|name| {
        let bytes = info.lines().find_map(|line| line.strip_prefix(name));
        bytes.and_then(|bytes| bytes.trim().parse().ok()).expect("INFO tells the traffic")
    })
}

/// The threads of this process by their ids.
fn threads() -> Vec<(String, String)> {
    let tasks = fs::read_dir("/proc/self/task").expect("this is Linux").filter_map(Result::ok);
    let thread = |task: fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        Some((task.file_name().into_string().ok()?, name.trim().to_owned()))
    };
    tasks.filter_map(thread).collect()
}

fn is_background(name: &str) -> bool {
    name.starts_with("distlock")
}

/// Of the threads of the caller, and of those of the manager.
fn wake_ups() -> [u64; 2] {
    let mut sum = [0, 0];
    for (id, name) in threads() {
        let status = fs::read_to_string(Path::new("/proc/self/task").join(id).join("status"));
        let status = status.unwrap_or_default();
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        let count = count.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0);
        sum[usize::from(is_background(&name))] += count;
    }
    sum
}

/// Which system calls of a child are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Calls {
    None,
    AllButFutex,
    Futex,
}

/// What a child has counted, and its system calls if they were.
struct Run {
    figures: BTreeMap<String, f64>,
    calls: BTreeMap<String, f64>,
    background_calls: f64,
}

/// Measures with a server of its own, again if the budget is exceeded: what other work of the
/// machine adds is not the same each time.
fn check(what: &str, budget: &Budget, count: u32, run: impl Fn(Calls) -> Run) {
    let _machine = MACHINE.lock();
    for attempt in 1..=ATTEMPTS {
        let mut figures = run(Calls::None);
        for run in [run(Calls::AllButFutex), run(Calls::Futex)] {
            figures.calls.extend(run.calls);
            figures.background_calls += run.background_calls;
        }
        let above = budget.exceeded_by(what, count, &figures);
        if above.is_empty() {
            return;
        }
        assert!(attempt < ATTEMPTS, "{what}: {}", above.join("; "));
    }
}

fn alone<F: Fn() + Copy>(test: F) -> impl Fn(Calls) -> Run {
    move |counted| {
        let server = server();
        Run::of(counted, &server.url(), "counted", test)
    }
}

fn in_cluster<F: Fn() + Copy>(test: F) -> impl Fn(Calls) -> Run {
    move |counted| {
        let cluster = Cluster::bare(1).expect("it starts");
        Run::of(counted, &cluster.url(), "counted", test)
    }
}

fn handoffs<F: Fn() + Copy>(counted: Calls, url: &str, test: F) -> Run {
    let other = Process::start(test, url, "other");
    let run = Run::of(counted, url, "counted", test);
    other.finish();
    run
}

/// Tracing a child of one's own needs no privileges, but a container may forbid it.
fn check_strace() {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let advice = match tried {
        Ok(tried) if tried.status.success() => return,
        Ok(tried) => format!(
            "strace cannot trace a child ({}); allow ptrace here, for example with \
             --cap-add=SYS_PTRACE",
            String::from_utf8_lossy(&tried.stderr).trim()
        ),
        Err(error) => format!("strace cannot be run ({error}); install the package strace"),
    };
    panic!("system calls are counted with strace: {advice}");
}

impl Run {
    fn of<F: Fn()>(counted: Calls, url: &str, name: &str, test: F) -> Self {
        let traced = match counted {
            Calls::None => {
                return Self::read(&Process::start(test, url, name).finish(), "", counted);
            }
            Calls::AllButFutex => "trace=!futex",
            // The marks are written.
            Calls::Futex => "trace=futex,write",
        };
        check_strace();
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("calls");
        let mut strace = Command::new("strace");
        // With the filter other calls run at their speed.
        strace.args(["-f", "-qq", "--seccomp-bpf", "-e", traced, "-o"]).arg(&log);
        let child = Process::start_under(strace, test, url, name);
        let printed = child.finish();
        let calls = fs::read_to_string(&log).expect("strace writes it");
        Self::read(&printed, &calls, counted)
    }

    fn read(printed: &str, log: &str, counted: Calls) -> Self {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let lines: Vec<_> = printed.lines().map(words).collect();
        let named = |name: &'static str| {
            let lines = lines.iter().filter(move |line| line[0] == name && line.len() == 3);
            lines.map(|line| (line[1].clone(), line[2].clone()))
        };
        let figures =
            named("figure").map(|(name, value)| (name, value.parse().expect("a number"))).collect();
        let threads: BTreeMap<_, _> = named("thread").collect();
        let mut run = Self { figures, calls: BTreeMap::new(), background_calls: 0.0 };
        let since = log.lines().skip_while(|line| !line.contains(BEGIN)).skip(1);
        for line in since.take_while(|line| !line.contains(END)) {
            let (id, call) = line.trim_start().split_once(' ').expect("a thread and its call");
            // The end of a call, and signals, begin with another character.
            let Some((name, _)) = call.trim_start().split_once('(') else { continue };
            if name.contains(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
                continue;
            }
            if counted == Calls::Futex && name != "futex" {
                continue;
            }
            if threads.get(id).is_some_and(|name| is_background(name)) {
                run.background_calls += 1.0;
            } else {
                *run.calls.entry(name.to_owned()).or_default() += 1.0;
            }
        }
        run
    }
}

impl Budget {
    /// Prints the figures, and returns those that are too high.
    fn exceeded_by(&self, what: &str, count: u32, run: &Run) -> Vec<String> {
        let mut above = Vec::new();
        let mut compare = |name: &str, sum: f64, most: f64| {
            let each = sum / f64::from(count);
            println!("{what}: {each:.2} {name}");
            if each > most {
                above.push(format!("{each:.2} {name} where {most:.2} are allowed"));
            }
        };
        for (name, &sum) in &run.calls {
            let known = self.system_calls.iter().find(|(known, _)| known == name);
            let most = known.map_or(0.0, |(_, most)| *most) + ALLOWANCE;
            compare(name, sum, most);
        }
        let background = "system calls of the manager's thread";
        compare(background, run.background_calls, self.background_calls);
        let woken = "wake-ups of the manager's thread";
        let counts = [
            ("wake_ups", "wake-ups", self.wake_ups + ALLOWANCE),
            ("background_wake_ups", woken, self.background_wake_ups),
            ("allocations", "allocations", self.allocations + ALLOWANCE),
            ("allocated_bytes", "bytes allocated", self.allocated_bytes * BYTES_ALLOWANCE),
            ("sent", "bytes to the server", self.sent * BYTES_ALLOWANCE),
            ("received", "bytes from the server", self.received * BYTES_ALLOWANCE),
            // A time, which depends on the machine.
            ("script_us", "µs of the server in scripts", f64::INFINITY),
        ];
        for (name, words, most) in counts {
            compare(words, run.figures[name], most);
        }
        above
    }
}
