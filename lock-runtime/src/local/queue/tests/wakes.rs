//! When a queue needs a tick.

use super::*;

#[test]
fn waiters_with_equal_deadlines_share_a_tick() {
    let mut queue = TestQueue::held();
    for now in 1..1000 {
        queue.join("one of many", params_until(now, now + 2000));
    }
    assert_eq!(queue.wakes, [at(2001)]);
    queue.tick(2001);
    assert_eq!(queue.wakes, [at(2001), at(2002)]);
}

#[test]
fn a_waiter_without_deadline_has_ticks_for_its_warnings() {
    let mut queue = TestQueue::held();
    queue.join("second", params(500));
    assert_eq!(queue.wakes, [at(10_500)]);
    queue.tick(10_500);
    assert_eq!(queue.wakes, [at(10_500), at(20_500)]);
}

#[test]
fn the_waiter_that_the_server_knows_needs_no_tick() {
    let mut queue = TestQueue::new();
    queue.join("first", params_until(0, 50));
    assert_eq!(queue.wakes, []);
}

#[test]
fn a_shorter_deadline_requests_an_earlier_tick() {
    let mut queue = TestQueue::held();
    queue.join("patient", params_until(1, 500));
    queue.join("hasty", params_until(2, 50));
    queue.join("patient", params_until(3, 400));
    assert_eq!(queue.wakes, [at(500), at(50)]);
    queue.tick(50);
    assert_eq!(queue.wakes, [at(500), at(50), at(400)]);
}

/// Ticks when it is due, as the link does.
fn fire_timers(queue: &mut TestQueue, now: u64) {
    while let Some(index) = queue.wakes.iter().position(|&wake| wake <= at(now)) {
        queue.wakes.remove(index);
        queue.tick(now);
    }
}

#[test]
fn ticks_do_not_accumulate_behind_a_long_wait() {
    let mut queue = TestQueue::held();
    queue.join("patient", params(0));
    for now in (0..9000).step_by(10) {
        queue.join("hasty", params_until(now, now + 5));
        fire_timers(&mut queue, now + 5);
        assert!(queue.wakes.len() <= 2, "{} after {now} ms", queue.wakes.len());
    }
}
