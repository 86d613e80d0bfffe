//! Waiters: their order, deadlines and warnings.

use super::*;
use crate::local::queue::AcquireParams;
use crate::protocol::request::Failure;
use crate::types::fence::{Fence, FenceRange};
use crate::wire::reply::{BusyReply, Grant};

#[test]
fn one_request_is_sent_at_a_time() {
    let mut queue = TestQueue::new();
    assert_eq!(queue.join("first", params(0)), acquires(1));
    assert_eq!(queue.join("second", params(1)), nothing());
    assert_eq!(queue.join("third", params(2)), nothing());
    assert_eq!(queue.failed(3), (Some("first"), acquires(2)));
    assert_eq!(queue.failed(4), (Some("second"), acquires(3)));
    assert_eq!(queue.failed(5), (Some("third"), nothing()));
    assert!(queue.queue.is_vacant());
    assert_eq!(queue.failed(6), (None, nothing()));
}

#[test]
fn the_request_of_a_cancelled_first_waiter_is_replaced() {
    let mut queue = TestQueue::new();
    let (first, _) = queue.join_with_id("first", params(0));
    let (second, _) = queue.join_with_id("second", params(1));
    let replaced =
        |old, new| Seen { acquire: Some((request_id(new), Some(request_id(old)))), ..nothing() };
    assert_eq!(queue.cancel(first), replaced(1, 2));
    assert_eq!(queue.cancel(first), nothing(), "it has left");
    assert_eq!(queue.cancel(second), releases(2), "nobody is behind it");
    assert!(queue.queue.is_vacant());
}

#[test]
fn cancelling_a_later_waiter_changes_nothing() {
    let mut queue = TestQueue::new();
    queue.join("first", params(0));
    let (second, _) = queue.join_with_id("second", params(1));
    queue.join("third", params(2));
    assert_eq!(queue.cancel(second), nothing());
    assert_eq!(queue.granted(3, PLENTY, false), starts("first", FIRST));
    assert_eq!(queue.released(4), starts("third", FIRST + 1));
}

#[test]
fn cancelling_the_first_waiter_behind_a_section_changes_nothing() {
    let mut queue = TestQueue::held();
    let (second, _) = queue.join_with_id("second", params(1));
    queue.join("third", params(2));
    assert_eq!(queue.cancel(second), nothing(), "no server knows of it");
    assert_eq!(queue.released(3), starts("third", FIRST + 1));
}

#[test]
fn a_waiter_that_was_granted_cannot_be_cancelled() {
    let mut queue = TestQueue::new();
    let (first, _) = queue.join_with_id("first", params(0));
    queue.granted(1, PLENTY, false);
    assert_eq!(queue.cancel(first), nothing());
    assert_eq!(queue.released(2), releases(1));
}

#[test]
fn a_grant_for_a_cancelled_request_is_released() {
    let mut queue = TestQueue::new();
    let (first, _) = queue.join_with_id("first", params(0));
    queue.join("second", params(1));
    queue.cancel(first);
    let fences = FenceRange::new(Fence::new(FIRST), 4);
    queue.queue.granted(at(2), request_id(1), Grant { fences, contended: false }, at(9000));
    assert_eq!(queue.see(), releases(1));
    assert_eq!(queue.granted(3, 4, false), starts("second", FIRST));
}

#[test]
fn the_failure_of_a_replaced_request_is_ignored() {
    let mut queue = TestQueue::new();
    let (first, _) = queue.join_with_id("first", params(0));
    queue.join("second", params(1));
    queue.cancel(first);
    queue.queue.failed(at(2), request_id(1), Failure::NoReply);
    assert_eq!((queue.see(), queue.failed.len()), (nothing(), 0));
    assert_eq!(queue.failed(3), (Some("second"), nothing()));
}

#[test]
fn is_open_if_a_new_caller_would_be_the_first() {
    let mut queue = TestQueue::new();
    assert!(queue.queue.is_open());
    queue.join("first", AcquireParams { linger: Nanos::of(ms(300)), ..params(0) });
    assert!(!queue.queue.is_open(), "one is before it");
    queue.granted(1, PLENTY, false);
    assert!(!queue.queue.is_open(), "one is inside");
    queue.released(2);
    assert!(queue.queue.is_open(), "it is kept for the next");
}

/// The waiter, the holder's token, and how many are ahead.
fn expired(result: &Ticked) -> Vec<(&'static str, (Option<u64>, u64))> {
    result.timed_out.iter().map(|(who, failure)| (*who, busy(failure))).collect()
}

#[test]
fn a_timed_out_waiter_behind_a_section_gets_holder_and_position() {
    let mut queue = TestQueue::held();
    queue.join("second", params(1));
    queue.join("third", params_until(2, 100));
    queue.join("fourth", params(3));
    queue.join("fifth", params_until(4, 50));
    let (local_view, result) = queue.tick(50);
    assert_eq!((local_view, expired(&result)), (nothing(), vec![("fifth", (Some(FIRST), 3))]));
    let (local_view, result) = queue.tick(99);
    assert_eq!((local_view, expired(&result)), (nothing(), vec![]));
    assert_eq!(queue.released(99), starts("second", FIRST + 1));
    let (_, result) = queue.tick(100);
    assert_eq!(expired(&result), [("third", (Some(FIRST + 1), 0))], "the section of now");
    assert_eq!(queue.released(101), starts("fourth", FIRST + 2));
}

#[test]
fn waiters_behind_a_request_get_the_holder_that_the_server_named() {
    let mut queue = TestQueue::new();
    queue.join("first", params_until(0, 50));
    queue.join("second", params_until(1, 50));
    queue.join("third", params_until(2, 50));
    let (local_view, result) = queue.tick(50);
    assert_eq!(local_view, nothing(), "the first is the protocol's");
    let theirs = |ahead: u64| (Some(THEIRS), 2 + ahead);
    assert_eq!(expired(&result), [("second", theirs(1)), ("third", theirs(2))]);
    assert_eq!(queue.failed(51), (Some("first"), nothing()));
}

#[test]
fn waiters_behind_a_request_without_reply_are_busy() {
    let mut queue = TestQueue::new();
    queue.join("first", params(0));
    queue.join("second", params_until(1, 50));
    let (_, result) =
        queue.tick_with(50, Failure::NoReply, |_, _| unreachable!("nobody is inside"));
    let busy = Failure::Busy(BusyReply { ahead: 1, ..BusyReply::by_others() });
    assert_eq!(result.timed_out, [("second", busy)]);
}

#[test]
fn an_unreachable_server_is_reported_to_all_waiters() {
    let mut queue = TestQueue::new();
    queue.join("first", params(0));
    queue.join("second", params_until(1, 50));
    let gone = Failure::Unavailable("gone".to_owned());
    let (_, result) = queue.tick_with(50, gone.clone(), |_, _| unreachable!("nobody is inside"));
    assert_eq!(result.timed_out, [("second", gone)]);
}

#[test]
fn a_slow_wait_is_reported_after_10_s_and_then_at_twice_the_time() {
    let mut queue = TestQueue::held();
    queue.join("second", params(0));
    queue.join("third", params(5000));
    let mut reported = Vec::new();
    for now in (0..=80_000).step_by(1000) {
        let (local_view, result) = queue.tick(now);
        assert_eq!((local_view, result.timed_out.len()), (nothing(), 0));
        for long in result.slow_waits {
            let busy = busy(&Failure::Busy(long.busy.expect("the holder is known")));
            reported.push((now, long.waited, busy));
        }
    }
    let queue = |now, waited, ahead| (now, ms(waited), (Some(FIRST), ahead));
    assert_eq!(
        reported,
        [
            queue(10_000, 10_000, 0),
            queue(15_000, 10_000, 1),
            queue(20_000, 20_000, 0),
            queue(25_000, 20_000, 1),
            queue(40_000, 40_000, 0),
            queue(45_000, 40_000, 1),
            queue(80_000, 80_000, 0),
        ]
    );
}

#[test]
fn the_local_view_has_the_waiters_unknown_to_the_server() {
    let since = |queue: &TestQueue| -> Vec<u128> {
        let waiting = queue.queue.unknown_waiters();
        waiting.map(|params| params.since.since(at(0)).as_millis()).collect()
    };
    let mut queue = TestQueue::new();
    queue.join("first", params(0));
    queue.join("second", params(1));
    queue.join("third", params(2));
    assert!(queue.queue.running().is_none());
    assert_eq!(since(&queue), [1, 2]);
    queue.granted(3, PLENTY, false);
    assert_eq!(since(&queue), [1, 2]);
    queue.released(4);
    let running = queue.queue.running().expect("the second").fence;
    assert_eq!((running.get(), since(&queue)), (FIRST + 1, vec![2]));
    queue.lost(1);
    assert_eq!(since(&queue), [0; 0], "the server is asked for the third");
}

#[test]
fn a_cleared_queue_is_vacant() {
    let mut queue = TestQueue::held();
    queue.join("second", params(1));
    drop(queue.queue.clear());
    assert!(queue.queue.is_vacant());
    assert_eq!(queue.released(2), releases(1));
}
