//! A hold that is kept with nobody inside.

use super::*;
use crate::local::tenure::OWN_SPAN;
use crate::local::waiting::{AcquireParams, LeaseTerms};

fn lingering(since: u64) -> AcquireParams {
    AcquireParams { linger: ms(300), ..params(since) }
}

/// Left at 10, kept until 310.
fn kept() -> TestQueue {
    let mut desk = TestQueue::held_with(lingering(0));
    assert_eq!(desk.released(10), nothing());
    assert!(desk.line.is_idle() && !desk.line.is_vacant());
    desk
}

#[test]
fn the_next_section_begins_at_once_with_the_next_token() {
    let mut desk = kept();
    assert_eq!(desk.take(lingering(309)), Some(FIRST + 1));
    assert_eq!(desk.take(lingering(309)), None, "somebody is inside");
    assert_eq!(desk.released(310), nothing());
    assert_eq!(desk.take(params(311)), Some(FIRST + 2));
    assert_eq!(desk.released(312), ends(1), "the latest section's linger counts");
    assert!(desk.line.is_vacant());
}

#[test]
fn one_that_joins_gets_it_likewise() {
    let mut desk = kept();
    assert_eq!(desk.join("second", params(200)), serves("second", FIRST + 1));
}

#[test]
fn an_alarm_ends_it() {
    let mut desk = kept();
    assert_eq!(desk.alarms, [at(310)]);
    assert_eq!(desk.tick(309).0, nothing());
    assert_eq!(desk.tick(310).0, ends(1));
    assert!(desk.line.is_vacant());
    assert_eq!(desk.take(params(311)), None);
}

#[test]
fn an_alarm_of_before_does_not_end_it_early() {
    let mut desk = kept();
    desk.take(lingering(100));
    assert_eq!(desk.tick(310).0, nothing(), "somebody is inside");
    desk.released(400);
    assert_eq!(desk.tick(699).0, nothing());
    assert_eq!(desk.tick(700).0, ends(1));
}

#[test]
fn whoever_waits_elsewhere_gets_it_at_once() {
    let mut desk = kept();
    assert_eq!(desk.waited_for(20, 7), nothing(), "that was about another hold");
    assert_eq!(desk.waited_for(20, 1), ends(1));
    assert_eq!(desk.waited_for(21, 1), nothing());
    assert!(desk.line.is_vacant());
}

#[test]
fn it_is_not_kept_while_somebody_waits_elsewhere() {
    let mut desk = TestQueue::held_with(lingering(0));
    desk.waited_for(5, 1);
    assert_eq!(desk.released(10), ends(1));
}

#[test]
fn it_is_not_kept_without_a_linger() {
    let mut desk = TestQueue::held();
    assert_eq!(desk.released(10), ends(1));
}

#[test]
fn it_is_not_kept_without_a_token() {
    let mut desk = TestQueue::new();
    desk.join("first", lingering(0));
    desk.granted(0, 2, false);
    assert_eq!(desk.released(1), nothing());
    assert_eq!(desk.take(lingering(2)), Some(FIRST + 1));
    assert_eq!(desk.released(3), ends(1));
}

#[test]
fn it_is_not_kept_if_it_is_not_renewed() {
    let terms = LeaseTerms { renew: false, ..TERMS };
    let mut desk = TestQueue::held_with(AcquireParams { terms, ..lingering(0) });
    assert_eq!(desk.released(1), ends(1));
}

#[test]
fn it_is_not_kept_with_little_left() {
    let mut desk = TestQueue::new();
    desk.join("first", lingering(0));
    desk.granted_until(0, PLENTY, false, at(200));
    assert_eq!(desk.released(1), ends(1));
}

#[test]
fn other_terms_do_not_enter_it() {
    let terms = LeaseTerms { ttl: TTL * 2, ..TERMS };
    let other = AcquireParams { terms, ..params(20) };
    let mut desk = kept();
    assert_eq!(desk.take(other), None);
    assert_eq!(desk.join("other", other), ends_and_asks(1, 2));
}

#[test]
fn a_hold_past_its_validity_is_not_entered() {
    let mut desk = TestQueue::new();
    desk.join("first", lingering(0));
    desk.granted_until(0, PLENTY, false, at(400));
    assert_eq!(desk.released(10), nothing());
    assert_eq!(desk.take(params(151)), None);
    assert_eq!(desk.join("next", params(151)), ends_and_asks(1, 2));
}

#[test]
fn it_asks_for_a_large_block() {
    let mut desk = TestQueue::new();
    desk.join("first", lingering(0));
    assert_eq!(desk.block, crate::wire::call::LARGEST_BLOCK);
}

#[test]
fn it_is_given_up_when_that_is_wanted() {
    let mut desk = kept();
    let moves = desk.line.settle();
    assert_eq!(desk.see(moves), ends(1));
    let mut desk = TestQueue::held_with(lingering(0));
    let moves = desk.line.settle();
    assert_eq!(desk.see(moves), nothing(), "somebody is inside");
}

#[test]
fn it_is_kept_no_longer_than_it_may_be_entered() {
    let long = |now| AcquireParams { linger: ms(30_000), ..params(now) };
    let end = u64::try_from(OWN_SPAN.as_millis()).unwrap();
    let mut desk = TestQueue::held_with(long(0));
    assert_eq!(desk.released(10), nothing());
    assert_eq!(desk.take(long(end - 1)), Some(FIRST + 1));
    assert_eq!(desk.released(end), ends(1));

    let mut desk = TestQueue::held_with(long(0));
    assert_eq!(desk.released(10), nothing());
    assert_eq!(desk.alarms, [at(end)]);
    assert_eq!(desk.take(long(end)), None);
    assert_eq!(desk.tick(end).0, ends(1));
}

#[test]
fn a_max_hold_counts_anew_with_each_section() {
    for (max_hold, restarts) in [(ms(2000), true), (DAY, false)] {
        let terms = LeaseTerms { max_hold: Some(max_hold), ..TERMS };
        let params = |now| AcquireParams { terms, ..lingering(now) };
        let mut desk = TestQueue::held_with(params(0));
        assert_eq!(desk.released(10), nothing());
        let moves = desk.line.take(at(20), params(20)).expect("it was kept");
        assert_eq!(moves.restart.is_some(), restarts, "{max_hold:?}");
    }
}
