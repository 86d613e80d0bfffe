//! The round trips and limits of connecting.

use std::time::{Duration, Instant};

use distlock::LockManager;
use testkit::{Direction, FaultProxy};

use crate::support::{LIMIT, server};

#[test]
fn a_server_600_ms_away_is_reached_in_three_round_trips() {
    let server = server();
    let proxy = FaultProxy::start(&server).unwrap();
    let one_way = Duration::from_millis(300);
    proxy.delay(Direction::ToServer, one_way);
    proxy.delay(Direction::ToClient, one_way);
    let start = Instant::now();
    let locks = LockManager::connect(&proxy.url()).unwrap();
    let guard = locks.mutex("far").wait(LIMIT).acquire_blocking().unwrap();
    // Three to connect and one to acquire; a fifth would end later than this.
    let trips = start.elapsed().as_secs_f64() / (2 * one_way).as_secs_f64();
    assert!(trips < 5.0, "connected and acquired in {trips:.1} round trips");
    guard.release_blocking().unwrap();
}
