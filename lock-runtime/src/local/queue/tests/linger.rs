//! A hold that is kept with nobody inside.

use super::*;
use crate::local::params::{AcquireParams, LeaseTerms};
use crate::local::process_lease::MAX_LOCAL_STREAK;

fn lingering(since: u64) -> AcquireParams {
    AcquireParams { linger: ms(300), ..params(since) }
}

/// Left at 10, kept until 310.
fn kept() -> TestQueue {
    let mut queue = TestQueue::held_with(lingering(0));
    assert_eq!(queue.released(10), nothing());
    assert!(queue.queue.is_idle() && !queue.queue.is_vacant());
    queue
}

#[test]
fn the_next_section_begins_at_once_with_the_next_token() {
    let mut queue = kept();
    assert_eq!(queue.take_idle(lingering(309)), Some(FIRST + 1));
    assert_eq!(queue.take_idle(lingering(309)), None, "somebody is inside");
    assert_eq!(queue.released(310), nothing());
    assert_eq!(queue.take_idle(params(311)), Some(FIRST + 2));
    assert_eq!(queue.released(312), releases(1), "the latest section's linger counts");
    assert!(queue.queue.is_vacant());
}

#[test]
fn one_that_joins_gets_it_likewise() {
    let mut queue = kept();
    assert_eq!(queue.join("second", params(200)), starts("second", FIRST + 1));
}

#[test]
fn an_alarm_ends_it() {
    let mut queue = kept();
    assert_eq!(queue.wakes, [at(310)]);
    assert_eq!(queue.tick(309).0, nothing());
    assert_eq!(queue.tick(310).0, releases(1));
    assert!(queue.queue.is_vacant());
    assert_eq!(queue.take_idle(params(311)), None);
}

#[test]
fn an_alarm_of_before_does_not_end_it_early() {
    let mut queue = kept();
    queue.take_idle(lingering(100));
    assert_eq!(queue.tick(310).0, nothing(), "somebody is inside");
    queue.released(400);
    assert_eq!(queue.tick(699).0, nothing());
    assert_eq!(queue.tick(700).0, releases(1));
}

#[test]
fn whoever_waits_elsewhere_gets_it_at_once() {
    let mut queue = kept();
    assert_eq!(queue.contended(20, 7), nothing(), "that was about another hold");
    assert_eq!(queue.contended(20, 1), releases(1));
    assert_eq!(queue.contended(21, 1), nothing());
    assert!(queue.queue.is_vacant());
}

#[test]
fn it_is_not_kept_while_somebody_waits_elsewhere() {
    let mut queue = TestQueue::held_with(lingering(0));
    queue.contended(5, 1);
    assert_eq!(queue.released(10), releases(1));
}

#[test]
fn it_is_not_kept_without_a_linger() {
    let mut queue = TestQueue::held();
    assert_eq!(queue.released(10), releases(1));
}

#[test]
fn it_is_not_kept_without_a_token() {
    let mut queue = TestQueue::new();
    queue.join("first", lingering(0));
    queue.granted(0, 2, false);
    assert_eq!(queue.released(1), nothing());
    assert_eq!(queue.take_idle(lingering(2)), Some(FIRST + 1));
    assert_eq!(queue.released(3), releases(1));
}

#[test]
fn it_is_not_kept_if_it_is_not_renewed() {
    let terms = LeaseTerms { renew: false, ..TERMS };
    let mut queue = TestQueue::held_with(AcquireParams { terms, ..lingering(0) });
    assert_eq!(queue.released(1), releases(1));
}

#[test]
fn it_is_not_kept_with_little_left() {
    let mut queue = TestQueue::new();
    queue.join("first", lingering(0));
    queue.granted_until(0, PLENTY, false, at(200));
    assert_eq!(queue.released(1), releases(1));
}

#[test]
fn other_terms_do_not_enter_it() {
    let terms = LeaseTerms { ttl: TTL * 2, ..TERMS };
    let other = AcquireParams { terms, ..params(20) };
    let mut queue = kept();
    assert_eq!(queue.take_idle(other), None);
    assert_eq!(queue.join("other", other), releases_and_acquires(1, 2));
}

#[test]
fn a_hold_past_its_validity_is_not_entered() {
    let mut queue = TestQueue::new();
    queue.join("first", lingering(0));
    queue.granted_until(0, PLENTY, false, at(400));
    assert_eq!(queue.released(10), nothing());
    assert_eq!(queue.take_idle(params(151)), None);
    assert_eq!(queue.join("next", params(151)), releases_and_acquires(1, 2));
}

#[test]
fn it_asks_for_a_large_block() {
    let mut queue = TestQueue::new();
    queue.join("first", lingering(0));
    assert_eq!(queue.fence_count, crate::wire::limits::MAX_FENCE_RANGE);
}

#[test]
fn it_is_given_up_when_that_is_wanted() {
    let mut queue = kept();
    let actions = queue.queue.release_idle();
    assert_eq!(queue.see(actions), releases(1));
    let mut queue = TestQueue::held_with(lingering(0));
    let actions = queue.queue.release_idle();
    assert_eq!(queue.see(actions), nothing(), "somebody is inside");
}

#[test]
fn it_is_kept_no_longer_than_it_may_be_entered() {
    let long = |now| AcquireParams { linger: ms(30_000), ..params(now) };
    let release = u64::try_from(MAX_LOCAL_STREAK.as_millis()).unwrap();
    let mut queue = TestQueue::held_with(long(0));
    assert_eq!(queue.released(10), nothing());
    assert_eq!(queue.take_idle(long(release - 1)), Some(FIRST + 1));
    assert_eq!(queue.released(release), releases(1));

    let mut queue = TestQueue::held_with(long(0));
    assert_eq!(queue.released(10), nothing());
    assert_eq!(queue.wakes, [at(release)]);
    assert_eq!(queue.take_idle(long(release)), None);
    assert_eq!(queue.tick(release).0, releases(1));
}

#[test]
fn a_max_hold_counts_anew_with_each_section() {
    for (max_hold, restarts) in [(ms(2000), true), (DAY, false)] {
        let terms = LeaseTerms { max_hold: Some(max_hold), ..TERMS };
        let params = |now| AcquireParams { terms, ..lingering(now) };
        let mut queue = TestQueue::held_with(params(0));
        assert_eq!(queue.released(10), nothing());
        let actions = queue.queue.take_idle(at(20), params(20)).expect("it was kept");
        assert_eq!(actions.reset_max_hold.is_some(), restarts, "{max_hold:?}");
    }
}
