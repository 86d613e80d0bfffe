//! Keys that all processes nest in one order, deep and long enough to be probed: no call gets a
//! deadlock error.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use distlock::LockManager;
use testkit::{RedisServer, eventually};

use super::lookalikes::lookalikes;
use super::nest::{Counts, Nest, PATIENCE, Path};
use super::{Dice, PROCESSES, Place, open, setting, urls};
use crate::support::alone;
use crate::support::process::{Orders, Process, orders};

const THREADS: usize = 3;
const TASKS: usize = 4;

/// `DISTLOCK_SOAK_SECS` sets another duration.
#[test]
fn legal_nesting_is_never_taken_for_a_deadlock() {
    if let Some(orders) = orders() {
        return work(&orders);
    }
    let _machine = alone();
    run(&Place::server(), legal_nesting_is_never_taken_for_a_deadlock);
}

#[test]
fn legal_nesting_in_a_cluster_is_never_taken_for_a_deadlock() {
    if let Some(orders) = orders() {
        return work(&orders);
    }
    let _machine = alone();
    run(&Place::cluster(), legal_nesting_in_a_cluster_is_never_taken_for_a_deadlock);
}

fn run(place: &Place, test: impl Fn() + Copy) {
    let mut processes = place.start(test);
    let mut connections: Vec<_> =
        place.primaries().into_iter().map(RedisServer::connection).collect();
    let mut blocked = BTreeSet::new();
    while processes.iter_mut().any(Process::is_running) {
        for connection in &mut connections {
            let mut keys = redis::cmd("KEYS");
            let keys: Vec<String> = keys.arg("lock:blocked:*").query(connection).unwrap();
            blocked.extend(keys);
        }
        thread::sleep(Duration::from_millis(50));
    }
    for process in processes {
        process.finish();
    }
    let mut reports = redis::cmd("LRANGE");
    let reports: Vec<String> =
        reports.arg("test:reports").arg(0).arg(-1).query(&mut place.board.connection()).unwrap();
    assert_eq!(reports.len(), PROCESSES);
    let counts = Counts::default();
    for report in &reports {
        counts.add(&Counts::parse(report));
    }
    println!("no deadlock; {counts}; sections seen with a watched wait inside: {}", blocked.len());
    counts.assert_all_kinds();
    assert!(blocked.len() > 20, "few waits were looked at: {}", blocked.len());
    place.until_nothing_is_left();
}

fn work(orders: &Orders) {
    let (locks, board) = urls(orders);
    // A cluster has more processes to do the work of a server.
    let seconds = setting("DISTLOCK_SOAK_SECS", if locks == board { 5 } else { 8 });
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let nest = Arc::new(Nest::new(LockManager::connect(locks).unwrap()));
    // Some waits are too short to wait for the connection too.
    nest.locks.inspect_blocking("connected").unwrap();
    let mut dice = Dice::new();
    // A round takes little more than a second.
    let lookalikes = lookalikes(&nest.locks, orders.name.parse().unwrap(), seconds.div_ceil(2));
    let lookalikes = lookalikes.map(|part| runtime.spawn(part));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (nest, mut dice) = (Arc::clone(&nest), dice.fork());
            runtime.spawn(async move {
                while Instant::now() < end {
                    nest.descend_async(dice.fork(), Path::new(&mut dice)).await;
                }
            })
        })
        .collect();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let (nest, mut dice) = (&nest, dice.fork());
            scope.spawn(move || {
                while Instant::now() < end {
                    nest.descend(&mut dice.fork(), Path::new(&mut dice));
                }
            });
        }
    });
    runtime.block_on(async {
        for task in tasks.into_iter().chain(lookalikes) {
            task.await.expect("no task panics");
        }
    });
    eventually(PATIENCE, "the tasks that nobody waits for are over", || {
        Arc::strong_count(&nest) == 1
    });
    let mut report = redis::cmd("RPUSH");
    report.arg("test:reports").arg(nest.counts.to_string()).exec(&mut open(board)).unwrap();
}
