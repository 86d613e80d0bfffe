//! When a line is looked at again.

use super::*;

#[test]
fn those_with_one_patience_share_an_alarm() {
    let mut desk = TestQueue::held();
    for now in 1..1000 {
        desk.join("one of many", wish_until(now, now + 2000));
    }
    assert_eq!(desk.alarms, [at(2001)]);
    desk.tick(2001);
    assert_eq!(desk.alarms, [at(2001), at(2002)]);
}

#[test]
fn one_that_waits_as_long_as_it_takes_is_looked_at_for_its_warnings() {
    let mut desk = TestQueue::held();
    desk.join("second", params(500));
    assert_eq!(desk.alarms, [at(10_500)]);
    desk.tick(10_500);
    assert_eq!(desk.alarms, [at(10_500), at(20_500)]);
}

#[test]
fn the_one_that_is_asked_for_needs_none() {
    let mut desk = TestQueue::new();
    desk.join("first", wish_until(0, 50));
    assert_eq!(desk.alarms, []);
}

#[test]
fn an_earlier_one_is_set_for_less_patience() {
    let mut desk = TestQueue::held();
    desk.join("patient", wish_until(1, 500));
    desk.join("hasty", wish_until(2, 50));
    desk.join("patient", wish_until(3, 400));
    assert_eq!(desk.alarms, [at(500), at(50)]);
    desk.tick(50);
    assert_eq!(desk.alarms, [at(500), at(50), at(400)]);
}

/// Rings all that is due, as the I/O thread does.
fn ring(desk: &mut TestQueue, now: u64) {
    while let Some(index) = desk.alarms.iter().position(|&alarm| alarm <= at(now)) {
        desk.alarms.remove(index);
        desk.tick(now);
    }
}

#[test]
fn alarms_do_not_pile_up_behind_one_that_waits_long() {
    let mut desk = TestQueue::held();
    desk.join("patient", params(0));
    for now in (0..9000).step_by(10) {
        desk.join("hasty", wish_until(now, now + 5));
        ring(&mut desk, now + 5);
        assert!(desk.alarms.len() <= 2, "{} after {now} ms", desk.alarms.len());
    }
}
