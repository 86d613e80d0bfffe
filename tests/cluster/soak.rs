//! Four processes with eight workers each contend for one key.

use std::env;
use std::thread;
use std::time::{Duration, Instant};

use distlock::{Fence, LockError, LockManager, distributed_lock};
use redis::Connection;

use super::fairness::{Section, assert_turns, glimpse, nonce_of, wall_clock};
use crate::support::process::{Orders, Process, orders};
use crate::support::{alone, connect, server, traces};

const PROCESSES: usize = 4;
const WORKERS: usize = 8;

/// The default limit of local handoffs while other processes wait.
const BOUND: usize = 8;

#[test]
fn threads_of_four_processes_take_strict_turns() {
    match orders() {
        Some(orders) => work_in_threads(&strict(&orders), &orders),
        None => soak(threads_of_four_processes_take_strict_turns, 0),
    }
}

#[test]
fn tasks_of_four_processes_take_strict_turns() {
    match orders() {
        Some(orders) => work_in_tasks(&strict(&orders), &orders),
        None => soak(tasks_of_four_processes_take_strict_turns, 0),
    }
}

#[test]
fn threads_of_four_processes_are_bypassed_at_most_up_to_the_bound() {
    match orders() {
        Some(orders) => work_in_threads(&LockManager::connect(&orders.url).unwrap(), &orders),
        None => soak(threads_of_four_processes_are_bypassed_at_most_up_to_the_bound, BOUND),
    }
}

#[test]
fn tasks_of_four_processes_are_bypassed_at_most_up_to_the_bound() {
    match orders() {
        Some(orders) => work_in_tasks(&LockManager::connect(&orders.url).unwrap(), &orders),
        None => soak(tasks_of_four_processes_are_bypassed_at_most_up_to_the_bound, BOUND),
    }
}

fn strict(orders: &Orders) -> LockManager {
    LockManager::builder().url(&orders.url).max_handoffs(0).build().unwrap()
}

/// `DISTLOCK_SOAK_SECS` sets another duration.
fn duration() -> Duration {
    let seconds = env::var("DISTLOCK_SOAK_SECS").ok();
    Duration::from_secs(seconds.map_or(3, |text| text.parse().expect("a number of seconds")))
}

fn soak(test: impl Fn() + Copy, bound: usize) {
    let _machine = alone();
    let server = server();
    let start = |number: usize| Process::start(test, &server.url(), &number.to_string());
    let mut processes: Vec<_> = (0..PROCESSES).map(start).collect();
    let mut connection = server.connection();
    let mut glimpses = Vec::new();
    while processes.iter_mut().any(Process::is_running) {
        glimpses.extend(glimpse(&mut connection, "soak"));
        thread::sleep(Duration::from_millis(5));
    }
    for process in processes {
        process.finish();
    }
    let mut list = redis::cmd("LRANGE");
    list.arg("sections").arg(0).arg(-1);
    let lines: Vec<String> = list.query(&mut connection).unwrap();
    let mut sections: Vec<_> = lines.iter().map(|line| Section::parse(line)).collect();
    let counter: usize = redis::cmd("GET").arg("counter").query(&mut connection).unwrap();
    assert_eq!(counter, sections.len(), "updates were lost: sections overlapped");
    assert_turns(&mut sections, &glimpses, PROCESSES * WORKERS, bound);
    assert_eq!(traces(&server).len(), ["counter", "last fence", "sections"].len());
}

fn work_in_threads(locks: &LockManager, orders: &Orders) {
    let end = Instant::now() + duration();
    thread::scope(|scope| {
        for number in 0..WORKERS {
            let mut worker = Worker::new(orders, number);
            scope.spawn(move || {
                while Instant::now() < end {
                    let asked = wall_clock();
                    let entered = section(locks, &mut worker).unwrap();
                    worker.log(asked, entered);
                }
                worker.report();
            });
        }
    });
}

fn work_in_tasks(locks: &LockManager, orders: &Orders) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let end = Instant::now() + duration();
    let tasks = (0..WORKERS).map(|number| {
        let mut worker = Worker::new(orders, number);
        let locks = locks.clone();
        runtime.spawn(async move {
            while Instant::now() < end {
                let asked = wall_clock();
                let entered = section_async(&locks, &mut worker).await.unwrap();
                worker.log(asked, entered);
            }
            worker.report();
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        runtime.block_on(task).unwrap();
    }
}

#[distributed_lock("soak", manager = locks, wait = "30s", hold = hold)]
fn section(locks: &LockManager, worker: &mut Worker) -> Result<Entered, LockError> {
    let entered = worker.enter(hold.fence());
    thread::yield_now();
    worker.leave(&entered);
    Ok(entered)
}

#[distributed_lock("soak", manager = locks, wait = "30s", hold = hold)]
async fn section_async(locks: &LockManager, worker: &mut Worker) -> Result<Entered, LockError> {
    let entered = worker.enter(hold.fence());
    tokio::task::yield_now().await;
    worker.leave(&entered);
    Ok(entered)
}

/// The answers at the entry: to the flag, and what was found.
type Look = (Option<String>, (Option<u64>, Option<u64>, String));

struct Entered {
    at: u64,
    nonce: String,
    fence: u64,
    counter: u64,
}

struct Worker {
    name: String,
    connection: Connection,
    sections: Vec<Section>,
}

impl Worker {
    fn new(orders: &Orders, number: usize) -> Self {
        let client = redis::Client::open(orders.url.as_str()).unwrap();
        Self {
            name: format!("{}/{number}", orders.name),
            connection: client.get_connection().unwrap(),
            sections: Vec::new(),
        }
    }

    fn enter(&mut self, fence: Fence) -> Entered {
        let at = wall_clock();
        let mut look = redis::pipe();
        look.cmd("SET").arg(&["occupied", &self.name, "NX"]);
        look.cmd("MGET").arg(&["counter", "last fence", "lock:{soak}"]);
        let (entered, (counter, last, hold)): Look = look.query(&mut self.connection).unwrap();
        assert!(entered.is_some(), "{} came in while another was inside", self.name);
        let fence = fence.get();
        assert!(last.unwrap_or(0) < fence, "token {fence} after token {last:?}");
        Entered { at, nonce: nonce_of(&hold), fence, counter: counter.unwrap_or(0) }
    }

    fn leave(&mut self, entered: &Entered) {
        let mut last = redis::pipe();
        last.cmd("MSET").arg("counter").arg(entered.counter + 1);
        last.arg("last fence").arg(entered.fence).ignore();
        last.cmd("GETDEL").arg("occupied");
        let (occupant,): (String,) = last.query(&mut self.connection).unwrap();
        assert_eq!(occupant, self.name, "another was inside too");
    }

    fn log(&mut self, asked: u64, entered: Entered) {
        let Entered { at, nonce, fence, .. } = entered;
        let worker = self.name.clone();
        self.sections.push(Section { worker, nonce, fence, asked, entered: at });
    }

    fn report(mut self) {
        let lines: Vec<_> = self.sections.iter().map(Section::to_string).collect();
        let mut report = redis::cmd("RPUSH");
        report.arg("sections").arg(lines).exec(&mut self.connection).unwrap();
    }
}

#[test]
fn a_queue_of_several_processes_is_served_in_order() {
    const WAITERS: usize = 6;
    let server = server();
    let locks: Vec<_> = (0..3).map(|_| connect(&server)).collect();
    let order = std::sync::Mutex::new(Vec::new());
    let first = locks[0].mutex("order").acquire_blocking().unwrap();
    thread::scope(|scope| {
        for number in 0..WAITERS {
            let (locks, order) = (&locks[number % 3], &order);
            scope.spawn(move || {
                let guard = locks.mutex("order").strict_fifo().acquire_blocking().unwrap();
                order.lock().unwrap().push((number, guard.fence()));
            });
            crate::support::until_waiting(locks, "order", number as u64 + 1);
        }
        first.release_blocking().unwrap();
    });
    let order = order.into_inner().unwrap();
    assert!(order.is_sorted_by_key(|&(number, _)| number), "{order:?}");
    assert!(order.is_sorted_by_key(|&(_, fence)| fence), "{order:?}");
    assert_eq!(order.len(), WAITERS);
}
