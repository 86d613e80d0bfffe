//! Many dead waiters: no script blocks the server for long, and all processes make progress.

use std::thread;
use std::time::{Duration, Instant};

use distlock::LockManager;
use redis::Value;
use testkit::RedisServer;

use crate::support::{LIMIT, alone, connect, inspect, server, until_waiting};

const DEAD: u64 = 20_000;
/// In microseconds.
const LONGEST: i64 = 5_000;
/// A neighbour on this machine may take the processor from the server for longer than a script
/// runs: that many of some hundred scripts may take longer by the clock, and none as long as all of
/// the work takes in one.
const INTERRUPTED: usize = 3;
const LONGEST_WITH_INTERRUPTION: i64 = 50_000;
const TRIES: u32 = 4;

/// Adds waiters to the queue of the lock, before all later requests.
fn enqueue(server: &RedisServer, key: &str, lease: Duration, inbox: impl Fn(u64) -> String) {
    let mut connection = server.connection();
    let (seconds, micros): (u64, u64) =
        redis::cmd("TIME").query(&mut connection).expect("the server answers");
    let lease = u64::try_from(lease.as_micros()).expect("a short lease");
    let deadline = seconds * 1_000_000 + micros + lease;
    let (queue, waiters) = (format!("lock:{{{key}}}:queue"), format!("lock:{{{key}}}:waiters"));
    for some in (0..DEAD).collect::<Vec<_>>().chunks(1_000) {
        let (mut places, mut entries) = (redis::cmd("ZADD"), redis::cmd("HSET"));
        places.arg(&queue);
        entries.arg(&waiters);
        for number in some {
            let nonce = format!("{:032x}", number + 1);
            places.arg(number + 1).arg(&nonce);
            let entry = format!("{deadline} 2000 0 1 {} 30000 1 host a function", inbox(*number));
            entries.arg(&nonce).arg(entry);
        }
        places.exec(&mut connection).expect("a queue");
        entries.exec(&mut connection).expect("its entries");
    }
    for key in [&queue, &waiters] {
        server.command(&["PEXPIRE", key, "60000"]);
    }
}

/// The durations of scripts since the last call, in microseconds, the longest first.
fn scripts(server: &RedisServer) -> Vec<i64> {
    let mut connection = server.connection();
    let log: Vec<Vec<Value>> =
        redis::cmd("SLOWLOG").arg("GET").arg(-1).query(&mut connection).expect("the log");
    server.command(&["SLOWLOG", "RESET"]);
    let scripts = log.iter().filter(|entry| {
        let Value::Array(words) = &entry[3] else { return false };
        matches!(words.first(), Some(Value::BulkString(name)) if name.starts_with(b"EVAL"))
    });
    let micros = |entry: &Vec<Value>| if let Value::Int(micros) = entry[2] { micros } else { 0 };
    let mut scripts: Vec<_> = scripts.map(micros).collect();
    scripts.sort_unstable_by(|a, b| b.cmp(a));
    scripts
}

/// A holder releases while twenty thousand dead waiters are queued before a live one.
fn run_through(lease: Duration, inbox: impl Fn(u64) -> String) {
    let _machine = alone();
    let server = server();
    let (locks, others) = (connect(&server), connect(&server));
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let took = pass(&server, &locks, &others, lease, &inbox);
        assert!(took < Duration::from_secs(6), "the living one waited for {took:?}");
        let mut longest = scripts(&server);
        longest.truncate(INTERRUPTED + 1);
        println!("followed after {took:?}, the longest scripts ran {longest:?} us");
        let interrupted = longest.iter().filter(|&&micros| micros > LONGEST).count();
        if interrupted <= INTERRUPTED && longest[0] <= LONGEST_WITH_INTERRUPTION {
            return;
        }
        seen.push(longest);
    }
    panic!("scripts ran for {seen:?} us");
}

fn pass(
    server: &RedisServer,
    locks: &LockManager,
    others: &LockManager,
    lease: Duration,
    inbox: impl Fn(u64) -> String,
) -> Duration {
    let held = locks.mutex("dead").acquire_blocking().unwrap();
    thread::scope(|scope| {
        enqueue(server, "dead", lease, inbox);
        let follower = scope.spawn(|| {
            let guard = others.mutex("dead").wait(LIMIT).acquire_blocking().unwrap();
            let had = Instant::now();
            guard.release_blocking().unwrap();
            had
        });
        until_waiting(locks, "dead", DEAD + 1 - if lease.is_zero() { 100 } else { 0 });
        server.command(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
        server.command(&["CONFIG", "SET", "slowlog-max-len", "10000"]);
        server.command(&["SLOWLOG", "RESET"]);
        let released = Instant::now();
        held.release_blocking().unwrap();
        let took = follower.join().unwrap().duration_since(released);
        assert_eq!(inspect(locks, "dead").waiting, 0);
        took
    })
}

#[test]
fn dead_waiters_are_removed_some_at_a_time_and_the_living_one_gets_the_lock() {
    run_through(Duration::ZERO, |_| "lock:inbox:gone".to_owned());
}

#[test]
fn waiters_of_a_process_that_has_just_ended_are_removed_some_at_a_time() {
    run_through(Duration::from_secs(30), |_| "lock:inbox:gone".to_owned());
}

#[test]
fn waiters_of_many_processes_that_have_just_ended_are_removed_some_at_a_time() {
    run_through(Duration::from_secs(30), |number| format!("lock:inbox:gone:{}", number / 100));
}
