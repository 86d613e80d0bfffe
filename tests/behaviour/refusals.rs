//! Servers that refuse requests at present: calls ask again until their wait is over.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use distlock::{LockError, LockManager};
use testkit::{RedisServer, eventually};

use super::failover::info;
use crate::support::{LIMIT, connect, server};

/// Short for a call, and long enough for several attempts.
const WAIT: Duration = Duration::from_millis(500);

/// What makes a server refuse the writes of scripts.
struct Obstacle {
    put: fn(&RedisServer),
    lift: fn(&RedisServer),
    code: &'static str,
    advice: &'static str,
}

const NO_MEMORY: Obstacle = Obstacle {
    put: |server| set(server, "maxmemory", "1"),
    lift: |server| set(server, "maxmemory", "0"),
    code: "OOM",
    advice: "free memory on the server or raise its maxmemory",
};

/// A file that cannot be replaced stands for a full disk.
const NO_DISK: Obstacle = Obstacle {
    put: |server| {
        fs::create_dir(dump(server)).unwrap();
        set(server, "save", "3600 1000000");
        save(server, "err");
    },
    lift: |server| {
        fs::remove_dir(dump(server)).unwrap();
        save(server, "ok");
    },
    code: "MISCONF",
    advice: "see in the server's log why it cannot save its data",
};

/// Servers before 7.0 look at their replicas for plain commands only.
const NO_REPLICA: Obstacle = Obstacle {
    put: |server| set(server, "min-replicas-to-write", "1"),
    lift: |server| set(server, "min-replicas-to-write", "0"),
    code: "NOREPLICAS",
    advice: "bring the server's replicas back",
};

fn set(server: &RedisServer, name: &str, value: &str) {
    server.command(&["CONFIG", "SET", name, value]);
}

fn dump(server: &RedisServer) -> PathBuf {
    let value = |name| {
        let mut get = redis::cmd("CONFIG");
        let (_, value): (String, String) =
            get.arg("GET").arg(name).query(&mut server.connection()).unwrap();
        value
    };
    PathBuf::from(value("dir")).join(value("dbfilename"))
}

/// Has the server save its data, which ends with this status.
fn save(server: &RedisServer, status: &str) {
    server.command(&["BGSAVE"]);
    let status = format!("rdb_last_bgsave_status:{status}");
    eventually(LIMIT, &status, || info(server, "persistence").contains(&status));
}

fn is_old(server: &RedisServer) -> bool {
    info(server, "server").lines().any(|line| line.starts_with("redis_version:6."))
}

/// Each obstacle, with a server and a manager: one that has granted locks, and a new one.
fn each_obstacle(test: impl Fn(&Obstacle, &RedisServer, &LockManager)) {
    for obstacle in [NO_MEMORY, NO_DISK, NO_REPLICA] {
        for is_new in [false, true] {
            let server = server();
            if obstacle.code == NO_REPLICA.code && is_old(&server) {
                continue;
            }
            let locks = connect(&server);
            if !is_new {
                locks.mutex("key").acquire_blocking().unwrap().release_blocking().unwrap();
            }
            (obstacle.put)(&server);
            let locks = if is_new { connect(&server) } else { locks };
            test(&obstacle, &server, &locks);
        }
    }
}

fn has_refused(server: &RedisServer, obstacle: &Obstacle) -> bool {
    info(server, "errorstats").contains(&format!("errorstat_{}:", obstacle.code))
}

#[test]
fn a_server_that_refuses_to_write_is_waited_for() {
    each_obstacle(|obstacle, server, locks| {
        std::thread::scope(|scope| {
            let call = scope.spawn(|| locks.mutex("key").wait(LIMIT).acquire_blocking().map(drop));
            eventually(LIMIT, "it was refused", || has_refused(server, obstacle));
            (obstacle.lift)(server);
            call.join().unwrap().unwrap();
        });
    });
}

#[test]
fn a_server_that_refuses_to_write_is_named_when_the_wait_is_over() {
    each_obstacle(|obstacle, _, locks| {
        let start = Instant::now();
        let waited = locks.mutex("key").wait(WAIT).acquire_blocking().unwrap_err();
        assert!(start.elapsed() >= WAIT, "{waited} after {:?}", start.elapsed());
        let start = Instant::now();
        let at_once = locks.mutex("another").try_acquire_blocking().unwrap_err();
        assert!(start.elapsed() < LIMIT, "{at_once} after {:?}", start.elapsed());
        for error in [waited, at_once] {
            assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
            let text = error.to_string();
            assert!(text.contains(obstacle.code) && text.contains(obstacle.advice), "{text}");
        }
    });
}

#[test]
fn a_lock_is_granted_when_a_replica_is_back() {
    let (primary, replica) = (server(), server());
    if is_old(&primary) {
        return;
    }
    set(&primary, "repl-diskless-sync-delay", "0");
    (NO_REPLICA.put)(&primary);
    let locks = connect(&primary);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| locks.mutex("key").wait(LIMIT).acquire_blocking().map(drop));
        eventually(LIMIT, "it was refused", || has_refused(&primary, &NO_REPLICA));
        replica.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
        call.join().unwrap().unwrap();
    });
}

#[test]
fn a_replica_that_is_promoted_within_the_wait_grants_the_lock() {
    let (primary, replica) = (server(), server());
    replica.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let locks = connect(&replica);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| locks.mutex("key").wait(LIMIT).acquire_blocking().map(drop));
        eventually(LIMIT, "the replica was asked", || {
            info(&replica, "commandstats").contains("cmdstat_hello")
        });
        replica.command(&["REPLICAOF", "NO", "ONE"]);
        call.join().unwrap().unwrap();
    });
}

#[test]
fn a_read_only_replica_is_asked_again_until_the_wait_is_over() {
    let (primary, replica) = (server(), server());
    let follow = || {
        replica.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    };
    let reported = |locks: &LockManager| {
        let start = Instant::now();
        let waited = locks.mutex("key").wait(WAIT).acquire_blocking().unwrap_err();
        assert!(start.elapsed() >= WAIT, "{waited} after {:?}", start.elapsed());
        let at_once = locks.mutex("another").try_acquire_blocking().unwrap_err();
        for error in [waited, at_once] {
            assert!(matches!(error, LockError::Unavailable(_)), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("connect to the primary, not to a replica"), "{text}");
        }
    };
    follow();
    reported(&connect(&replica));
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    let locks = connect(&replica);
    let held = locks.mutex("older").acquire_blocking().unwrap();
    follow();
    reported(&locks);
    drop(held);
}
