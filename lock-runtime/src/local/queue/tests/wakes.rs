//! When a line is looked at again.

use super::*;

#[test]
fn those_with_one_patience_share_an_alarm() {
    let mut queue = TestQueue::held();
    for now in 1..1000 {
        queue.join("one of many", params_until(now, now + 2000));
    }
    assert_eq!(queue.wakes, [at(2001)]);
    queue.tick(2001);
    assert_eq!(queue.wakes, [at(2001), at(2002)]);
}

#[test]
fn one_that_waits_as_long_as_it_takes_is_looked_at_for_its_warnings() {
    let mut queue = TestQueue::held();
    queue.join("second", params(500));
    assert_eq!(queue.wakes, [at(10_500)]);
    queue.tick(10_500);
    assert_eq!(queue.wakes, [at(10_500), at(20_500)]);
}

#[test]
fn the_one_that_is_asked_for_needs_none() {
    let mut queue = TestQueue::new();
    queue.join("first", params_until(0, 50));
    assert_eq!(queue.wakes, []);
}

#[test]
fn an_earlier_one_is_set_for_less_patience() {
    let mut queue = TestQueue::held();
    queue.join("patient", params_until(1, 500));
    queue.join("hasty", params_until(2, 50));
    queue.join("patient", params_until(3, 400));
    assert_eq!(queue.wakes, [at(500), at(50)]);
    queue.tick(50);
    assert_eq!(queue.wakes, [at(500), at(50), at(400)]);
}

/// Rings all that is due, as the I/O thread does.
fn fire_timers(queue: &mut TestQueue, now: u64) {
    while let Some(index) = queue.wakes.iter().position(|&wake| wake <= at(now)) {
        queue.wakes.remove(index);
        queue.tick(now);
    }
}

#[test]
fn alarms_do_not_pile_up_behind_one_that_waits_long() {
    let mut queue = TestQueue::held();
    queue.join("patient", params(0));
    for now in (0..9000).step_by(10) {
        queue.join("hasty", params_until(now, now + 5));
        fire_timers(&mut queue, now + 5);
        assert!(queue.wakes.len() <= 2, "{} after {now} ms", queue.wakes.len());
    }
}
