//! A lease that lingers after its section.

use super::*;
use crate::local::queue::{AcquireParams, LeaseTerms, MAX_LOCAL_STREAK};

fn lingering(since: u64) -> AcquireParams {
    AcquireParams { linger: Nanos::of(ms(300)), ..params(since) }
}

/// A section that ends at 10; its lease lingers until 310.
fn kept() -> TestQueue {
    let mut queue = TestQueue::held_with(lingering(0));
    assert_eq!(queue.released(10), nothing());
    assert!(queue.queue.is_idle() && !queue.queue.is_vacant());
    queue
}

#[test]
fn the_next_section_starts_at_once_under_the_next_token() {
    let mut queue = kept();
    assert_eq!(queue.take_idle(lingering(309)), Some(FIRST + 1));
    assert_eq!(queue.take_idle(lingering(309)), None, "a section runs");
    assert_eq!(queue.released(310), nothing());
    assert_eq!(queue.take_idle(params(311)), Some(FIRST + 2));
    assert_eq!(queue.released(312), releases(1), "the latest section's linger counts");
    assert!(queue.queue.is_vacant());
}

#[test]
fn a_caller_that_joins_gets_the_lingering_lease() {
    let mut queue = kept();
    assert_eq!(queue.join("second", params(200)), starts("second", FIRST + 1));
}

#[test]
fn a_tick_releases_it() {
    let mut queue = kept();
    assert_eq!(queue.wakes, [at(310)]);
    assert_eq!(queue.tick(309).0, nothing());
    assert_eq!(queue.tick(310).0, releases(1));
    assert!(queue.queue.is_vacant());
    assert_eq!(queue.take_idle(params(311)), None);
}

#[test]
fn an_earlier_tick_does_not_release_it() {
    let mut queue = kept();
    queue.take_idle(lingering(100));
    assert_eq!(queue.tick(310).0, nothing(), "a section runs");
    queue.released(400);
    assert_eq!(queue.tick(699).0, nothing());
    assert_eq!(queue.tick(700).0, releases(1));
}

#[test]
fn another_process_that_waits_gets_it_at_once() {
    let mut queue = kept();
    assert_eq!(queue.contended(20, 7), nothing(), "that was about another hold");
    assert_eq!(queue.contended(20, 1), releases(1));
    assert_eq!(queue.contended(21, 1), nothing());
    assert!(queue.queue.is_vacant());
}

#[test]
fn it_does_not_linger_while_another_process_waits() {
    let mut queue = TestQueue::held_with(lingering(0));
    queue.contended(5, 1);
    assert_eq!(queue.released(10), releases(1));
}

#[test]
fn it_does_not_linger_unless_asked_to() {
    let mut queue = TestQueue::held();
    assert_eq!(queue.released(10), releases(1));
}

#[test]
fn it_does_not_linger_without_a_token() {
    let mut queue = TestQueue::new();
    queue.join("first", lingering(0));
    queue.granted(0, 2, false);
    assert_eq!(queue.released(1), nothing());
    assert_eq!(queue.take_idle(lingering(2)), Some(FIRST + 1));
    assert_eq!(queue.released(3), releases(1));
}

#[test]
fn it_does_not_linger_without_renewal() {
    let terms = LeaseTerms { renew: false, ..TERMS };
    let mut queue = TestQueue::held_with(AcquireParams { terms, ..lingering(0) });
    assert_eq!(queue.released(1), releases(1));
}

#[test]
fn it_does_not_linger_with_little_validity_left() {
    let mut queue = TestQueue::new();
    queue.join("first", lingering(0));
    queue.granted_until(0, PLENTY, false, at(200));
    assert_eq!(queue.released(1), releases(1));
}

#[test]
fn other_terms_do_not_reuse_it() {
    let terms = LeaseTerms { ttl: Nanos::of(TTL * 2), ..TERMS };
    let other = AcquireParams { terms, ..params(20) };
    let mut queue = kept();
    assert_eq!(queue.take_idle(other), None);
    assert_eq!(queue.join("other", other), releases_and_acquires(1, 2));
}

#[test]
fn an_expired_lease_is_not_reused() {
    let mut queue = TestQueue::new();
    queue.join("first", lingering(0));
    queue.granted_until(0, PLENTY, false, at(400));
    assert_eq!(queue.released(10), nothing());
    assert_eq!(queue.take_idle(params(151)), None);
    assert_eq!(queue.join("next", params(151)), releases_and_acquires(1, 2));
}

#[test]
fn it_reserves_many_tokens() {
    let mut queue = TestQueue::new();
    queue.join("first", lingering(0));
    assert_eq!(queue.fence_count, crate::wire::keyspace::MAX_FENCE_RANGE);
}

#[test]
fn it_is_released_on_request() {
    let mut queue = kept();
    queue.queue.release_idle();
    assert_eq!(queue.see(), releases(1));
    let mut queue = TestQueue::held_with(lingering(0));
    queue.queue.release_idle();
    assert_eq!(queue.see(), nothing(), "a section runs");
}

#[test]
fn it_lingers_no_longer_than_it_may_be_handed_off() {
    let long = |now| AcquireParams { linger: Nanos::of(ms(30_000)), ..params(now) };
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
fn a_max_hold_restarts_with_each_lingering_section() {
    for (max_hold, restarts) in [(ms(2000), true), (DAY, false)] {
        let terms = LeaseTerms { max_hold: Some(Nanos::of(max_hold)), ..TERMS };
        let params = |now| AcquireParams { terms, ..lingering(now) };
        let mut queue = TestQueue::held_with(params(0));
        assert_eq!(queue.released(10), nothing());
        assert!(queue.take_idle(params(20)).is_some(), "it was kept");
        assert_eq!(queue.see().reset_max_hold.is_some(), restarts, "{max_hold:?}");
    }
}

#[test]
fn it_is_recorded_when_it_starts_to_linger_if_nothing_is_heard_of_others_before() {
    let mut queue = TestQueue::new();
    queue.queue.listens_late = true;
    queue.join("first", lingering(0));
    queue.granted(0, PLENTY, false);
    let recorded = Seen { reset_max_hold: Some(request_id(1)), ..nothing() };
    assert_eq!(queue.released(10), recorded);
    assert_eq!(queue.take_idle(lingering(20)), Some(FIRST + 1));
    assert_eq!(queue.released(30), nothing(), "once is enough");
}
