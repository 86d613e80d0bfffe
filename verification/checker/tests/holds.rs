//! Validity, the register, the counter, the end of a hold.

mod common;

use checker::Property;
use common::{History, lossy};

#[test]
fn two_holds_at_once_are_found() {
    let overlap = |second| History::new().section(0, 20, 101, 7).section(second, 40, 202, 8);
    let report = overlap(19).breaks(Property::Disjoint);
    assert_eq!(report.violations[0].requests, [101, 202]);
    let report = overlap(20).passes();
    assert_eq!((report.requests, report.pairs, report.double_holds), (2, 2, 0));
}

#[test]
fn two_holds_at_once_are_counted_in_a_lossy_run() {
    let overlap = History::new().section(0, 20, 101, 7).section(19, 40, 202, 8);
    assert_eq!(overlap.passes_under(&lossy()).double_holds, 1);
}

#[test]
fn a_hold_is_found_inside_a_long_one_past_a_short_one() {
    let report = History::new()
        .section(0, 50, 101, 7)
        .section(10, 20, 202, 8)
        .section(30, 40, 303, 9)
        .passes_under(&lossy());
    assert_eq!(report.double_holds, 2);
}

#[test]
fn a_hold_ends_where_its_validity_ends() {
    let second = |from| {
        History::new()
            .asks(0, 101)
            .enters_until(0, 101, 7, 30)
            .lost(35, 101)
            .leaves(40, 101)
            .section(from, 50, 202, 8)
    };
    second(29).breaks(Property::Disjoint);
    assert_eq!(second(30).passes().losses, 1);
}

#[test]
fn a_hold_goes_on_as_long_as_it_was_extended() {
    let second = |from| {
        History::new()
            .asks(0, 101)
            .enters_until(0, 101, 7, 30)
            .valid(10, 101, 60)
            .leaves(70, 101)
            .section(from, 90, 202, 8)
    };
    second(59).breaks(Property::Disjoint);
    second(60).passes();
}

#[test]
fn a_hold_ends_with_its_process() {
    let second = |from| {
        History::new().asks(0, 101).enters(0, 101, 7).crashed(20, 1).section(from, 50, 202, 8)
    };
    second(19).breaks(Property::Disjoint);
    second(20).passes();
}

#[test]
fn a_hold_lasts_as_long_as_anybody_inside() {
    let second = |from| {
        History::new()
            .asks(0, 101)
            .enters(0, 101, 7)
            .asks(1, 102)
            .enters_within(1, 102, 7, 101)
            .leaves(10, 101)
            .leaves(20, 102)
            .section(from, 50, 202, 8)
    };
    second(19).breaks(Property::Disjoint);
    second(20).passes();
}

fn late_write() -> History {
    History::new()
        .asks(0, 101)
        .enters_until(0, 101, 7, 30)
        .lost(30, 101)
        .asks(20, 202)
        .enters(40, 202, 8)
        .wrote(41, 202)
        .leaves(60, 202)
        .leaves(60, 101)
}

#[test]
fn a_register_that_takes_a_lower_token_after_a_higher_one_is_found() {
    late_write().wrote(50, 101).breaks(Property::Register);
    late_write().wrote(50, 101).breaks_under(&lossy(), Property::Register);
    late_write().write_refused(50, 101).passes();
    late_write().wrote(40, 101).passes();
}

fn counters(second: u64) -> History {
    History::new()
        .section(0, 10, 101, 7)
        .counted(5, 101, 0)
        .section(20, 30, 202, 8)
        .counted(25, 202, second)
}

#[test]
fn an_update_that_is_lost_is_found() {
    counters(0).breaks(Property::Counter);
    counters(0).passes_under(&lossy());
    counters(1).passes();
}

#[test]
fn a_total_that_is_not_the_number_of_rounds_is_found() {
    counters(1).total(50, 0, 1).breaks(Property::Counter);
    counters(1).total(50, 0, 3).breaks(Property::Counter);
    counters(1).total(50, 0, 2).passes();
}

#[test]
fn a_holder_that_crashed_may_have_written_once_more() {
    let crash = counters(1).asks(40, 303).enters(41, 303, 9).crashed(45, 3);
    crash.clone().total(50, 0, 2).passes();
    crash.clone().total(50, 0, 3).passes();
    crash.total(50, 0, 4).breaks(Property::Counter);
}

#[test]
fn a_counter_written_past_a_lease_proves_nothing() {
    let written = |at| {
        History::new()
            .asks(0, 101)
            .enters_until(0, 101, 7, 30)
            .counted(at, 101, 0)
            .leaves(36, 101)
            .section(50, 60, 202, 8)
            .counted(55, 202, 0)
    };
    assert_eq!(written(35).passes().counters_overwritten, 1);
    written(30).breaks(Property::Counter);
}

#[test]
fn a_holder_that_is_not_told_is_found() {
    let told =
        |at| History::new().asks(0, 101).enters_until(0, 101, 7, 30).lost(at, 101).leaves(90, 101);
    told(41).breaks(Property::Told);
    told(40).passes();
    let left = |at| History::new().asks(0, 101).enters_until(0, 101, 7, 30).leaves(at, 101);
    left(41).breaks(Property::Told);
    left(40).passes();
}

#[test]
fn a_holder_that_is_never_told_is_found() {
    History::new().asks(0, 101).enters_until(0, 101, 7, 30).breaks(Property::Told);
}

#[test]
fn a_holder_that_stood_still_is_told_when_it_goes_on() {
    let told = |at| {
        History::new()
            .asks(0, 101)
            .enters_until(0, 101, 7, 30)
            .paused(40, 1)
            .resumed(100, 1)
            .lost(at, 101)
            .leaves(200, 101)
    };
    told(111).breaks(Property::Told);
    told(110).passes();
    let crash = |at| History::new().asks(0, 101).enters_until(0, 101, 7, 30).crashed(at, 1);
    crash(41).breaks(Property::Told);
    crash(40).passes();
}

#[test]
fn a_loss_that_is_taken_back_is_found() {
    let valid = |at| {
        History::new()
            .asks(0, 101)
            .enters_until(0, 101, 7, 30)
            .valid(at, 101, 60)
            .lost(20, 101)
            .leaves(40, 101)
    };
    valid(25).breaks(Property::Told);
    valid(20).passes();
}

#[test]
fn a_loss_ends_a_hold_before_its_validity_does() {
    let second = |from| {
        let first = History::new().asks(0, 101).enters(0, 101, 7).lost(20, 101);
        first.leaves(40, 101).section(from, 50, 202, 8)
    };
    second(19).breaks(Property::Disjoint);
    second(20).passes();
}

#[test]
fn a_holder_that_crashed_past_its_lease_may_have_overwritten() {
    let crash = |at| {
        let first = counters(1).asks(40, 303).enters_until(41, 303, 9, 60).lost(60, 303);
        first.crashed(at, 3).total(90, 0, 1)
    };
    crash(60).breaks(Property::Counter);
    assert_eq!(crash(61).passes().counters_overwritten, 1);
}

#[test]
fn a_hold_may_be_seen_valid_in_the_instant_of_its_loss() {
    let valid = |at| {
        let lost = History::new().asks(0, 101).enters(0, 101, 7).lost(20, 101);
        lost.valid(at, 101, 2_100).leaves(40, 101)
    };
    valid(20).passes();
    valid(21).breaks(Property::Told);
}
