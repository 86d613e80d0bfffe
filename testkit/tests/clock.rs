//! The clock of a server, as its expiry shows it.
#![cfg(target_os = "linux")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::Value;
use testkit::{RedisServer, eventually};

const LIMIT: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

fn start() -> RedisServer {
    let server = RedisServer::builder().with_clock().start().unwrap();
    server.command(&["SET", "a", "1", "PX", "30000"]);
    server
}

fn milliseconds_left(server: &RedisServer) -> i64 {
    match server.command(&["PTTL", "a"]) {
        Value::Int(left) => left,
        other => panic!("PTTL answered {other:?}"),
    }
}

/// How far the server says it is ahead, in seconds.
fn seconds_ahead(server: &RedisServer) -> f64 {
    let (seconds, micros): (u64, u32) = redis::cmd("TIME").query(&mut server.connection()).unwrap();
    let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Duration::new(seconds, micros * 1_000).as_secs_f64() - system.as_secs_f64()
}

#[test]
fn an_unmodified_clock_shows_the_system_time() {
    let server = start();
    assert!(seconds_ahead(&server).abs() < 5.0);
    assert_eq!(server.clock().offset(), 0);
}

#[test]
fn what_expires_within_a_jump_ahead_is_gone() {
    let server = start();
    server.clock().jump_ahead(MINUTE);
    assert_eq!(server.command(&["GET", "a"]), Value::Nil);
}

#[test]
fn a_jump_back_makes_expiry_later() {
    let server = start();
    server.clock().jump_back(MINUTE);
    let left = milliseconds_left(&server);
    assert!((60_001..=90_000).contains(&left), "{left}");
    server.clock().reset();
    let left = milliseconds_left(&server);
    assert!((1..=30_000).contains(&left), "{left}");
}

#[test]
fn the_clock_stays_where_it_is_over_a_restart() {
    let server = start();
    server.clock().jump_ahead(MINUTE);
    server.restart().unwrap();
    let ahead = seconds_ahead(&server);
    assert!((55.0..65.0).contains(&ahead), "{ahead}");
}

#[test]
fn a_drifting_clock_runs_at_its_own_pace_until_it_is_set_evenly() {
    let server = start();
    server.clock().drift(1_000_000_000);
    eventually(LIMIT, "a thousand times as fast, a minute is soon over", || {
        server.command(&["EXISTS", "a"]) == Value::Int(0)
    });
    server.clock().drift(0);
    let offset = server.clock().offset();
    assert!(offset > 20_000_000_000, "{offset}");
    assert_eq!(server.clock().offset(), offset);
}

#[test]
fn clocks_of_different_servers_are_independent() {
    let (one, two) = (start(), start());
    one.clock().jump_ahead(MINUTE);
    assert!(seconds_ahead(&two).abs() < 5.0);
}

#[test]
#[should_panic(expected = "started with a clock")]
fn a_server_without_a_clock_has_none_to_set() {
    RedisServer::start().unwrap().clock().reset();
}

#[test]
fn a_blocked_client_times_out_by_the_clock() {
    let server = start();
    std::thread::scope(|scope| {
        let blocked = scope.spawn(|| server.command(&["BLPOP", "nothing", "3600"]));
        eventually(LIMIT, "a client is blocked", || {
            let list: String =
                redis::cmd("CLIENT").arg("LIST").query(&mut server.connection()).unwrap();
            list.contains("cmd=blpop")
        });
        server.clock().jump_ahead(MINUTE * 61);
        assert_eq!(blocked.join().unwrap(), Value::Nil);
    });
}
