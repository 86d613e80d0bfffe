//! Holds that are over before their sections are.

use super::*;
use crate::local::waiting::AcquireParams;
use crate::types::fence::{Fence, FenceBlock};
use crate::wire::reply::Grant;

#[test]
fn nobody_gets_a_lost_hold_and_the_server_is_asked_anew() {
    let mut desk = TestQueue::held();
    desk.join("second", params(1));
    assert_eq!(desk.lost(1), asks(2), "the lost one is released by its section");
    assert_eq!(desk.join("third", params(2)), nothing(), "one request at a time");
    assert_eq!(desk.released(3), ends(1));
    let next = desk.next_fence;
    assert_eq!(desk.granted(4, PLENTY, false), serves("second", next));
    assert_eq!(desk.released(5), serves("third", next + 1));
    assert_eq!(desk.released(6), ends(2));
    assert!(desk.line.is_vacant());
}

#[test]
fn a_lost_section_that_ends_late_leaves_the_next_hold_alone() {
    let mut desk = TestQueue::held();
    desk.join("second", params(1));
    desk.lost(1);
    let next = desk.next_fence;
    desk.granted(2, PLENTY, false);
    desk.join("third", params(3));
    let late = desk.line.released(at(4), nonce(1), Fence::new(FIRST));
    assert_eq!((late.end, late.serve.is_none()), (Some(nonce(1)), true));
    assert_eq!(desk.released(5), serves("third", next + 1));
}

#[test]
fn a_loss_with_nobody_behind_leaves_a_vacant_line() {
    let mut desk = TestQueue::held();
    assert_eq!(desk.lost(1), nothing());
    assert!(desk.line.is_vacant());
    assert_eq!(desk.join("second", params(1)), asks(2));
    assert_eq!(desk.released(2), ends(1), "the section of before");
    assert!(!desk.line.is_vacant(), "the second still waits");
}

#[test]
fn a_loss_while_nobody_is_inside_ends_the_claim() {
    let mut desk = TestQueue::held_with(AcquireParams { linger: ms(500), ..params(0) });
    assert_eq!(desk.released(1), nothing());
    assert_eq!(desk.lost(1), ends(1));
    assert!(desk.line.is_vacant());
    assert_eq!(desk.take(params(2)), None);
    assert_eq!(desk.join("next", params(2)), asks(2));
}

#[test]
fn a_loss_of_another_hold_changes_nothing() {
    let mut desk = TestQueue::held();
    desk.join("second", params(1));
    assert_eq!(desk.lost(7), nothing());
    assert_eq!(desk.released(2), serves("second", FIRST + 1));
}

#[test]
fn what_is_heard_of_a_lost_hold_afterwards_means_nothing() {
    let mut desk = TestQueue::held();
    desk.join("second", params(1));
    desk.lost(1);
    assert_eq!(desk.lost(1), nothing());
    assert_eq!(desk.given_up(1), nothing());
    assert_eq!(desk.waited_for(2, 1), nothing());
    desk.line.extended(nonce(1), at(99_000));
    let moves = {
        let fences = FenceBlock::new(Fence::new(desk.next_fence), 4);
        desk.line.granted(at(3), nonce(2), Grant { fences, waited_for: false }, at(5000))
    };
    assert_eq!(moves.serve.expect("the second's turn").valid_until, at(5000));
}

#[test]
fn a_lost_section_that_gives_up_its_hold_leaves_the_next_request_alone() {
    let mut desk = TestQueue::held();
    desk.join("second", params(1));
    assert_eq!(desk.lost(1), asks(2));
    assert_eq!(desk.given_up(1), nothing());
    let next = desk.next_fence;
    assert_eq!(desk.granted(2, PLENTY, false), serves("second", next));
}
