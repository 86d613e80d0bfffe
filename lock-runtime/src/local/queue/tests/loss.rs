//! Leases that are lost before their sections end.

use super::*;
use crate::local::queue::AcquireParams;
use crate::types::fence::Fence;

#[test]
fn a_lost_lease_is_not_handed_off_and_the_next_waiter_asks_the_server() {
    let mut queue = TestQueue::held();
    queue.join("second", params(1));
    assert_eq!(queue.lost(1), acquires(2), "the lost one is released by its section");
    assert_eq!(queue.join("third", params(2)), nothing(), "one request at a time");
    assert_eq!(queue.released(3), releases(1));
    let next = queue.next_fence;
    assert_eq!(queue.granted(4, PLENTY, false), starts("second", next));
    assert_eq!(queue.released(5), starts("third", next + 1));
    assert_eq!(queue.released(6), releases(2));
    assert!(queue.queue.is_vacant());
}

#[test]
fn a_lost_section_that_ends_late_does_not_affect_the_next_lease() {
    let mut queue = TestQueue::held();
    queue.join("second", params(1));
    queue.lost(1);
    let next = queue.next_fence;
    queue.granted(2, PLENTY, false);
    queue.join("third", params(3));
    queue.queue.released(at(4), request_id(1), Fence::new(FIRST));
    assert_eq!(queue.see(), releases(1));
    assert_eq!(queue.released(5), starts("third", next + 1));
}

#[test]
fn a_loss_without_waiters_leaves_the_queue_vacant() {
    let mut queue = TestQueue::held();
    assert_eq!(queue.lost(1), nothing());
    assert!(queue.queue.is_vacant());
    assert_eq!(queue.join("second", params(1)), acquires(2));
    assert_eq!(queue.released(2), releases(1), "the section of before");
    assert!(!queue.queue.is_vacant(), "the second still waits");
}

#[test]
fn the_loss_of_an_idle_lease_releases_it() {
    let mut queue = TestQueue::held_with(AcquireParams { linger: Nanos::of(ms(500)), ..params(0) });
    assert_eq!(queue.released(1), nothing());
    assert_eq!(queue.lost(1), releases(1));
    assert!(queue.queue.is_vacant());
    assert_eq!(queue.take_idle(params(2)), None);
    assert_eq!(queue.join("next", params(2)), acquires(2));
}

#[test]
fn a_loss_of_another_lease_is_ignored() {
    let mut queue = TestQueue::held();
    queue.join("second", params(1));
    assert_eq!(queue.lost(7), nothing());
    assert_eq!(queue.released(2), starts("second", FIRST + 1));
}

#[test]
fn news_of_a_lost_lease_are_ignored() {
    let mut queue = TestQueue::held();
    queue.join("second", params(1));
    queue.lost(1);
    assert_eq!(queue.lost(1), nothing());
    assert_eq!(queue.released_directly(1), nothing());
    assert_eq!(queue.contended(2, 1), nothing());
    queue.queue.renewed(request_id(1), at(99_000));
    let next = queue.next_fence;
    assert_eq!(queue.granted_until(3, 4, false, at(5000)), starts("second", next));
    assert_eq!(queue.queue.valid_until(), Some(at(5000)));
}

#[test]
fn a_lost_section_released_directly_does_not_affect_the_next_request() {
    let mut queue = TestQueue::held();
    queue.join("second", params(1));
    assert_eq!(queue.lost(1), acquires(2));
    assert_eq!(queue.released_directly(1), nothing());
    let next = queue.next_fence;
    assert_eq!(queue.granted(2, PLENTY, false), starts("second", next));
}
