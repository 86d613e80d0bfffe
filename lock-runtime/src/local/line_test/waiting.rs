//! Those behind one another: their order, their deadlines, their warnings.

use super::*;
use crate::local::moves::TickResult;
use crate::local::waiting::AcquireParams;
use crate::protocol::claim::Failure;
use crate::types::fence::{Fence, FenceBlock};
use crate::wire::reply::{Busy, Grant};

#[test]
fn one_request_is_asked_for_at_a_time() {
    let mut desk = TestQueue::new();
    assert_eq!(desk.join("first", params(0)), asks(1));
    assert_eq!(desk.join("second", params(1)), nothing());
    assert_eq!(desk.join("third", params(2)), nothing());
    assert_eq!(desk.failed(3), (Some("first"), asks(2)));
    assert_eq!(desk.failed(4), (Some("second"), asks(3)));
    assert_eq!(desk.failed(5), (Some("third"), nothing()));
    assert!(desk.line.is_vacant());
    assert_eq!(desk.failed(6), (None, nothing()));
}

#[test]
fn the_next_takes_the_place_of_the_first_that_leaves() {
    let mut desk = TestQueue::new();
    let (first, _) = desk.join_numbered("first", params(0));
    let (second, _) = desk.join_numbered("second", params(1));
    let replaced = |old, new| Seen { ask: Some((nonce(new), Some(nonce(old)))), ..nothing() };
    assert_eq!(desk.leave(first), replaced(1, 2));
    assert_eq!(desk.leave(first), nothing(), "it has left");
    assert_eq!(desk.leave(second), ends(2), "nobody is behind it");
    assert!(desk.line.is_vacant());
}

#[test]
fn one_further_back_leaves_without_a_trace() {
    let mut desk = TestQueue::new();
    desk.join("first", params(0));
    let (second, _) = desk.join_numbered("second", params(1));
    desk.join("third", params(2));
    assert_eq!(desk.leave(second), nothing());
    assert_eq!(desk.granted(3, PLENTY, false), serves("first", FIRST));
    assert_eq!(desk.released(4), serves("third", FIRST + 1));
}

#[test]
fn the_first_behind_a_section_leaves_without_a_trace() {
    let mut desk = TestQueue::held();
    let (second, _) = desk.join_numbered("second", params(1));
    desk.join("third", params(2));
    assert_eq!(desk.leave(second), nothing(), "no server knows of it");
    assert_eq!(desk.released(3), serves("third", FIRST + 1));
}

#[test]
fn one_that_has_its_turn_leaves_by_its_section_alone() {
    let mut desk = TestQueue::new();
    let (first, _) = desk.join_numbered("first", params(0));
    desk.granted(1, PLENTY, false);
    assert_eq!(desk.leave(first), nothing());
    assert_eq!(desk.released(2), ends(1));
}

#[test]
fn a_grant_for_one_that_has_left_is_given_back() {
    let mut desk = TestQueue::new();
    let (first, _) = desk.join_numbered("first", params(0));
    desk.join("second", params(1));
    desk.leave(first);
    let fences = FenceBlock::new(Fence::new(FIRST), 4);
    let late = desk.line.granted(at(2), nonce(1), Grant { fences, waited_for: false }, at(9000));
    assert_eq!(desk.see(late), ends(1));
    assert_eq!(desk.granted(3, 4, false), serves("second", FIRST));
}

#[test]
fn the_end_of_a_request_that_was_replaced_is_not_the_end_of_the_next() {
    let mut desk = TestQueue::new();
    let (first, _) = desk.join_numbered("first", params(0));
    desk.join("second", params(1));
    desk.leave(first);
    let (slot, moves) = desk.line.failed(at(2), nonce(1));
    assert_eq!((slot, desk.see(moves)), (None, nothing()));
    assert_eq!(desk.failed(3), (Some("second"), nothing()));
}

#[test]
fn it_is_open_where_a_newcomer_is_the_next() {
    let mut desk = TestQueue::new();
    assert!(desk.line.is_open());
    desk.join("first", AcquireParams { linger: ms(300), ..params(0) });
    assert!(!desk.line.is_open(), "one is before it");
    desk.granted(1, PLENTY, false);
    assert!(!desk.line.is_open(), "one is inside");
    desk.released(2);
    assert!(desk.line.is_open(), "it is kept for the next");
}

/// Who heard, the holder's token, and how many came first.
fn expired(rung: &TickResult<&'static str>) -> Vec<(&'static str, (Option<u64>, u64))> {
    rung.expired.iter().map(|(who, failure)| (*who, busy(failure))).collect()
}

#[test]
fn those_behind_a_section_hear_who_is_inside_and_how_many_come_first() {
    let mut desk = TestQueue::held();
    desk.join("second", params(1));
    desk.join("third", wish_until(2, 100));
    desk.join("fourth", params(3));
    desk.join("fifth", wish_until(4, 50));
    let (seen, rung) = desk.tick(50);
    assert_eq!((seen, expired(&rung)), (nothing(), vec![("fifth", (Some(FIRST), 3))]));
    let (seen, rung) = desk.tick(99);
    assert_eq!((seen, expired(&rung)), (nothing(), vec![]));
    assert_eq!(desk.released(99), serves("second", FIRST + 1));
    let (_, rung) = desk.tick(100);
    assert_eq!(expired(&rung), [("third", (Some(FIRST + 1), 0))], "the section of now");
    assert_eq!(desk.released(101), serves("fourth", FIRST + 2));
}

#[test]
fn those_behind_the_one_that_is_asked_for_hear_what_the_server_said_to_it() {
    let mut desk = TestQueue::new();
    desk.join("first", wish_until(0, 50));
    desk.join("second", wish_until(1, 50));
    desk.join("third", wish_until(2, 50));
    let (seen, rung) = desk.tick(50);
    assert_eq!(seen, nothing(), "the first is the protocol's");
    let theirs = |ahead: u64| (Some(THEIRS), 2 + ahead);
    assert_eq!(expired(&rung), [("second", theirs(1)), ("third", theirs(2))]);
    assert_eq!(desk.failed(51), (Some("first"), nothing()));
}

#[test]
fn those_behind_one_that_got_no_reply_are_busy_as_nothing_was_sent_for_them() {
    let mut desk = TestQueue::new();
    desk.join("first", params(0));
    desk.join("second", wish_until(1, 50));
    let rung = desk.line.tick(at(50), |_| Failure::NoReply, |_| unreachable!("nobody is inside"));
    let busy = Failure::Busy(Busy { ahead: 1, ..Busy::by_others() });
    assert_eq!(rung.expired, [("second", busy)]);
}

#[test]
fn a_server_that_cannot_be_reached_is_the_reason_for_all() {
    let mut desk = TestQueue::new();
    desk.join("first", params(0));
    desk.join("second", wish_until(1, 50));
    let gone = Failure::Unavailable("gone".to_owned());
    let rung = desk.line.tick(at(50), |_| gone.clone(), |_| unreachable!("nobody is inside"));
    assert_eq!(rung.expired, [("second", gone)]);
}

#[test]
fn a_long_wait_is_told_after_ten_seconds_and_then_at_twice_the_time() {
    let mut desk = TestQueue::held();
    desk.join("second", params(0));
    desk.join("third", params(5000));
    let mut told = Vec::new();
    for now in (0..=80_000).step_by(1000) {
        let (seen, rung) = desk.tick(now);
        assert_eq!((seen, rung.expired.len()), (nothing(), 0));
        for long in rung.long {
            let busy = busy(&Failure::Busy(long.busy.expect("the holder is known")));
            told.push((now, long.waited, busy));
        }
    }
    let line = |now, waited, ahead| (now, ms(waited), (Some(FIRST), ahead));
    assert_eq!(
        told,
        [
            line(10_000, 10_000, 0),
            line(15_000, 10_000, 1),
            line(20_000, 20_000, 0),
            line(25_000, 20_000, 1),
            line(40_000, 40_000, 0),
            line(45_000, 40_000, 1),
            line(80_000, 80_000, 0),
        ]
    );
}

#[test]
fn those_that_the_server_does_not_know_are_seen_here() {
    let since = |desk: &TestQueue| -> Vec<u128> {
        let (_, waiting) = desk.line.seen();
        waiting.map(|params| params.since.since(at(0)).as_millis()).collect()
    };
    let mut desk = TestQueue::new();
    desk.join("first", params(0));
    desk.join("second", params(1));
    desk.join("third", params(2));
    assert!(desk.line.seen().0.is_none());
    assert_eq!(since(&desk), [1, 2]);
    desk.granted(3, PLENTY, false);
    assert_eq!(since(&desk), [1, 2]);
    desk.released(4);
    let inside = desk.line.seen().0.expect("the second").fence;
    assert_eq!((inside.get(), since(&desk)), (FIRST + 1, vec![2]));
    desk.lost(1);
    assert_eq!(since(&desk), [0; 0], "the server is asked for the third");
}

#[test]
fn a_line_that_is_cleared_is_vacant() {
    let mut desk = TestQueue::held();
    desk.join("second", params(1));
    drop(desk.line.clear());
    assert!(desk.line.is_vacant());
    assert_eq!(desk.released(2), ends(1));
}
